; Bits above 3 in CR8 are #GP(0) (SDM Vol. 3, 10.8.6.1).
;! mode long
;! event #GP(0) rip=fault
;! cr8 = 15
    mov eax, 15
    mov cr8, rax
    mov eax, 16
fault:
    mov cr8, rax
