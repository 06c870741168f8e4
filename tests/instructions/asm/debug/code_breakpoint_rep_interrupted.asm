; An interrupt in the middle of a string instruction pushes RF set, so that its breakpoint does not hit
; again (SDM Vol. 3, 18.3.1.1).
;! mode prot32 flags=IF
;! event #DB rip=here flags&RF=0
;! event 0x40 rip=here flags&RF=RF
;! ecx = 0
    RETURN_FROM 0x40
    mov esi, DATA
    mov edi, DATA + 0x1000
    mov ecx, 0x300
    mov eax, here
    mov dr0, eax
    mov eax, 1
    mov dr7, eax
    TRY armed
here:
    rep movsb
    END
armed:
    ; Goes on at the breakpoint with RF set, and an interrupt due in its middle.
    push dword IF|RF|2
    push dword CODE32
    push dword here
    INTR_AFTER 0x40, 1
    iretd
