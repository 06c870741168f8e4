; SYSENTER in IA-32e mode loads 64-bit RIP and RSP; SYSEXIT with REX.W returns to CS + 32, SS + 40
; (SDM Vol. 2, SYSENTER, SYSEXIT).
;! mode long
;! r8 = CODE64
;! r9 = KDATA
;! r10 = 0x7400
;! cs = UCODE64
;! ss = UDATA_B
;! rsp = 0x2f000
;! cpl = 3
;! flags & IF = 0
    WRITE_MSR 0x174, CODE64
    WRITE_MSR 0x175, 0x7400
    WRITE_MSR_LABEL 0x176, kernel
    sti
    sysenter
kernel:
    mov r8, cs
    mov r9, ss
    mov r10, rsp
    mov edx, user
    mov ecx, 0x2f000
    o64 sysexit
user:
    END
