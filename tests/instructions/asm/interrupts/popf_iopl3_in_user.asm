; With IOPL 3, ring 3 may change IF but not IOPL (SDM Vol. 2, POPF).
;! mode prot32 cpl=3 iopl=3 flags=IF
;! flags & (IF|IOPL3) = IOPL3
;! ebx & (IF|IOPL3) = IF|IOPL3
    cli
    sti
    pushfd
    pop ebx
    push dword 2
    popfd
    END
