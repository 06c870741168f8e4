; In 64-bit mode IRETQ always pops SS:RSP (SDM Vol. 3, 6.14.3).
;! mode long
;! rsp = 0x7700
;! ss = 0
;! flags & CF = CF
    push 0                  ; a null SS is good at CPL 0
    push 0x7700
    push CF|2
    push CODE64
    push there
    iretq
there:
    END
