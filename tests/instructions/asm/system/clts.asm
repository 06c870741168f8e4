; CLTS clears CR0.TS and nothing else (SDM Vol. 2, CLTS).
;! mode prot32 cr0=CR0_TS|CR0_MP
;! cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_MP
    clts
    END
