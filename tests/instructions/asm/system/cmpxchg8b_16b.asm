; CMPXCHG8B of a register is #UD, CMPXCHG16B that is not aligned #GP(0) (SDM Vol. 2, CMPXCHG8B/16B).
;! mode long
;! event #UD rip=one
;! event #GP(0) rip=two
;! qword [DATA] = 0x1111
;! qword [DATA + 8] = 0x2222
;! flags & ZF = ZF
    FAULTS one, {db 0x0f, 0xc7, 0xc8}
    FAULTS two, cmpxchg16b [abs DATA + 8]
    xor eax, eax
    xor edx, edx
    mov ebx, 0x1111
    mov ecx, 0x2222
    lock cmpxchg16b [abs DATA]
    END
