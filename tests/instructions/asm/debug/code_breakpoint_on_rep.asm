; A breakpoint on a string instruction hits once, before its first iteration, when RF is set by the handler
; (SDM Vol. 3, 18.3.1.1).
;! mode prot32
;! ebx = 1
;! ecx = 0
    SET_GATE32 1, handler, CODE32, 0x8e
    mov eax, here
    mov dr0, eax
    mov eax, 1
    mov dr7, eax
    mov esi, DATA
    mov edi, DATA + 0x1000
    mov ecx, 0x300
here:
    rep movsb
    END
handler:
    inc ebx
    or dword [esp + 8], RF
    iretd
