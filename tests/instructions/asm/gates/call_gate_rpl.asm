; The RPL of the gate's selector counts: RPL 3 through a gate of DPL 0 is #GP (SDM Vol. 3, 5.8.4).
;! mode prot32
;! event #GP(INNER) rip=one
NEW_GATE INNER, one, CODE32, 0x8c, 0
    FAULTS one, call INNER | 3:0
    END
