; RDMSR and WRMSR of a register that there is not are #GP(0), and change nothing (SDM Vol. 2, RDMSR).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! rax = 0x1111
;! rdx = 0x2222
    mov ecx, 0x12345678
    mov eax, 0x1111
    mov edx, 0x2222
    FAULTS one, rdmsr
    FAULTS two, wrmsr
    END
