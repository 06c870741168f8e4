; With CR0.AM and RFLAGS.AC unaligned data accesses at CPL 3 are #AC(0), at CPL 0 not; bytes and SSE
; loads that need no alignment are not checked (SDM Vol. 3, 6.15, interrupt 17).
;! mode prot32 cpl=3 cr0=CR0_AM flags=AC
;! event #AC(0) rip=one cs=UCODE32
;! event #AC(0) rip=two
;! event #AC(0) rip=three
    mov al, [DATA + 1]
    mov ax, [DATA + 2]
    FAULTS one, mov ax, [DATA + 1]
    FAULTS two, mov [DATA + 2], eax
    mov esp, STACK3 - 2
    FAULTS three, push eax
    END
