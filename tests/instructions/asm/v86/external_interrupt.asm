; External interrupts leave virtual-8086 mode whatever IOPL is, if IF is set (SDM Vol. 3, 21.3.1).
;! mode v86 flags=IF
;! event 0x40 rip=here flags&(VM|IF)=VM|IF cs=0 sp=0xf000
    RETURN_FROM 0x40
    INTR_AFTER 0x40, 1
    nop
here:
    nop
    END
