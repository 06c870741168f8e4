; With TF set each instruction is followed by #DB with DR6.BS; POPF that sets TF is not, POPF that clears it
; is (SDM Vol. 3, 18.3.1.4).
;! mode prot32
;! event #DB rip=one flags&TF=TF
;! event #DB rip=two
;! event #DB rip=three
;! event #DB rip=four flags&TF=0
;! dr6 = 0xffff4ff0
;! ebx = 2
    RETURN_FROM 1
    push dword TF|2
    popfd
    inc ebx
one:
    inc ebx
two:
    push dword 2
three:
    popfd
four:
    END
