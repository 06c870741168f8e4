; SYSEXIT with a null SYSENTER_CS, at CPL above 0, or with REX.W to an address that is not canonical is
; #GP(0) (SDM Vol. 2, SYSEXIT).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! event #GP(0) rip=four
;! event #GP(0) rip=five cs=UCODE64
    FAULTS one, sysexit
    FAULTS two, sysenter
    WRITE_MSR 0x174, CODE64
    mov edx, one
    mov rcx, 0x800000000000
    FAULTS three, o64 sysexit
    mov rdx, rcx
    mov ecx, STACK3
    FAULTS four, o64 sysexit
    push UDATA
    push STACK3
    push 2
    push UCODE64
    push user
    iretq
user:
    FAULTS five, sysexit
    END
