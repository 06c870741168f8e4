; An EIP past the limit of the new CS is #GP(0) in the new task (SDM Vol. 3, table 8-1).
;! mode prot32
;! event #GP(0) rip=0x10000 cs=TINY
;! tr = TSS32B_SEL
NEW_SEGMENT TINY, 0, 0xffff, 0x9a, 4
%include "task.inc"
    FILL_TASK 0x10000
    mov dword [TSS32B + TSS_CS], TINY
    jmp TSS32B_SEL:0
