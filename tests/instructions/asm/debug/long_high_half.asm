; In 64-bit mode a write of bits 63:32 of DR6 or DR7 that are not 0 is #GP(0); DR0 to DR3 take 64 bits
; (SDM Vol. 3, 18.2.6).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! rbx = 0x123456789abcdef0
    mov rax, 0x123456789abcdef0
    mov dr1, rax
    mov rbx, dr1
    mov rax, 0x100000400
    FAULTS one, mov dr7, rax
    FAULTS two, mov dr6, rax
    END
