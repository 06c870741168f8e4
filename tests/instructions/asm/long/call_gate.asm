; A 64-bit call gate is 16 bytes; a call to ring 0 loads RSP from the TSS, makes SS null and pushes
; SS, RSP, CS, RIP as quadwords (SDM Vol. 3, 5.8.3.1 and 5.8.5.1).
;! mode long cpl=3
;! rsp = STACK_INNER - 32
;! ss = 0
;! cs = CODE64
;! qword [STACK_INNER - 8] = UDATA
;! qword [STACK_INNER - 16] = STACK3
;! qword [STACK_INNER - 24] = UCODE64
;! qword [STACK_INNER - 32] = back
NEW_GATE THROUGH, target, CODE64, 0xec, 0
section .gdt
    dq 0
section .text
    call dword far [abs pointer]
back:
    ud2
target:
    END
pointer: dd 0
    dw THROUGH | 3
