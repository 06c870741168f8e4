; SYSENTER and SYSEXIT in protected mode take CS, SS from SYSENTER_CS + 0, 8, 16, 24 and clear IF
; (SDM Vol. 2, SYSENTER, SYSEXIT).
;! mode prot32 flags=IF
;! cs = SYS32 + 16 | 3
;! ss = SYS32 + 24 | 3
;! esi = SYS32
;! edi = SYS32 + 8
;! ebp = 0x7400
;! esp = 0x2f000
;! flags & (IF|VM) = 0
    WRITE_MSR 0x174, SYS32
    WRITE_MSR 0x175, 0x7400
    WRITE_MSR_LABEL 0x176, kernel
    sysenter
kernel:
    mov esi, cs
    mov edi, ss
    mov ebp, esp
    mov edx, user
    mov ecx, 0x2f000
    sysexit
user:
    END
