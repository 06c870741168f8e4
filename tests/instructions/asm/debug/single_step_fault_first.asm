; An instruction that faults is not followed by its step: the image of the fault has TF, the handler does
; not (SDM Vol. 3, 6.9).
;! mode prot32
;! event #UD rip=fault flags&(TF|RF)=TF|RF
;! event #DB rip=two
;! event #DB rip=three
    RETURN_FROM 1
    TRY next
    push dword TF|2
    popfd
fault:
    ud2
next:
    push dword 2
two:
    popfd
three:
    END
