; With DR7.GD a MOV from or to a debug register is #DB before it, with DR6.BD, and GD is off in the handler;
; RF is set in the image, as for other faults (SDM Vol. 3, 18.2.4 and 18.3.1.1).
;! mode prot32
;! event #DB rip=fault flags&RF=RF
;! dr6 = 0xffff2ff0
;! dr7 = 0x400
    mov eax, 1 << 13
    mov dr7, eax
    FAULTS fault, mov ebx, dr0
    mov ebx, dr7
    END
