; REP INSB reads a port again and again, RDI and RCX exact (SDM Vol. 2, INS).
;! mode long
;! rcx = 0
;! rdi = DATA + 8
;! qword [DATA] = 0x6060606060606060
    mov edi, DATA
    mov ecx, 8
    mov dx, 0x60
    cld
    rep insb
    END
