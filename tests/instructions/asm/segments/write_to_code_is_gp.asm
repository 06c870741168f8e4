; Code segments cannot be written, nor read if they are execute-only; read-only data cannot be written
; (SDM Vol. 3, 5.5.1 and 3.4.5.1).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! ebx = 0x12345678
NEW_SEGMENT READONLY, DATA, 0xfff, 0x90, 4
NEW_SEGMENT EXECONLY, 0, 0xfffff, 0x98, 0xc
    FAULTS one, mov byte [cs:DATA], 1
    mov dword [DATA], 0x12345678
    mov ax, READONLY
    mov es, ax
    mov ebx, [es:0]
    FAULTS two, mov [es:0], eax
    jmp EXECONLY:exec_only
exec_only:
    FAULTS three, mov eax, [cs:DATA]
    END
