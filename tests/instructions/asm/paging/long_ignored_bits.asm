; Bits 11:9 and 62:52 of entries are ignored in 4-level paging, and D in all but the last
; (SDM Vol. 3, 4.5.4).
;! mode long
;! ebx = 0x1234
    mov dword [abs FREE], 0x1234
    or word [abs PML4], 0xe00
    mov byte [abs PML4 + 6], 0xf0
    mov byte [abs PML4 + 7], 0x7f
    or word [abs PDPT], 0xe40
    mov byte [abs PDPT + 6], 0xf0
    or word [abs PT64 + (FREE >> 12) * 8], 0xe00
    mov byte [abs PT64 + (FREE >> 12) * 8 + 7], 0x7f
    mov rax, cr3
    mov cr3, rax
    mov ebx, [abs FREE]
    END
