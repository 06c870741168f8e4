; A bad SS in the TSS is #TS(selector), one that is not present #SS(selector), a TSS too short #TS(TSS
; selector) (SDM Vol. 2, CALL).
;! mode prot32 cpl=3
;! event #TS(UDATA & ~3) rip=one
;! event #TS(0) rip=two
;! event #SS(ABSENT) rip=three
; The recorder needs an inner stack of its own: those of ring 1, which the gate's code has, are bad.
NEW_SEGMENT CODE1, 0, 0xfffff, 0xba, 0xc
NEW_SEGMENT ABSENT, 0, 0xfffff, 0x32, 0xc
NEW_GATE THROUGH, target, CODE1, 0xec, 0
    mov dword [TSS32 + 12], STACK_IST1
    mov dword [TSS32 + 16], UDATA
    FAULTS one, call THROUGH | 3:0
    mov dword [TSS32 + 16], 0
    FAULTS two, call THROUGH | 3:0
    mov dword [TSS32 + 16], ABSENT | 1
    FAULTS three, call THROUGH | 3:0
    END
target:
    END
