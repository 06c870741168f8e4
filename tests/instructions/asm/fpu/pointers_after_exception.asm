; FNSTENV shows the address and opcode of the last x87 instruction, and its operand's (SDM Vol. 1, 8.1.8).
;! mode prot32
;! dword [DATA + 12] = load
;! dword [DATA + 20] = DATA + 0x100
    fninit
load:
    fld dword [DATA + 0x100]
    fnstenv [DATA]
    END
