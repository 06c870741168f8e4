; LAR and LSL set ZF and give rights and limit of what is visible, and clear ZF for the rest
; (SDM Vol. 2, LAR, LSL).
;! mode prot32
;! eax & 0xfff0ffff = 0x00c09b00
;! ebx = 0xffffffff
;! ecx = 0x00008b00
;! edx = 0x88
;! esi = 0x55
;! edi = 0x1f
    mov edi, 0x1f
    mov bp, CODE32
    lar eax, bp
    jnz bad
    lsl ebx, bp
    jnz bad
    mov bp, TSS32_SEL
    lar ecx, bp
    jnz bad
    lsl edx, bp
    jnz bad
    mov esi, 0x55
    mov bp, 0               ; null
    lar esi, bp
    jz bad
    mov bp, 0x7f8           ; type 0
    lar esi, bp
    jz bad
    lsl esi, bp
    jz bad
    mov bp, CALLGATE        ; LAR knows gates, LSL does not
    lsl esi, bp
    jz bad
    lar ebp, bp
    jnz bad
    END
bad:
    mov esi, -1
    END
NEW_GATE CALLGATE, bad, CODE32, 0x8c, 0
