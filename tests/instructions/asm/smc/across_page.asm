; A store that changes an instruction across the edge of two pages, in either page (SDM Vol. 3, 11.6).
;! mode prot32
;! ebx = 0x44
;! ecx = 0x3322
    mov byte [FREE + 0xffe], 0xbb       ; mov ebx, imm32 over the edge
    mov dword [FREE + 0xfff], 0x11
    mov byte [FREE + 0x1003], 0xc3
    mov eax, FREE + 0xffe
    call eax
    mov ecx, ebx
    mov byte [FREE + 0xfff], 0x22       ; the first page
    call eax
    mov ecx, ebx
    mov byte [FREE + 0x1000], 0x33      ; the second one
    call eax
    mov ecx, ebx
    mov dword [FREE + 0xfff], 0x44      ; both
    call eax
    END
