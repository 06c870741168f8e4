; MOV SS and POP SS hide an instruction breakpoint at the next instruction (SDM Vol. 3, 18.3.1.1).
;! mode prot32
;! ebx = 1
;! dr6 = 0xffff0ff0
    mov eax, here
    mov dr0, eax
    mov eax, 1
    mov dr7, eax
    mov eax, ss
    mov ss, eax
here:
    inc ebx
    END
