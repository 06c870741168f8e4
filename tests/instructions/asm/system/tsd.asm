; With CR4.TSD RDTSC and RDTSCP are #GP(0) at CPL 3, and not at CPL 0 (SDM Vol. 2, RDTSC).
;! mode prot32 cr4=CR4_TSD
;! event #GP(0) rip=one cs=UCODE32
;! event #GP(0) rip=two
    rdtsc
    push dword UDATA
    push dword STACK3
    push dword 2
    push dword UCODE32
    push dword user
    iretd
user:
    mov ax, UDATA
    mov ds, ax
    FAULTS one, rdtsc
    FAULTS two, rdtscp
    END
