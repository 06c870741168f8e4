; SYSCALL saves RIP in RCX and RFLAGS in R11, clears the flags of FMASK, and takes CS and SS from STAR
; (SDM Vol. 2, SYSCALL).
;! mode long cpl=0 flags=IF|DF
;! rcx = back
;! r11 & (IF|DF|CF) = IF|DF|CF
;! flags & (IF|DF|CF) = IF
;! cs = CODE64
;! ss = KDATA
;! cpl = 0
;! rsp = STACK3
    WRITE_MSR MSR_STAR, (UCODE32 << 48) | (CODE64 << 32)
    WRITE_MSR_LABEL MSR_LSTAR, kernel
    WRITE_MSR MSR_FMASK, DF|CF
    push UDATA
    push STACK3
    push IF|DF|2
    push UCODE64
    push user
    iretq
user:
    stc
    syscall
back:
    ud2
kernel:
    END
