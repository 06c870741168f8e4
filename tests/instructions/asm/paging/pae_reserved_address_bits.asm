; Address bits that the processor does not have are reserved in present entries, at any level
; (SDM Vol. 3, 4.4.2).
;! mode prot32 paging=pae
;! event #PF(9) rip=one cr2=FREE
;! event #PF(0) rip=two cr2=FREE
;! event #PF(9) rip=three cr2=0x200000
;! event #PF(9) rip=four cr2=0x200000
    mov dword [PT64 + (FREE >> 12) * 8 + 4], 1 << 19        ; bit 51
    mov eax, cr3
    mov cr3, eax
    FAULTS one, mov al, [FREE]
    mov dword [PT64 + (FREE >> 12) * 8], FREE | 6           ; not present: nothing else counts
    FAULTS two, mov al, [FREE]
    mov dword [PD64 + 8], 0x200000 | 1 << 13 | 0x87         ; between PAT and the frame
    mov cr3, eax
    FAULTS three, mov al, [0x200000]
    mov dword [PD64 + 8], 0x200000 | 0x87
    mov dword [PD64 + 12], 1 << 20                          ; bit 52
    FAULTS four, mov al, [0x200000]
    END
