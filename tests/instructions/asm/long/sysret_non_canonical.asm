; SYSRET to an address that is not canonical is #GP(0) with CPL still 0, on the user's stack
; (SDM Vol. 2, SYSRET).
;! mode long
;! event #GP(0) rip=fault cs=CODE64 ss=KDATA
    WRITE_MSR MSR_STAR, (UCODE32 << 48) | (CODE64 << 32)
    mov rcx, 0x800000000000
    mov r11d, 2
    FAULTS fault, o64 sysret
    END
