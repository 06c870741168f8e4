; PS in a PML4E, in a PDPTE without 1 GiB pages, bits 20:13 of a 2 MiB PDE, and address bits that the
; processor does not have are reserved (SDM Vol. 3, 4.5.4).
;! mode long
;! event #PF(9) rip=one cr2=0x8000000000
;! event #PF(9) rip=two cr2=0x40000000
;! event #PF(0xb) rip=three cr2=0x400000
;! event #PF(9) rip=four cr2=FREE
;! edx & (1 << 26) = 0
    mov qword [abs PML4 + 8], PDPT | 0x87
    mov rax, 0x8000000000
    FAULTS one, mov cl, [rax]
    mov qword [abs PDPT + 8], 0x87
    FAULTS two, mov cl, [abs 0x40000000]
    mov qword [abs PD64 + 16], 1 << 14 | 0x87
    FAULTS three, mov [abs 0x400000], cl
    mov byte [abs PT64 + (FREE >> 12) * 8 + 5], 1       ; bit 40
    invlpg [abs FREE]
    FAULTS four, mov cl, [abs FREE]
    mov eax, 0x80000001
    cpuid
    END
