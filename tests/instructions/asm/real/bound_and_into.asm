; BOUND's #BR is a fault, INTO's #OF a trap (SDM Vol. 3, 6.15, interrupts 4 and 5).
;! mode real
;! event #BR rip=one
;! event #OF rip=after
;! cx = 7
    mov cx, 7
    TRY next
one:
    bound cx, [limits]
next:
    mov cx, 5
    bound cx, [limits]
    into                    ; OF is clear
    mov al, 0x7f
    inc al
    mov cx, 7
    into
after:
    nop
limits: dw 1, 5
