; What 64-bit mode does not have is #UD (SDM Vol. 2, each instruction's 64-bit mode column).
;! mode long
;! event #UD rip=i1
;! event #UD rip=i2
;! event #UD rip=i3
;! event #UD rip=i4
;! event #UD rip=i5
;! event #UD rip=i6
;! event #UD rip=i7
;! event #UD rip=i8
;! event #UD rip=i9
;! event #UD rip=i10
;! event #UD rip=i11
    FAULTS i1, {db 0x06}                ; push es
    FAULTS i2, {db 0x0e}                ; push cs
    FAULTS i3, {db 0x1f}                ; pop ds
    FAULTS i4, {db 0x27}                ; daa
    FAULTS i5, {db 0x37}                ; aaa
    FAULTS i6, {db 0x60}                ; pusha
    FAULTS i7, {db 0x82, 0xc0, 0x01}    ; alias of 80h
    FAULTS i8, {db 0x9a, 0, 0, 0, 0, 8, 0}   ; call far
    FAULTS i9, {db 0xce}                ; into
    FAULTS i10, {db 0xd4, 0x0a}         ; aam
    FAULTS i11, {db 0xea, 0, 0, 0, 0, 8, 0}  ; jmp far
    END
