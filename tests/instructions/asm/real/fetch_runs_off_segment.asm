; An instruction that begins at FFFFH and goes on past the limit of CS is #GP (SDM Vol. 3, 5.3).
;! mode real
;! event #GP rip=0xffff cs=0x2000
    mov ax, 0x2000
    mov es, ax
    mov byte [es:0xffff], 0xb8          ; mov ax, imm16
    jmp 0x2000:0xffff
