; A gate that is not present is #NP, one of a wrong type or past the limit #GP, with error code vector * 8
; + 2; a handler's bad segment has its own selector, with EXT clear for INT n (SDM Vol. 3, 6.13).
;! mode prot32
;! event #NP(0x50*8+2) rip=one
;! event #GP(0x51*8+2) rip=two
;! event #GP(0) rip=three
;! event #GP(DATA32) rip=four
;! event #NP(ABSENT) rip=five
;! event #GP(UCODE32 & ~3) rip=six
;! event #GP(0x7f8) rip=seven
;! event #GP(0xff*8+2) rip=eight
NEW_SEGMENT ABSENT, 0, 0xfffff, 0x1a, 0xc
    mov byte [IDT32 + 0x50*8 + 5], 0x0e
    mov byte [IDT32 + 0x51*8 + 5], 0x8c
    mov word [IDT32 + 0x52*8 + 2], 0
    mov word [IDT32 + 0x53*8 + 2], DATA32
    mov word [IDT32 + 0x54*8 + 2], ABSENT
    mov word [IDT32 + 0x55*8 + 2], UCODE32
    mov word [IDT32 + 0x56*8 + 2], 0x7f8
    FAULTS one, int 0x50
    FAULTS two, int 0x51
    FAULTS three, int 0x52
    FAULTS four, int 0x53
    FAULTS five, int 0x54
    FAULTS six, int 0x55
    FAULTS seven, int 0x56
    lidt [short_idt]
    FAULTS eight, int 0xff
    END
short_idt: dw 0xff*8+6
    dd IDT32
