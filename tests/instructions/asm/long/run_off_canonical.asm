; Execution that goes on past 00007FFFFFFFFFFFH is #GP(0) (SDM Vol. 3, 6.15, interrupt 13).
;! mode long
;! event #GP(0) rip=0x800000000000
;! ebx = 1
    mov qword [abs PML4 + 0x7f8], PDPT | 7
    mov qword [abs PDPT + 0xff8], PD64 | 7
    mov qword [abs PD64 + 0xff8], PT64 | 7
    mov rax, [abs PT64 + 0xff8]
    mov qword [abs PT64 + 0xff8], FREE | 7
    mov word [abs FREE + 0xffe], 0xc3ff     ; inc ebx
    mov rax, 0x7ffffffffffe
    jmp rax
