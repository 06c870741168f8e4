; The instruction after MOV SS or POP SS is executed before the trap; the step of the MOV itself is lost
; (SDM Vol. 3, 6.8.3).
;! mode prot32
;! event #DB rip=one
;! event #DB rip=two
;! event #DB rip=three
;! event #DB rip=four
;! event #DB rip=five
    RETURN_FROM 1
    mov edx, DATA32
    push dword TF|2
    popfd
    mov ss, edx
    nop
one:
    push ss
two:
    pop ss
    nop
three:
    push dword 2
four:
    popfd
five:
    END
