; With CR4.PSE a PDE with PS maps 4 MiB; A and D are in the PDE (SDM Vol. 3, 4.3 and table 4-4).
;! mode prot32 paging=32 cr4=CR4_PSE
;! dword [FREE + 0x123456] = 0xabcd
;! dword [PD32 + 4] = 0xe7
;! event #PF(9) rip=fault cr2=0x800000
    mov dword [PD32 + 4], 0x87
    mov dword [0x400000 + FREE + 0x123456], 0xabcd
    mov dword [PD32 + 8], 1 << 21 | 0x87        ; bit 21 is reserved
    FAULTS fault, mov eax, [0x800000]
    END
