; With B clear the upper bound of an expand-down segment is FFFFH (SDM Vol. 3, 3.4.5.1 and 5.3).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! byte [DATA + 0xffff] = 0x77
NEW_SEGMENT DOWN, DATA, 0x7fff, 0x96, 0
    mov ax, DOWN
    mov es, ax
    mov byte [es:0xffff], 0x77
    mov al, [es:0x8000]
    FAULTS one, mov al, [es:0x7fff]
    FAULTS two, mov al, [es:0x10000]
    FAULTS three, mov ax, [es:0xffff]
    END
