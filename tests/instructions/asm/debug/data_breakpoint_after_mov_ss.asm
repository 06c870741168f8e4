; A data breakpoint that MOV SS hits is held until after the next instruction (SDM Vol. 3, 6.8.3).
;! mode prot32
;! event #DB rip=after
;! dr6 & 0xf = 1
;! ebx = 1
    mov dword [DATA], DATA32
    mov eax, DATA
    mov dr0, eax
    mov eax, 0xf << 16 | 1
    mov dr7, eax
    mov ss, [DATA]
    inc ebx
after:
    inc ebx
