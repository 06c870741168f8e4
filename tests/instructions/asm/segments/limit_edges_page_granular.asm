; With G set the low twelve bits of an offset are not checked: limit 1 is 1FFFH (SDM Vol. 3, 3.4.5).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! ebx = 0x1fff
NEW_SEGMENT PAGES, DATA, 1, 0x92, 0xc
    mov ax, PAGES
    mov es, ax
    mov [es:0x1ffc], eax
    FAULTS one, mov [es:0x2000], al
    FAULTS two, mov [es:0x1ffd], eax
    mov ax, PAGES
    lsl ebx, ax
    END
