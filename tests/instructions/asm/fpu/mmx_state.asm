; An MMX instruction sets TOP to 0 and all tags to valid; EMMS empties them (SDM Vol. 1, 9.5.1).
;! mode prot32
;! ebx & 0x3800 = 0
;! fpu.tags = 0
;! ecx = 0xffff
;! dword [DATA] & 0xffff0000 = 0xffff0000
    fninit
    fld1
    movd mm0, ecx
    fnstsw ax
    mov ebx, eax
    fnsave [DATA + 0x100]
    frstor [DATA + 0x100]
    emms
    fnstenv [DATA + 0x200]
    movzx ecx, word [DATA + 0x208]
    mov dword [DATA], 0xffff0000
    END
