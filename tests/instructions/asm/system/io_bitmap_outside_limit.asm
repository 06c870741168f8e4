; A map whose base is past the limit allows nothing (SDM Vol. 1, 18.5.2).
;! mode prot32 cpl=3
;! event #GP(0) rip=one
;! event #GP(0) rip=two
    mov word [TSS32 + 0x66], 0x89
    FAULTS one, in al, 0xf8
    mov word [TSS32 + 0x66], 0xffff
    FAULTS two, in al, 0xf8
    mov word [TSS32 + 0x66], 0x68
    END
