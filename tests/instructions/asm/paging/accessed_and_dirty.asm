; A read sets A in the entries of all levels, a write also D in the last; a write that faults sets no D
; (SDM Vol. 3, 4.8).
;! mode prot32 paging=32 cr0=CR0_WP
;! event #PF(3) rip=fault cr2=FREE+0x3000
;! ebx = FREE | 7
;! dword [PT32 + (FREE >> 12) * 4] = FREE | 0x27
;! dword [PT32 + (FREE + 0x1000 >> 12) * 4] = FREE + 0x1000 | 0x67
;! dword [PT32 + (FREE + 0x2000 >> 12) * 4] = FREE + 0x2000 | 0x67
;! dword [PT32 + (FREE + 0x3000 >> 12) * 4] & PTE_D = 0
;! dword [PD32] = PT32 | 0x27
    mov ebx, [PT32 + (FREE >> 12) * 4]
    mov dword [PT32 + (FREE + 0x3000 >> 12) * 4], FREE + 0x3000 | 5
    mov eax, cr3
    mov cr3, eax
    mov al, [FREE]
    mov [FREE + 0x1000], al
    mov al, [FREE + 0x2000]         ; first read, then written: D must be set all the same
    mov [FREE + 0x2000], al
    FAULTS fault, mov [FREE + 0x3000], al
    END
