; A 16-bit TSS saves and loads words, and neither CR3 nor FS and GS (SDM Vol. 3, 8.6).
;! mode prot32
;! tr = TSS32_SEL
;! bx = 0x1111
;! word [TSS16 + 0x0e] = after
;! word [TSS16 + 0x18] = 0x2223
;! word [TSS16] = TSS32_SEL
;! word [TSS16 + 0x22] = DATA32
;! ebx = 0x12341111
    mov word [TSS16 + 0x0e], there
    mov word [TSS16 + 0x10], 2
    mov word [TSS16 + 0x18], 0x2222
    mov word [TSS16 + 0x1a], 0x7600
    mov word [TSS16 + 0x22], DATA32
    mov word [TSS16 + 0x24], CODE32
    mov word [TSS16 + 0x26], DATA32
    mov word [TSS16 + 0x28], DATA32
    mov ebx, 0x12341111
    call TSS16_SEL:0
    clts
    END
there:
    inc bx
    iretd
after:
