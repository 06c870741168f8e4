; PUSH SP stores what SP was before, from the 80286 on (SDM Vol. 2, PUSH).
;! mode real
;! word [0x7ffe] = 0x8000
    push sp
    END
