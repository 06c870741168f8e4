; A jump with 32-bit operand size to an offset above FFFFH is #GP at the jump (SDM Vol. 2, JMP).
;! mode real
;! event #GP rip=fault
    mov eax, 0x10000
fault:
    jmp eax
