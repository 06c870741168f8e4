; From ring 3 the frame is SS, ESP, EFLAGS, CS, EIP, error code on the stack of the TSS
; (SDM Vol. 3, 6.12.1); RF is set in the image of a fault (18.3.1.1).
;! mode prot32 cpl=3 flags=IF
;! esp = STACK_INNER - 24
;! ss = DATA32
;! dword [STACK_INNER - 4] = UDATA
;! dword [STACK_INNER - 8] = STACK3
;! dword [STACK_INNER - 12] & ~(PF|ZF|AF|SF|CF|OF) = IF|RF|2
;! dword [STACK_INNER - 16] = UCODE32
;! dword [STACK_INNER - 20] = fault
;! dword [STACK_INNER - 24] = DATA32
    mov ax, DATA32
    mov word [IDT32 + 13*8], handler
fault:
    mov es, ax
handler:
    END
