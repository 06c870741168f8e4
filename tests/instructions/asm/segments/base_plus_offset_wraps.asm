; Linear addresses outside 64-bit mode are 32 bits: base plus offset wraps (SDM Vol. 3, 3.3).
;! mode prot32
;! dword [DATA] = 0xfeedface
NEW_SEGMENT TOP, 0xfffff000, 0xfffff, 0x92, 0xc
    mov ax, TOP
    mov es, ax
    mov dword [es:DATA + 0x1000], 0xfeedface
    END
