; The same in real mode, by vector 1 of the IVT (SDM Vol. 3, 18.3.1.4 and table 21-1).
;! mode real
;! event #DB rip=one
;! event #DB rip=two
;! event #DB rip=three
    RETURN_FROM 1
    push word TF|2
    popf
    nop
one:
    push word 2
two:
    popf
three:
    END
