; OUTSB without the right to the port is #GP(0) before memory is read (SDM Vol. 2, OUTS).
;! mode prot32 paging=32 cpl=3
;! event #GP(0) rip=one
;! event #PF(4) rip=two cr2=FREE
    mov dword [PT32 + (FREE >> 12) * 4], 0
    mov esi, FREE
    mov dx, 0x60
    FAULTS one, outsb
    mov dx, 0xf9
    FAULTS two, outsb
    END
