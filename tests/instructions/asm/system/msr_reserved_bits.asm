; Reserved bits and memory types, and addresses that are not canonical, are #GP(0) (SDM Vol. 4; Vol. 3,
; 11.12.4).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! event #GP(0) rip=four
;! event #GP(0) rip=five
    mov ecx, MSR_EFER
    mov eax, 0xd03
    FAULTS one, wrmsr
    mov ecx, 0x277
    mov eax, 0x00070402         ; type 2
    mov edx, 0x00070406
    FAULTS two, wrmsr
    mov edx, 0x0007040f
    mov eax, 0x00070406
    FAULTS three, wrmsr
    mov edx, 0x00010506
    wrmsr
    mov ecx, MSR_LSTAR
    mov edx, 0x8000
    FAULTS four, wrmsr
    mov ecx, MSR_FMASK
    mov edx, 1
    FAULTS five, wrmsr
    END
