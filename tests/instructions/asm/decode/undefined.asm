; Opcodes that are reserved or never defined are #UD (SDM Vol. 2, appendix A).
;! mode prot32
;! event #UD rip=i1
;! event #UD rip=i2
;! event #UD rip=i3
;! event #UD rip=i4
;! event #UD rip=i5
;! event #UD rip=i6
;! event #UD rip=i7
;! event #UD rip=i8
    FAULTS i1, ud2
    FAULTS i2, {db 0x0f, 0xb9, 0xc0}        ; ud1
    FAULTS i3, {db 0xff, 0xf8}              ; group 5 /7
    FAULTS i4, {db 0xfe, 0xd0}              ; group 4 /2
    FAULTS i5, {db 0xc6, 0xc8, 0x00}        ; group 11 /1
    FAULTS i6, {db 0x8d, 0xc0}              ; lea of a register
    FAULTS i7, {db 0x0f, 0x00, 0xf0}        ; group 6 /6
    FAULTS i8, {db 0xff, 0xe8}              ; jmp far of a register
    END
