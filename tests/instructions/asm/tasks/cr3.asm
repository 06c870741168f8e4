; With paging the new CR3 comes from the TSS (SDM Vol. 3, 8.3).
;! mode prot32 paging=32
;! cr3 = FREE
;! ebx = 0x2222
;! dword [TSS32 + TSS_CR3] = 0
%include "task.inc"
    FILL_TASK there
    mov dword [FREE], FREE + 0x1000 | 7
    mov esi, PT32
    mov edi, FREE + 0x1000
    mov ecx, 1024
    rep movsd
    ; In the new space DATA leads to the page after it.
    mov dword [FREE + 0x1000 + (DATA >> 12) * 4], DATA + 0x1000 | 7
    mov dword [DATA], 0x1111
    mov dword [DATA + 0x1000], 0x2222
    mov dword [TSS32B + TSS_CR3], FREE
    jmp TSS32B_SEL:0
there:
    mov ebx, [DATA]
    END
