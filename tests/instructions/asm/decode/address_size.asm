; 67H makes addresses 32 bits in 64-bit mode, 16 in 32-bit code; LOOP and JRCXZ count in that width
; (SDM Vol. 2, LOOP, Jcc).
;! mode long
;! rbx = 0x1111
;! rcx = 0xffffffff
;! edx = 1
    mov dword [abs DATA], 0x1111
    mov rax, 0x500000000 + DATA
    mov ebx, [eax]
    mov rcx, 0x100000000
    a32 jecxz zero
    END
zero:
    inc edx
    a32 loop over
    END
over:
    END
