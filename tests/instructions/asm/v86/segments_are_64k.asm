; Segments are 64 KiB at selector * 16, and the error code of a limit fault is 0 (SDM Vol. 3, 21.2).
;! mode v86
;! event #GP(0) rip=one
;! event #SS(0) rip=two
;! event #GP(0) rip=three
;! word [0x2fffe] = 0x1234
    mov ax, 0x2000
    mov es, ax
    mov word [es:0xfffe], 0x1234
    mov bp, 0xffff
    mov ebx, 0x10000
    FAULTS one, mov ax, [es:0xffff]
    FAULTS two, mov ax, [bp]
    FAULTS three, mov al, [ebx]
    END
