; At CPL 3 LAR, LSL, VERR and VERW see nothing of DPL 0 but conforming code (SDM Vol. 2, LAR, VERR).
;! mode prot32 cpl=3
;! ebx = 0b010110
;! esi = 1
NEW_SEGMENT CONFORMING, 0, 0xfffff, 0x9e, 0xc
NEW_SEGMENT UREADONLY, 0, 0xfffff, 0xf0, 0xc
    mov esi, 1
    mov bp, DATA32
    lar esi, bp
    call note
    mov bp, CONFORMING
    verr bp
    call note
    mov bp, CONFORMING
    verw bp
    call note
    mov bp, UDATA
    verw bp
    call note
    mov bp, UREADONLY
    verr bp
    call note
    verw bp
    call note
    END
note:
    setz al
    add ebx, ebx
    or bl, al
    ret
