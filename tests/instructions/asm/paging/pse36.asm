; Bits 20:13 of a PDE for 4 MiB are bits 39:32 of the address: above the RAM there is nothing, which reads
; as ones (SDM Vol. 3, 4.3, PSE-36).
;! mode prot32 paging=32 cr4=CR4_PSE
;! ebx = 0xffffffff
;! ecx = 0
;! edx & (1 << 17) = 1 << 17
    mov dword [PD32 + 4], 1 << 13 | 0x87
    mov ebx, [0x400000 + FREE]
    mov ecx, [FREE]
    push ebx
    push ecx
    mov eax, 1
    cpuid
    pop ecx
    pop ebx
    END
