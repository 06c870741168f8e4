; Downwards too, and for a doubleword over the edge CR2 is the first byte in the missing page
; (SDM Vol. 2, REP).
;! mode prot32 paging=32
;! event #PF(2) rip=string cr2=FREE+0xffe
;! ecx = 0xf
;! edi = FREE + 0xffe
    mov dword [PT32 + (FREE >> 12) * 4], 0
    mov eax, cr3
    mov cr3, eax
    mov edi, FREE + 0x1002
    mov ecx, 0x10
    std
    FAULTS string, rep stosd
    END
