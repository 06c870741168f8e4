; In IA-32e mode there are no task switches: a far jump to a TSS is #GP(selector), IRET with NT #GP(0)
; (SDM Vol. 3, 8.7).
;! mode long
;! event #GP(TSS64_SEL) rip=one
;! event #GP(0) rip=two
    FAULTS one, jmp dword far [abs pointer]
    push NT|2
    popf
    FAULTS two, iretq
    END
pointer: dd 0
    dw TSS64_SEL
