; A vector past the limit of the IDTR is #GP; if that is past it too, #DF; if that is, shutdown
; (SDM Vol. 3, 6.15, interrupts 8 and 13).
;! mode real
;! event #DF rip=one
    TRY done
    lidt [table]
one:
    int 0x21
done:
    lidt [none]
    int 0x21
    END
;! end shutdown
table: dw 8 * 4 + 3
    dd 0
none: dw 7 * 4 + 3
    dd 0
