; With G clear the limit is the last valid offset: a byte at the limit is in, one past it #GP(0), and so
; is an access that begins inside and ends outside (SDM Vol. 3, 5.3).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! event #GP(0) rip=four
;! ebx = 0x5a
NEW_SEGMENT SMALL, DATA, 0x1f, 0x92, 4
    mov byte [DATA + 0x1f], 0x5a
    mov ax, SMALL
    mov es, ax
    movzx ebx, byte [es:0x1f]
    mov ecx, [es:0x1c]
    mov cx, [es:0x1e]
    FAULTS one, mov al, [es:0x20]
    FAULTS two, mov ax, [es:0x1f]
    FAULTS three, mov eax, [es:0x1d]
    FAULTS four, mov byte [es:0xffffffff], 1
    END
