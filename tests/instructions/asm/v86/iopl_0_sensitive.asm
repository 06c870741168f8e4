; With IOPL below 3, CLI, STI, PUSHF, POPF, INT n and IRET are #GP(0) in virtual-8086 mode; INT3 and INTO
; are not sensitive (SDM Vol. 3, 21.2.7 and 21.3.3).
;! mode v86 iopl=2
;! event #GP(0) rip=i1 flags&VM=VM cs=0
;! event #GP(0) rip=i2
;! event #GP(0) rip=i3
;! event #GP(0) rip=i4
;! event #GP(0) rip=i5
;! event #GP(0) rip=i6
;! event #BP rip=i7+1
;! event #OF rip=i8+1
;! sp = 0xf000
    FAULTS i1, cli
    FAULTS i2, sti
    FAULTS i3, pushf
    FAULTS i4, popf
    FAULTS i5, int 0x90
    FAULTS i6, iret
    FAULTS i7, int3
    mov al, 0x7f
    inc al
    FAULTS i8, into
    END
