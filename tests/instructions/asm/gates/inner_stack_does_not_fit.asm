; If the frame does not fit on the inner stack, the fault is #SS of that stack's selector
; (SDM Vol. 2, CALL, #SS(error code)).
;! mode prot32 cpl=3
;! event #SS(TINY) rip=one cs=UCODE32 sp=STACK3
NEW_SEGMENT CODE1, 0, 0xfffff, 0xba, 0xc
NEW_SEGMENT TINY, DATA, 0xff, 0xb2, 4
NEW_GATE THROUGH, target, CODE1, 0xec, 0
    mov dword [TSS32 + 12], 8
    mov dword [TSS32 + 16], TINY | 1
    FAULTS one, call THROUGH | 3:0
    END
target:
    END
