; At CPL 3 IRET and POPF leave VM (SDM Vol. 2, IRET, POPF).
;! mode prot32 cpl=3
;! flags & VM = 0
;! cs = UCODE32
    push dword VM|2
    popfd
    push dword VM|2
    push dword UCODE32
    push dword there
    iretd
there:
    END
