; An interrupt gate clears IF, a trap gate does not; both clear TF, NT and RF (SDM Vol. 3, 6.12.1).
;! mode prot32
;! ebx & (IF|NT|TF) = 0
;! ecx & (IF|NT|TF) = IF
;! flags & (IF|NT) = IF|NT
;! esp = 0x8000
    SET_GATE32 0x50, interrupt, CODE32, 0x8e
    SET_GATE32 0x51, trap, CODE32, 0x8f
    push dword IF|NT|2
    popfd
    int 0x50
    int 0x51
    END
interrupt:
    pushfd
    pop ebx
    jmp return
trap:
    pushfd
    pop ecx
return:
    ; IRET with NT set would switch tasks; handlers have it clear.
    iretd
