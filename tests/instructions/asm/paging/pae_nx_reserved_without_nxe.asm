; Without EFER.NXE bit 63 is reserved: error code bit 3 (SDM Vol. 3, 4.4.2 and 4.7).
;! mode prot32 paging=pae
;! event #PF(9) rip=fault cr2=FREE
;! event #PF(0xb) rip=fault2 cr2=FREE
    mov dword [PT64 + (FREE >> 12) * 8 + 4], 0x80000000
    mov eax, cr3
    mov cr3, eax
    FAULTS fault, mov al, [FREE]
    FAULTS fault2, mov [FREE], al
    END
