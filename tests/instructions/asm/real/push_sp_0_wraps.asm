; With SP 0 a push of a word goes to FFFEH (SDM Vol. 3, 21.1.1; Vol. 2, PUSH).
;! mode real
;! sp = 0xfffe
;! esp = 0x1234fffe
;! word [0x2fffe] = 0xbeef
    mov ax, 0x2000
    mov ss, ax
    mov esp, 0x12340000
    push word 0xbeef
    END
