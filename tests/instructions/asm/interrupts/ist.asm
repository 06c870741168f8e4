; An IST entry is taken even without a change of level; the frame is aligned to 16 bytes
; (SDM Vol. 3, 6.14.5).
;! mode long
;! rsp = STACK_IST2 - 40
;! qword [STACK_IST2 - 8] = KDATA
;! qword [STACK_IST2 - 16] = STACK0 - 8
;! qword [STACK_IST2 - 32] = CODE64
;! qword [STACK_IST2 - 40] = back
;! ss = KDATA
    SET_GATE64 0x50, handler, CODE64, 0x8e, 2
    push rax
    int 0x50
back:
    END
handler:
    END
