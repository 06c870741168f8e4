; A call to an inner level takes SS:ESP from the TSS and copies the gate's count of parameters
; (SDM Vol. 3, 5.8.5); RET n releases them on both stacks.
;! mode prot32 cpl=3
;! esp = STACK3
;! cs = UCODE32
;! ss = UDATA
;! ebx = 0x11
;! ecx = 0x22
;! dword [STACK_INNER - 4] = UDATA
;! dword [STACK_INNER - 8] = STACK3 - 8
;! dword [STACK_INNER - 12] = 0x11
;! dword [STACK_INNER - 16] = 0x22
;! dword [STACK_INNER - 20] = UCODE32
;! dword [STACK_INNER - 24] = back
;! esi = STACK_INNER - 24
;! edi = CODE32
NEW_GATE THROUGH, target, CODE32, 0xec, 2
    push dword 0x11
    push dword 0x22
    call THROUGH | 3:0
back:
    END
target:
    mov esi, esp
    mov edi, cs
    mov ebx, [esp + 12]
    mov ecx, [esp + 8]
    retf 8
