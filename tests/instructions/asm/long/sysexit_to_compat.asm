; SYSEXIT without REX.W goes to 32-bit code with ESP and EIP cut to 32 bits (SDM Vol. 2, SYSEXIT).
;! mode long
;! cs = UCODE32
;! ss = UDATA
;! rsp = 0x2f000
    WRITE_MSR 0x174, CODE64
    mov rdx, 0x500000000 + user
    mov rcx, 0x50002f000
    sysexit
bits 32
user:
    END
