; INT n clears TF for the handler and is itself not followed by a trap; the IRET that sets TF again is
; followed by one after the next instruction (SDM Vol. 3, 18.3.1.4).
;! mode prot32
;! event 0x90 rip=one flags&TF=TF
;! event #DB rip=two
;! event #DB rip=three
;! event #DB rip=four
    RETURN_FROM 1
    RETURN_FROM 0x90
    push dword TF|2
    popfd
    int 0x90
one:
    nop
two:
    push dword 2
three:
    popfd
four:
    END
