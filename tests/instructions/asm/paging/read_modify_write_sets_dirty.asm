; CMPXCHG writes in any case, and so sets D; so do locked operations that change nothing
; (SDM Vol. 2, CMPXCHG).
;! mode long
;! dword [PT64 + (FREE >> 12) * 8] = FREE | 0x67
;! dword [PT64 + (FREE + 0x1000 >> 12) * 8] = FREE + 0x1000 | 0x67
;! event #PF(3) rip=fault cr2=FREE+0x2000
;! dword [PT64 + (FREE + 0x2000 >> 12) * 8] & PTE_D = 0
    mov eax, 1
    cmpxchg [abs FREE], ecx
    lock add dword [abs FREE + 0x1000], 0
    mov rax, cr0
    or eax, CR0_WP
    mov cr0, rax
    mov dword [abs PT64 + (FREE + 0x2000 >> 12) * 8], FREE + 0x2000 | 5
    FAULTS fault, cmpxchg [abs FREE + 0x2000], ecx
    END
