; Execution that reaches the limit of CS is #GP(0) at the next instruction (SDM Vol. 3, 5.3).
;! mode prot32
;! event #GP(0) rip=0x1000 cs=TINY
;! ebx = 1
NEW_SEGMENT TINY, FREE, 0xfff, 0x9a, 4
    mov byte [FREE + 0xffe], 0x43               ; inc ebx
    mov byte [FREE + 0xfff], 0x90
    jmp TINY:0xffe
