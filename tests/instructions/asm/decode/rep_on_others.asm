; REP before instructions that do not repeat is ignored (SDM Vol. 2, REP; here as compilers use it: REP RET
; and PAUSE).
;! mode long
;! ecx = 5
;! ebx = 1
    mov ecx, 5
    call there
    pause
    END
there:
    inc ebx
    db 0xf3, 0xc3
