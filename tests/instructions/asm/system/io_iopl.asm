; With CPL at most IOPL ports need no map (SDM Vol. 1, 18.5.1).
;! mode prot32 cpl=3 iopl=3
;! eax = 0x63626160
    in eax, 0x60
    END
