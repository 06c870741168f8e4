; A present PDPTE with reserved bits is #GP(0) at the MOV to CR3 or CR4, which changes nothing
; (SDM Vol. 3, 4.4.1).
;! mode prot32 paging=pae
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! cr3 = PDPT_PAE
;! cr4 & CR4_PGE = 0
    mov dword [PDPT_PAE + 8], PD64 | 3      ; bit 1 is reserved here
    mov eax, cr3
    FAULTS one, mov cr3, eax
    mov eax, cr4
    or eax, CR4_PGE
    FAULTS two, mov cr4, eax
    mov dword [PDPT_PAE + 8], 2             ; not present: no matter
    mov eax, cr3
    mov cr3, eax
    END
