; With IOPL 3 they work; POPF and IRET change IF but neither IOPL nor VM (SDM Vol. 3, 21.2.7).
;! mode v86 iopl=3 flags=IF
;! bx & (IF|IOPL3) = IOPL3
;! cx & (IF|IOPL3|CF) = IF|IOPL3|CF
;! flags & (VM|IF|IOPL3|DF) = VM|IOPL3|DF
;! cs = 0x100
;! cs.base = 0x1000
;! sp = 0xf000
    cli
    pushf
    pop bx
    sti
    stc
    pushf
    pop cx
    push word 2
    popf
    push word DF|2
    push word 0x100
    push word there - 0x1000
    iret
there:
    END
