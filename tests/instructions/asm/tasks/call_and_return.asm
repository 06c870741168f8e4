; A CALL nests: the link is stored, NT set, both tasks are busy; IRET with NT goes back and clears NT in
; the image it saves (SDM Vol. 3, 8.4).
;! mode prot32
;! tr = TSS32_SEL
;! byte [GDT + TSS32_SEL + 5] = 0x8b
;! byte [GDT + TSS32B_SEL + 5] = 0x89
;! word [TSS32B] = TSS32_SEL
;! dword [TSS32B + TSS_EFLAGS] & (NT|2) = 2
;! dword [TSS32B + TSS_EIP] = resumed
;! dword [TSS32B + TSS_ESI] & NT = NT
;! dword [TSS32B + TSS_EDI] & 0xff = 0x8b
;! flags & NT = 0
;! ebx = 0x1111
;! esp = 0x8000
%include "task.inc"
    FILL_TASK there
    mov ebx, 0x1111
    call TSS32B_SEL:0
    clts
    END
there:
    pushfd
    pop esi
    mov edi, [GDT + TSS32_SEL + 5]
    mov ebx, 0x2222
    iretd
resumed:
    END
