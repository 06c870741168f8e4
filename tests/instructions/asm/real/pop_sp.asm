; POP SP writes the popped value after the increment (SDM Vol. 2, POP).
;! mode real
;! sp = 0x1234
    push word 0x1234
    pop sp
    END
