; A task switch clears L0 to L3 and LE in DR7; the global ones stay (SDM Vol. 3, 18.2.4).
;! mode prot32
;! ebx = 0x6aa
%include "task.inc"
    FILL_TASK there
    mov eax, 0x7ff
    mov dr7, eax
    jmp TSS32B_SEL:0
there:
    mov ebx, dr7
    END
