; PG without PE, and NW without CD, are #GP(0); reserved bits are ignored but for bits 63:32, ET is 1
; (SDM Vol. 3, 2.5).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! cr0 & 0x1ffaffff = CR0_PE | CR0_ET | CR0_NE
    mov eax, CR0_PG | CR0_ET
    FAULTS one, mov cr0, eax
    mov eax, CR0_PE | 1 << 29
    FAULTS two, mov cr0, eax
    mov eax, CR0_PE | CR0_NE | 0x1ffaff00
    mov cr0, eax
    END
