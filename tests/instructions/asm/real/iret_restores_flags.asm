; IRET in real mode loads IP, CS and FLAGS, among them IOPL and NT (SDM Vol. 2, IRET).
;! mode real
;! flags = CF|IF|DF|IOPL3|NT|2
;! sp = 0x8000
;! cs = 0x10
    push word CF|IF|DF|IOPL3|NT
    push word 0x10
    push word there - 0x100
    iret
there:
    END
