; RET far to an outer level loads SS:ESP from the stack and makes data segments null whose DPL is below
; the new CPL (SDM Vol. 2, RET).
;! mode prot32
;! cs = UCODE32
;! ss = UDATA
;! esp = STACK3 + 8
;! ds = 0
;! es = UDATA
;! fs = CONFORMING
;! gs = 0
NEW_SEGMENT CONFORMING, 0, 0xfffff, 0x9e, 0xc
    mov ax, UDATA
    mov es, ax
    mov ax, CONFORMING
    mov fs, ax
    push dword UDATA
    push dword STACK3
    push dword 0x11
    push dword 0x22
    push dword UCODE32
    push dword there
    retf 8
there:
    END
