; An entry that becomes present needs no INVLPG, nor one whose rights grow, but for a fault that may come
; once (SDM Vol. 3, 4.10.4.3).
;! mode prot32 paging=32
;! ebx = 0x44
;! event #PF(0) rip=fault
    mov dword [FREE], 0x44
    mov dword [PT32 + (FREE >> 12) * 4], 0
    invlpg [FREE]
    FAULTS fault, mov ebx, [FREE]
    mov dword [PT32 + (FREE >> 12) * 4], FREE | 7
    mov ebx, [FREE]
    END
