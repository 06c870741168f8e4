; From virtual-8086 mode the frame on the ring 0 stack is GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP, and the
; data segments become null (SDM Vol. 3, 21.3.1 and figure 21-5).
;! mode v86 iopl=3
;! esp = STACK_INNER - 36
;! dword [STACK_INNER - 4] = 0x44
;! dword [STACK_INNER - 8] = 0x33
;! dword [STACK_INNER - 12] = 0x22
;! dword [STACK_INNER - 16] = 0x11
;! dword [STACK_INNER - 20] = 0
;! dword [STACK_INNER - 24] = 0xf000
;! dword [STACK_INNER - 28] & (VM|IOPL3|2) = VM|IOPL3|2
;! dword [STACK_INNER - 32] = 0
;! dword [STACK_INNER - 36] = back
;! ds = 0
;! es = 0
;! fs = 0
;! gs = 0
;! flags & VM = 0
;! cpl = 0
;! cs = CODE32
    mov word [IDT32 + 0x90 * 8], handler
    mov ax, 0x11
    mov es, ax
    mov ax, 0x22
    mov ds, ax
    mov ax, 0x33
    mov fs, ax
    mov ax, 0x44
    mov gs, ax
    int 0x90
back:
bits 32
handler:
    END
