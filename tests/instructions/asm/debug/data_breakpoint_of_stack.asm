; Pushes and the return addresses of calls are data accesses too (SDM Vol. 3, 18.3.1.2).
;! mode prot32
;! event #DB rip=there sp=0x7f00
;! dr6 & 0xf = 1
    mov eax, 0x7f00
    mov dr0, eax
    mov eax, 0xd << 16 | 1
    mov dr7, eax
    mov esp, 0x7f04
    call there
there:
    nop
