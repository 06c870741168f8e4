; SYSCALL that masks TF is followed by no trap in the kernel; SYSRET sets TF again and the next
; instruction of the user is followed by one (SDM Vol. 2, SYSCALL, SYSRET).
;! mode long cpl=0
;! event #DB rip=one cs=UCODE64
;! ebx = 1
    WRITE_MSR MSR_STAR, (UCODE32 << 48) | (CODE64 << 32)
    WRITE_MSR_LABEL MSR_LSTAR, kernel
    WRITE_MSR MSR_FMASK, TF
    push UDATA
    push STACK3
    push TF|2
    push UCODE64
    push user
    iretq
user:
    syscall
    nop
one:
    END
kernel:
    inc ebx
    o64 sysret
