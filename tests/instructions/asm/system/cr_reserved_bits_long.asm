; In 64-bit mode bits 63:32 of CR0 and CR4, unknown bits of CR4, and address bits of CR3 that there are
; not, are #GP(0) (SDM Vol. 3, 2.5).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! event #GP(0) rip=four
    mov rax, cr0
    bts rax, 32
    FAULTS one, mov cr0, rax
    mov rax, cr4
    bts rax, 40
    FAULTS two, mov cr4, rax
    mov rax, cr4
    bts rax, 31
    FAULTS three, mov cr4, rax
    mov rax, cr3
    bts rax, 51
    FAULTS four, mov cr3, rax
    END
