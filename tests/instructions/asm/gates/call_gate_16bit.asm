; A 16-bit call gate pushes words and takes 16 bits of the offset (SDM Vol. 3, 5.8.3 and 21.4).
;! mode prot32 cpl=3
;! word [STACK_INNER - 2] = UDATA
;! word [STACK_INNER - 4] = STACK3 - 2 & 0xffff
;! word [STACK_INNER - 6] = 0x1234
;! word [STACK_INNER - 8] = UCODE32
;! word [STACK_INNER - 10] = back
;! esp = STACK_INNER - 10
NEW_GATE THROUGH, target, CODE32, 0xe4, 1
    push word 0x1234
    call THROUGH | 3:0
back:
    END
target:
    END
