; Alignment is not checked at CPL 0 (SDM Vol. 3, 6.15, interrupt 17).
;! mode prot32 cr0=CR0_AM flags=AC
;! ebx = 0x33221100
    mov dword [DATA], 0x22110000
    mov byte [DATA + 4], 0x33
    mov ebx, [DATA + 1]
    END
