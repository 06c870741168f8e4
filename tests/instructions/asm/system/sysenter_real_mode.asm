; SYSENTER in real mode is #GP (SDM Vol. 2, SYSENTER).
;! mode real
;! event #GP rip=fault
    FAULTS fault, sysenter
    END
