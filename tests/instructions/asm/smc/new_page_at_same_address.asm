; After INVLPG code is fetched from the new page (SDM Vol. 3, 4.10.4).
;! mode long
;! ebx = 0x22
;! ecx = 0x11
    mov dword [abs FREE], 0xc311b3              ; mov bl, 11h; ret
    mov dword [abs FREE + 0x1000], 0xc322b3
    mov eax, FREE
    call rax
    mov ecx, ebx
    mov qword [abs PT64 + (FREE >> 12) * 8], FREE + 0x1000 | 7
    invlpg [rax]
    call rax
    END
