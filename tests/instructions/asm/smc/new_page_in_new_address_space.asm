; After MOV to CR3 code is fetched from the new page; if the page was global, after INVLPG (SDM Vol. 3,
; 4.10.4.1). In between either will do.
;! mode long cr4=CR4_PGE
;! ebx = 0x22
;! ecx = 0x44
    mov dword [abs FREE], 0xc311b3              ; mov bl, 11h; ret
    mov dword [abs FREE + 0x1000], 0xc322b3
    mov dword [abs FREE + 0x2000], 0xc333b1     ; mov cl, 33h; ret
    mov dword [abs FREE + 0x3000], 0xc344b1
    or dword [abs PT64 + (FREE + 0x2000 >> 12) * 8], PTE_G
    mov eax, FREE
    mov esi, FREE + 0x2000
    mov rdi, cr3
    mov cr3, rdi
    call rax
    call rsi
    mov qword [abs PT64 + (FREE >> 12) * 8], FREE + 0x1000 | 7
    mov qword [abs PT64 + (FREE + 0x2000 >> 12) * 8], FREE + 0x3000 | 7 | PTE_G
    mov cr3, rdi
    call rax
    call rsi
    invlpg [rsi]
    call rsi
    END
