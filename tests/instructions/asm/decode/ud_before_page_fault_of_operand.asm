; An invalid opcode is found when it is decoded, before its operand is touched (SDM Vol. 3, table 6-2).
;! mode prot32 paging=32
;! event #UD rip=i1
;! event #PF(0) rip=i2 cr2=0x80000000
    FAULTS i1, {db 0xf0, 0x8b, 0x05, 0, 0, 0, 0x80}
    FAULTS i2, mov eax, [0x80000000]
    END
