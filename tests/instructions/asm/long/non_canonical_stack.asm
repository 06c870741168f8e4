; Pushes, pops and calls with an RSP that is not canonical are #SS(0) (SDM Vol. 1, 3.3.7.1).
;! mode long
;! event #SS(0) rip=one sp=rsp_value
;! event #SS(0) rip=two
;! event #SS(0) rip=three
;! event #SS(0) rip=four
rsp_value equ 0x900000000000
; The handler needs a stack: IST 1.
    SET_GATE64 12, STUB64 + 12*16, CODE64, 0x8e, 1
    mov rsp, rsp_value
    FAULTS one, push rax
    FAULTS two, pop rax
    FAULTS three, call one
    FAULTS four, ret
    mov esp, STACK0
    END
