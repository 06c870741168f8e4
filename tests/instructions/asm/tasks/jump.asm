; A JMP to a TSS saves the old task, clears its busy bit, sets the new one's and CR0.TS, and loads the
; registers (SDM Vol. 3, 8.3).
;! mode prot32
;! tr = TSS32B_SEL
;! byte [GDT + TSS32_SEL + 5] = 0x89
;! byte [GDT + TSS32B_SEL + 5] = 0x8b
;! cr0 & CR0_TS = CR0_TS
;! dword [TSS32 + TSS_EIP] = back
;! dword [TSS32 + TSS_EFLAGS] & ~(PF|AF|ZF|SF|OF) = CF|2
;! dword [TSS32 + TSS_ESP] = 0x7000
;! dword [TSS32 + TSS_EBX] = 0x1111
;! word [TSS32 + TSS_CS] = CODE32
;! word [TSS32 + TSS_SS] = DATA32
;! ebx = 0x2222
;! esp = 0x7600
;! ds = DATA32
;! gs = UDATA
;! flags = DF|2
;! word [TSS32B] = 0
%include "task.inc"
    FILL_TASK there
    mov dword [TSS32B + TSS_EBX], 0x2222
    mov dword [TSS32B + TSS_GS], UDATA
    mov dword [TSS32B + TSS_EFLAGS], DF|2
    mov esp, 0x7000
    mov ebx, 0x1111
    stc
    jmp TSS32B_SEL:0x12345678
back:
there:
    END
