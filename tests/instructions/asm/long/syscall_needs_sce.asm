; Without EFER.SCE SYSCALL and SYSRET are #UD; SYSRET at CPL 3 is #GP(0) (SDM Vol. 2, SYSCALL, SYSRET).
;! mode long
;! event #UD rip=one
;! event #UD rip=two
;! event #GP(0) rip=three cs=UCODE64
    WRITE_MSR MSR_EFER, 0x900
    FAULTS one, syscall
    FAULTS two, sysret
    WRITE_MSR MSR_EFER, 0x901
    push UDATA
    push STACK3
    push 2
    push UCODE64
    push user
    iretq
user:
    FAULTS three, sysret
    END
