; IRETD in real mode does not load VM, VIF and VIP (SDM Vol. 2, IRET, REAL-ADDRESS-MODE).
;! mode real
;! flags & ~RF = AC|ID|2
;! sp = 0x8000
    push dword VM|AC|ID|3<<19
    push dword 0
    push dword there
    iretd
there:
    END
