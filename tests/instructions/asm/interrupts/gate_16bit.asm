; A 16-bit gate pushes words and takes 16 bits of the offset (SDM Vol. 3, 6.11 and 21.4).
;! mode prot32
;! sp = 0x7ffa
;! word [0x7ffa] = back
;! word [0x7ffc] = CODE32
;! word [0x7ffe] & (CF|2) = CF|2
    SET_GATE32 0x50, handler, CODE32, 0x86
    mov word [IDT32 + 0x50*8 + 6], 0xffff
    stc
    int 0x50
back:
    END
handler:
    END
