; CLI does not mask NMI; its frame has no error code (SDM Vol. 3, 6.3.3).
;! mode long
;! event NMI rip=here flags&IF=0
    NMI_AFTER 2
    nop
    nop
here:
    nop
