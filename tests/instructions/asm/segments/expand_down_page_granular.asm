; Expand-down with G set and limit FFFFFH has no valid offset at all (SDM Vol. 3, 5.3).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
NEW_SEGMENT DOWN, 0, 0xfffff, 0x96, 0xc
    mov ax, DOWN
    mov es, ax
    FAULTS one, mov al, [es:0xffffffff]
    FAULTS two, mov al, [es:0]
    END
