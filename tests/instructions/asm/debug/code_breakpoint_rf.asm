; RF in the image that IRET loads lets the instruction execute once; then it is clear again
; (SDM Vol. 3, 18.3.1.1).
;! mode prot32
;! ebx = 3
;! ecx = 3
;! flags & RF = 0
    SET_GATE32 1, handler, CODE32, 0x8e
    mov eax, here
    mov dr0, eax
    mov eax, 1              ; L0
    mov dr7, eax
again:
    nop
here:
    inc ebx
    cmp ebx, 3
    jne again
    END
handler:
    inc ecx
    or dword [esp + 8], RF
    iretd
