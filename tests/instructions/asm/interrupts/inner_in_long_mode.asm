; From ring 3 to ring 0 in long mode SS becomes null and RSP comes from the TSS (SDM Vol. 3, 6.14.4).
;! mode long cpl=3
;! ss = 0
;! rsp = STACK_INNER - 40
;! qword [STACK_INNER - 8] = UDATA
;! qword [STACK_INNER - 16] = STACK3
;! cs = CODE64
;! cpl = 0
    SET_GATE64 0x90, handler, CODE64, 0xee, 0
    int 0x90
    END
handler:
    END
