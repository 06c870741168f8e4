; A busy task cannot be entered but by IRET, and IRET needs a busy one (SDM Vol. 3, 8.2.2 and table 8-1).
;! mode prot32
;! event #GP(TSS32_SEL) rip=one
;! event #TS(TSS32B_SEL) rip=two flags&NT=NT
;! event #GP(ABSENT_LDT) rip=three
;! tr = TSS32_SEL
NEW_SEGMENT ABSENT_LDT, 0, 0xff, 0x02, 0
    FAULTS one, jmp TSS32_SEL:0
    mov word [TSS32], TSS32B_SEL
    push dword NT|2
    popfd
    FAULTS two, iretd
    push dword 2
    popfd
    FAULTS three, jmp ABSENT_LDT:0
    END
