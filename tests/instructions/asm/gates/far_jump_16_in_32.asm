; A far jump with 16-bit operands loads 16 bits of the offset (SDM Vol. 2, JMP).
;! mode prot32
;! ebx = 1
;! cs = CODE32
    o16 jmp far [pointer]
    mov ebx, 2
there:
    inc ebx
    END
pointer: dw there, CODE32, 0xffff
