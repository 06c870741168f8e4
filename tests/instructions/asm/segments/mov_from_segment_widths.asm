; MOV of a segment register to memory is 16 bits whatever the operand size; to a 32-bit register it is
; zero-extended (SDM Vol. 2, MOV).
;! mode prot32
;! dword [DATA] = 0xffff0010
;! ebx = 0x10
;! ecx = 0xffff0010
    mov dword [DATA], -1
    mov ebx, -1
    mov ecx, -1
    mov [DATA], ds
    mov ebx, ds
    mov cx, ds
    END
