; A push past the limit of SS, and an access to SS by EBP, is #SS(0) (SDM Vol. 3, 5.3).
;! mode prot32
;! event #SS(0) rip=one
;! event #SS(0) rip=two
;! event #SS(0) rip=three
; The handlers have a stack of their own: the recorder's is the inner one, after an IRET to ring 3.
NEW_SEGMENT USMALL, DATA, 0xff, 0xf2, 4
    push dword USMALL | 3
    push dword 0x100
    push dword 2
    push dword UCODE32
    push dword user
    mov ax, UDATA
    mov ds, ax
    iretd
user:
    push eax
    pop eax
    FAULTS one, pop eax
    mov ebp, 0xfd
    FAULTS two, mov eax, [ebp]
    xor esp, esp
    FAULTS three, push eax
    END
