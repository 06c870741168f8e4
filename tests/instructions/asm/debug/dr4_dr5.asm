; DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE (SDM Vol. 3, 18.2.2).
;! mode prot32
;! event #UD rip=one
;! event #UD rip=two
;! ebx = 0xffff0ff0
;! ecx = 0x400
    db 0x0f, 0x21, 0xe3         ; mov ebx, dr4
    db 0x0f, 0x21, 0xe9         ; mov ecx, dr5
    mov eax, cr4
    or eax, CR4_DE
    mov cr4, eax
    FAULTS one, {db 0x0f, 0x21, 0xe3}
    FAULTS two, {db 0x0f, 0x23, 0xe9}
    END
