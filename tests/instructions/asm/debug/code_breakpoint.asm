; An instruction breakpoint is a fault before the instruction, with DR6.Bn set and RF clear in the image
; (SDM Vol. 3, 18.3.1.1).
;! mode prot32
;! event #DB rip=here flags&RF=0
;! dr6 = 0xffff0ff4
;! ebx = 0
    mov eax, here
    mov dr2, eax
    mov eax, 0x20           ; G2
    mov dr7, eax
    nop
here:
    inc ebx
