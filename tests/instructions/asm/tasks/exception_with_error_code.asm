; An exception through a task gate pushes its error code on the new task's stack (SDM Vol. 3, 6.12.2).
;! mode prot32
;! esp = 0x75fc
;! dword [0x75fc] = 0x800
;! dword [TSS32 + TSS_EIP] = fault
;! dword [TSS32 + TSS_EFLAGS] & (NT|2) = 2
;! flags & NT = NT
;! word [TSS32B] = TSS32_SEL
%include "task.inc"
    FILL_TASK there
    SET_GATE32 13, 0, TSS32B_SEL, 0x85
    mov eax, 0x800
fault:
    mov es, ax
there:
    END
