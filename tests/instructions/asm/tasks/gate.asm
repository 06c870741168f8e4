; Task gates lead to the TSS they name, from CALL and from INT n (SDM Vol. 3, 8.2.5 and 6.12.2).
;! mode prot32 cpl=3
;! ebx = 2
;! tr = TSS32_SEL
;! cs = UCODE32
;! event #GP(INNER) rip=one
NEW_GATE TO_TASK, 0, TSS32B_SEL, 0xe5, 0
NEW_GATE INNER, 0, TSS32B_SEL, 0x85, 0
%include "task.inc"
    FILL_TASK there
    SET_GATE32 0x90, 0, TSS32B_SEL, 0xe5
    FAULTS one, call INNER:0
    call TO_TASK | 3:0
    int 0x90
    END
there:
    inc dword [count]
    mov eax, [count]
    mov [TSS32 + TSS_EBX], eax
    clts
    iretd
    jmp there
count: dd 0
