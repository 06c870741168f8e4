; A repeated string instruction traps after each iteration; RF is set in the image of all but the last
; (SDM Vol. 3, 18.3.1.1 and 18.3.1.4).
;! mode prot32
;! event #DB rip=string flags&(TF|RF)=TF|RF
;! event #DB rip=string flags&(TF|RF)=TF|RF
;! event #DB rip=after flags&(TF|RF)=TF
;! event #DB rip=two
;! event #DB rip=three
;! ecx = 0
    RETURN_FROM 1
    mov esi, DATA
    mov edi, DATA + 16
    mov ecx, 3
    push dword TF|2
    popfd
string:
    rep movsb
after:
    push dword 2
two:
    popfd
three:
    END
