; LMSW can set PE and cannot clear it (SDM Vol. 2, LMSW).
;! mode real
;! cr0 & 0xf = 1 | 2
;! bx & 0xf = 1 | 8
    lgdt [gdtr]
    mov ax, 1 | 8
    lmsw ax
    smsw bx
    mov ax, 2
    lmsw ax
    END
gdtr:
    dw 0x7ff
    dd GDT
