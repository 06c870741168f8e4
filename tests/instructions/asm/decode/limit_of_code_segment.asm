; A byte of an instruction past the limit of CS is #GP(0), before the instruction does anything
; (SDM Vol. 3, 5.3).
;! mode prot32
;! event #GP(0) rip=0xffe cs=TINY
;! ebx = 0
NEW_SEGMENT TINY, FREE, 0xfff, 0x9a, 4
    mov dword [FREE + 0xffe], 0x11bb            ; mov ebx, imm32
    jmp TINY:0xffe
