; PUSHAD whose frame reaches into a missing page writes what it can in any order, but ESP stays
; (SDM Vol. 2, PUSHA).
;! mode prot32 paging=32 cpl=3
;! event #PF(6) rip=one sp=FREE+0x1010 cr2=FREE+0xffc
;! esp = FREE + 0x1010
    mov dword [PT32 + (FREE >> 12) * 4], 0
    mov esp, FREE + 0x1010
    FAULTS one, pushad
    END
