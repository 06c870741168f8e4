; IRET from ring 0 with VM set loads all segment registers from the frame (SDM Vol. 2, IRET).
;! mode prot32
;! flags & (VM|IOPL3|IF) = VM|IOPL3|IF
;! cs = 0x100
;! cs.base = 0x1000
;! ss = 0x200
;! sp = 0x1234
;! es = 0x300
;! ds = 0x400
;! ds.base = 0x4000
;! ds.limit = 0xffff
;! fs = 0x500
;! gs = 0x600
;! cpl = 3
    push dword 0x600
    push dword 0x500
    push dword 0x400
    push dword 0x300
    push dword 0x200
    push dword 0x1234
    push dword VM|IOPL3|IF|2
    push dword 0x100
    push dword there - 0x1000
    iretd
there:
    END
