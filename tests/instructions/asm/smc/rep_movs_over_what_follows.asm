; A string instruction that overwrites the code after it (SDM Vol. 3, 11.6).
;! mode prot32
;! ebx = 3
    mov esi, inc_ebx
    mov edi, after
    mov ecx, 3
    cld
    rep movsb
after:
    times 3 nop
    END
inc_ebx: times 3 inc ebx
