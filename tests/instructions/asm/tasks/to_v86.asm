; A task whose EFLAGS has VM set runs in virtual-8086 mode (SDM Vol. 3, 21.2.5).
;! mode prot32
;! cs = 0x100
;! cs.base = 0x1000
;! ds.base = 0x4440
;! flags & VM = VM
;! cpl = 3
;! bl = 3
%include "task.inc"
    FILL_TASK there - 0x1000
    mov dword [TSS32B + TSS_EFLAGS], VM|2
    mov dword [TSS32B + TSS_CS], 0x100
    mov dword [TSS32B + TSS_DS], 0x444
    mov dword [TSS32B + TSS_SS], 0x700
    jmp TSS32B_SEL:0
bits 16
there:
    mov bl, 3
    END
