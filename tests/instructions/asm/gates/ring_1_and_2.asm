; Calls to ring 2 and from there to ring 1 take their stacks from the TSS (SDM Vol. 3, 5.8.5).
;! mode prot32 cpl=3
;! cpl = 1
;! cs = CODE1 | 1
;! ss = DATA1 | 1
;! esp = 0x7100 - 16
;! dword [0x7100 - 4] = DATA2 | 2
;! dword [0x7300 - 4] = UDATA
NEW_SEGMENT CODE1, 0, 0xfffff, 0xba, 0xc
NEW_SEGMENT DATA1, 0, 0xfffff, 0xb2, 0xc
NEW_SEGMENT CODE2, 0, 0xfffff, 0xda, 0xc
NEW_SEGMENT DATA2, 0, 0xfffff, 0xd2, 0xc
NEW_GATE TO_2, ring2, CODE2, 0xec, 0
NEW_GATE TO_1, ring1, CODE1, 0xec, 0
    mov dword [TSS32 + 12], 0x7100
    mov dword [TSS32 + 16], DATA1 | 1
    mov dword [TSS32 + 20], 0x7300
    mov dword [TSS32 + 24], DATA2 | 2
    call TO_2 | 3:0
ring2:
    call TO_1 | 3:0
ring1:
    END
