; #DE is a fault: the saved IP is that of the DIV, and the registers are unchanged (SDM Vol. 3, 6.15).
;! mode real
;! event #DE rip=fault
;! eax = 0x12345678
;! edx = 0x9abcdef0
    mov eax, 0x12345678
    mov edx, 0x9abcdef0
    mov bl, 1
fault:
    div bl
    END
