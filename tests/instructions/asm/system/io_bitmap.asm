; The bits of all bytes of an access must be clear; two bytes of the map are read, which must be within the
; limit of the TSS (SDM Vol. 1, 18.5.2).
;! mode prot32 cpl=3
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! event #GP(0) rip=four
;! ebx = 0x63626160
    mov byte [TSS32 + 0x68 + 12], 0xf0      ; 60h to 63h are allowed
    in eax, 0x60
    mov ebx, eax
    in ax, 0x62
    FAULTS one, in ax, 0x63
    FAULTS two, in al, 0x64
    mov dx, 0x107           ; the byte after it is the last of the segment
    FAULTS three, in al, dx
    mov dx, 0x110
    FAULTS four, in al, dx
    END
