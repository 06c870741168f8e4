; A second contributory exception while the first is delivered is #DF(0) (SDM Vol. 3, table 6-5).
;! mode prot32
;! event #DF(0) rip=two
;! event #NP(6*8+3) rip=three
    mov byte [IDT32 + 13*8 + 5], 0x0e
    mov eax, 0x800
    FAULTS two, mov es, ax
    mov byte [IDT32 + 6*8 + 5], 0x0e    ; #UD is benign: the #NP of its gate is delivered
    FAULTS three, ud2
    END
