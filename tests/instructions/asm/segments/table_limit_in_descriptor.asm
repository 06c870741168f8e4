; All eight bytes of a descriptor must be within the limit (SDM Vol. 3, 3.5.1).
;! mode prot32
;! event #GP(0xb0) rip=one
;! es = UDATA16
    lgdt [whole]
    mov ax, UDATA16
    mov es, ax
    lgdt [cut]
    FAULTS one, mov ds, ax
    lgdt [gdtr]
    END
whole: dw 0xb7
    dd GDT
cut: dw 0xb6
    dd GDT
gdtr: dw 0x7ff
    dd GDT
