; A data address that is not canonical is #GP(0), through RSP or RBP #SS(0) (SDM Vol. 1, 3.3.7.1); an
; override by DS is ignored in 64-bit mode (Vol. 1, 3.4.2.1).
;! mode long
;! event #GP(0) rip=one
;! event #SS(0) rip=two
;! event #SS(0) rip=three
;! event #SS(0) rip=four
;! event #GP(0) rip=five
;! event #GP(0) rip=six
    mov rax, 0x800000000000
    mov rbp, rax
    FAULTS one, mov cl, [rax]
    FAULTS two, mov cl, [rbp]
    FAULTS three, mov [rbp + rcx], cl
    FAULTS four, mov cl, [ds:rbp]
    mov rax, 0x7ffffffffffc
    FAULTS five, mov rcx, [rax]         ; the last bytes are not
    mov rdi, 0xffff7fffffffffff
    FAULTS six, stosb
    END
