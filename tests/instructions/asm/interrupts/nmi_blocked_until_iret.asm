; While an NMI is handled others are held off until IRET; of several one is kept (SDM Vol. 3, 6.7.1).
;! mode prot32
;! ebx = 2
;! ecx = 1
;! esp = 0x8000
    SET_GATE32 2, handler, CODE32, 0x8e
    NMI_AFTER 0
back:
    END
handler:
    inc ebx
    cmp ebx, 1
    jne second
    NMI_AFTER 0
    NMI_AFTER 0
    times 3 nop
    cmp ebx, 1
    jne bad
    inc ecx
second:
    iretd
bad:
    mov ecx, -1
    iretd
