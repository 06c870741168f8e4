; A far return to ring 3 is no IRET: NMIs stay blocked (SDM Vol. 3, 6.7.1).
;! mode prot32
;! ebx = 1
;! ecx = 1
;! cs = UCODE32
    SET_GATE32 2, handler, CODE32, 0x8e
    NMI_AFTER 0
    nop
handler:
    inc ebx
    NMI_AFTER 0
    push dword UDATA
    push dword STACK3
    push dword UCODE32
    push dword user
    retf
user:
    inc ecx
    END
