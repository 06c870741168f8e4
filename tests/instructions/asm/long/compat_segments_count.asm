; In compatibility mode segment bases and limits count as in protected mode (SDM Vol. 3, 5.2.1).
;! mode compat
;! event #GP(0) rip=fault cs=CODE32
;! ebx = 0x1234
NEW_SEGMENT SMALL, DATA, 0xf, 0x92, 4
    mov dword [DATA + 8], 0x1234
    mov eax, SMALL
    mov es, eax
    mov ebx, [es:8]
    FAULTS fault, mov ecx, [es:0xd]
    END
