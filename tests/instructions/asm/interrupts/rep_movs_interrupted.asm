; An interrupt between two iterations of REP MOVSB saves the address of the instruction, and the registers
; show what is done (SDM Vol. 2, REP).
;! mode prot32 flags=IF
;! event 0x40 rip=string
;! ecx = 0
;! esi = DATA + 0x200
;! edi = DATA + 0x1200
;! qword [DATA + 0x11f8] = 0x1122334455667788
    mov dword [DATA + 0x1f8], 0x55667788
    mov dword [DATA + 0x1fc], 0x11223344
    RETURN_FROM 0x40
    mov esi, DATA
    mov edi, DATA + 0x1000
    mov ecx, 0x200
    INTR_AFTER 0x40, 0
    cld
string equ $ - 1
    rep movsb
    END
