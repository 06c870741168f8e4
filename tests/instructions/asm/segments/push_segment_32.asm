; A push of a segment register with 32-bit operand size moves ESP by four, and so does its pop
; (SDM Vol. 2, PUSH, POP).
;! mode prot32
;! esp = 0x7ffc
;! word [0x7ffc] = DATA32
;! es = DATA32
    push fs
    push fs
    pop es
    END
