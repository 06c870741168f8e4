; LGDT with 16-bit operands loads 24 bits of the base; SGDT stores all (SDM Vol. 2, LGDT, SGDT).
;! mode prot32
;! gdtr.base = GDT
;! word [DATA] = 0x7ff
;! dword [DATA + 2] = 0x12345678
;! word [DATA + 8] = 0x55
;! dword [DATA + 10] = 0x345678
    lidt [table]
    sidt [DATA]
    lidt [table2]
    o16 lidt [table3]
    sidt [DATA + 8]
    END
table: dw 0x7ff
    dd 0x12345678
table2: dw 1
    dd 0
table3: dw 0x55
    dd 0x12345678
