; The T flag of the new TSS raises #DB after the switch, before its first instruction, with DR6.BT
; (SDM Vol. 3, 8.2.1 and 18.3.1.5).
;! mode prot32
;! event #DB rip=there
;! dr6 = 0xffff8ff0
;! ebx = 0
%include "task.inc"
    FILL_TASK there
    mov word [TSS32B + 0x64], 1
    jmp TSS32B_SEL:0
there:
    inc ebx
