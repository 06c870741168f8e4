; A near jump, call or return to an address that is not canonical is #GP(0) at the branch
; (SDM Vol. 2, JMP, CALL, RET).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two sp=STACK0
;! event #GP(0) rip=three sp=STACK0-8
;! event #GP(0) rip=four
    mov rax, 0x8000000000000000
    FAULTS one, jmp rax
    FAULTS two, call rax
    push rax
    FAULTS three, ret
    push KDATA
    push STACK0
    push 2
    push CODE64
    push rax
    FAULTS four, iretq
    END
