; SYSRET with REX.W goes to 64-bit code at RCX, without it to 32-bit code at ECX; the selectors' RPL is
; forced to 3; RF and VM of R11 do not count (SDM Vol. 2, SYSRET).
;! mode long
;! cs = UCODE32
;! ss = UDATA
;! cpl = 3
;! r8 = UCODE64
;! r9 = UDATA
;! flags & (IF|CF|VM|RF) = IF|CF
;! rsp = STACK0
    WRITE_MSR MSR_STAR, ((UCODE32 & ~3) << 48) | (CODE64 << 32)
    WRITE_MSR_LABEL MSR_LSTAR, kernel
    mov ecx, user
    mov r11d, IF|RF|VM|CF
    o64 sysret
user:
    mov r8, cs
    mov r9, ss
    syscall
kernel:
    mov rcx, 0xffffffff00000000 + compat
    mov r11d, IF|RF|VM|CF
    sysret
bits 32
compat:
    END
