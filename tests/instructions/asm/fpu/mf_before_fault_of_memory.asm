; #MF of an earlier instruction comes before the fault of the operand (SDM Vol. 3, table 6-2).
;! mode prot32 paging=32
;! event #MF rip=one
;! event #PF(0) rip=two cr2=0x80000000
    fninit
    fldcw [control]
    fldz
    fld1
    fdiv st0, st1
    FAULTS one, fld dword [0x80000000]
    fnclex
    FAULTS two, fld dword [0x80000000]
    END
control: dw 0x37b
