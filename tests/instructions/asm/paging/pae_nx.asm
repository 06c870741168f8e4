; With EFER.NXE bit 63 of a PAE entry forbids fetches, and bit 4 of the error code shows them
; (SDM Vol. 3, 4.6 and 4.7).
;! mode prot32 paging=pae nxe=1
;! event #PF(0x11) rip=FREE cr2=FREE
;! event #PF(0x10) rip=FREE+0x1000 cr2=FREE+0x1000
;! ebx = 0x90
    mov byte [FREE], 0x90
    mov dword [PT64 + (FREE >> 12) * 8 + 4], 0x80000000
    mov dword [PT64 + (FREE + 0x1000 >> 12) * 8], 0
    mov eax, cr3
    mov cr3, eax
    movzx ebx, byte [FREE]
    TRY one
    mov eax, FREE
    jmp eax
one:
    TRY two
    mov eax, FREE + 0x1000
    jmp eax
two:
    END
