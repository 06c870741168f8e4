; A fetch by the user from a supervisor page with NX: P, U/S and I/D (SDM Vol. 3, 4.7).
;! mode long cpl=3
;! event #PF(0x15) rip=FREE cr2=FREE cs=UCODE64
;! event #PF(0x15) rip=FREE+0x1000 cr2=FREE+0x1000
;! event #PF(0x14) rip=FREE+0x2000 cr2=FREE+0x2000
    mov dword [abs PT64 + (FREE >> 12) * 8], FREE | 3
    mov byte [abs PT64 + (FREE + 0x1000 >> 12) * 8 + 7], 0x80
    mov dword [abs PT64 + (FREE + 0x2000 >> 12) * 8], 0
    TRY one
    mov eax, FREE
    jmp rax
one:
    TRY two
    mov eax, FREE + 0x1000
    jmp rax
two:
    TRY three
    mov eax, FREE + 0x2000
    jmp rax
three:
    END
