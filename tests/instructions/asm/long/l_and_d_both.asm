; A code segment with L and D both set is #GP(selector) in IA-32e mode (SDM Vol. 3, 5.2.1).
;! mode long
;! event #GP(BOTH) rip=fault
NEW_SEGMENT BOTH, 0, 0xfffff, 0x9a, 0xe
    FAULTS fault, jmp dword far [abs pointer]
    END
pointer: dd 0x8000
    dw BOTH
