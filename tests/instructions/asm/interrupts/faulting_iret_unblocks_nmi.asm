; An IRET unblocks NMIs even if it faults (SDM Vol. 3, 6.7.1): the second NMI comes before the first
; instruction of the handler of #GP.
;! mode prot32
;! ebx = 2
;! dword [0x7fcc] = STUB32 + 13 * 16
    SET_GATE32 2, handler, CODE32, 0x8e
    NMI_AFTER 0
    nop
    END
handler:
    inc ebx
    cmp ebx, 2
    je done
    NMI_AFTER 0
    push dword 2
    push dword 0x800
    push dword 0
    iretd
done:
    END
