; A string instruction that faults has done the iterations before: ECX, ESI and EDI say where it is, and
; it can go on (SDM Vol. 2, REP; Vol. 3, 6.5).
;! mode prot32 paging=32
;! event #PF(2) rip=string cr2=FREE+0x1000
;! dword [DATA] = 0xf0
;! dword [DATA + 4] = FREE + 0x2010
;! dword [DATA + 8] = FREE + 0x1000
;! ecx = 0xf0
    mov dword [PT32 + (FREE + 0x1000 >> 12) * 4], 0
    mov eax, cr3
    mov cr3, eax
    mov esi, FREE + 0x2000
    mov edi, FREE + 0xff0
    mov ecx, 0x100
    cld
    FAULTS string, rep movsb
    mov [DATA], ecx
    mov [DATA + 4], esi
    mov [DATA + 8], edi
    END
