; A call gate to the same level takes CS:EIP from the gate and pushes on the same stack
; (SDM Vol. 3, 5.8.4).
;! mode prot32
;! esp = 0x7ff8
;! dword [0x7ff8] = back
;! dword [0x7ffc] = CODE32
;! ebx = 1
NEW_GATE THROUGH, target, CODE32, 0x8c, 5
    call THROUGH:0xdeadbeef
back:
    END
target:
    inc ebx
    END
