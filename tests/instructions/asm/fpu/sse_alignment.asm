; Aligned moves and operands of legacy SSE must be aligned to 16 bytes, else #GP(0) (SDM Vol. 1, 11.3).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! event #GP(0) rip=four
    movups xmm0, [abs DATA + 1]
    FAULTS one, movaps xmm0, [abs DATA + 1]
    FAULTS two, movdqa [abs DATA + 8], xmm0
    FAULTS three, paddd xmm0, [abs DATA + 4]
    mov ebp, DATA + 2
    FAULTS four, movaps xmm0, [rbp]         ; #GP through SS too
    addss xmm0, [abs DATA + 1]
    END
