; The second page of an instruction is checked for the right to fetch (SDM Vol. 3, 4.6).
;! mode long
;! event #PF(0x11) rip=FREE+0xffe cr2=FREE+0x1000
;! ebx = 0
    mov dword [abs FREE + 0xffe], 0x1122bb66    ; mov bx, 1122h
    mov byte [abs PT64 + (FREE + 0x1000 >> 12) * 8 + 7], 0x80
    mov rax, cr3
    mov cr3, rax
    mov eax, FREE + 0xffe
    jmp rax
