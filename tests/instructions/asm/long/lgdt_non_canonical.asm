; LGDT and LIDT of a base that is not canonical are #GP(0) (SDM Vol. 2, LGDT/LIDT).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! gdtr.base = GDT
    FAULTS one, lgdt [abs table]
    FAULTS two, lidt [abs table]
    END
table: dw 0x7ff
    dq 0x800000000000
