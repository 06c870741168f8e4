; A write breakpoint traps after the instruction; reads do not hit it (SDM Vol. 3, 18.2.4 and 18.3.1.2).
;! mode prot32
;! event #DB rip=after
;! dr6 = 0xffff0ff2
;! dword [DATA + 4] = 0x1234
    mov eax, DATA + 4
    mov dr1, eax
    mov eax, 0xd << 20 | 4 | 0x100    ; W, 4 bytes
    mov dr7, eax
    mov eax, [DATA + 4]
    mov dword [DATA + 8], 5
    mov dword [DATA], 5
    mov dword [DATA + 4], 0x1234
after:
    nop
