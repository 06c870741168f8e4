; PUSHF stores VM and RF as 0 (SDM Vol. 2, PUSHF).
;! mode prot32
;! dword [0x7ffc] = CF|2
    push dword RF|CF|2
    push dword CODE32
    push dword there
    iretd
there:
    pushfd
    END
