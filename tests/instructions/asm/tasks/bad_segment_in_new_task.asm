; A bad segment is found in the new task: #TS(selector) with the new task's CS:EIP, and TR is the new one
; (SDM Vol. 3, 8.3 and table 8-1).
;! mode prot32
;! event #TS(EXECONLY) rip=there cs=CODE32 ss=DATA32
;! tr = TSS32B_SEL
;! dword [TSS32 + TSS_EIP] = back
NEW_SEGMENT EXECONLY, 0, 0xfffff, 0x98, 0xc
%include "task.inc"
    FILL_TASK there
    mov dword [TSS32B + TSS_ES], EXECONLY
    jmp TSS32B_SEL:0
back:
    nop
there:
    END
