; In IA-32e mode CR4.PAE cannot be cleared, nor EFER.LME changed, nor paging turned off from 64-bit code
; (SDM Vol. 3, 9.8.5 and 2.5).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! efer = 0xd01
    mov rax, cr4
    and rax, ~CR4_PAE
    FAULTS one, mov cr4, rax
    mov rax, cr0
    mov ecx, CR0_PG
    not rcx
    and rax, rcx
    mov ecx, CR0_PG - 1
    and rax, rcx
    FAULTS two, mov cr0, rax
    mov ecx, MSR_EFER
    mov eax, 0x801
    xor edx, edx
    FAULTS three, wrmsr
    END
