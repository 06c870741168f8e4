; Setting CR0.PG with EFER.LME and without CR4.PAE is #GP(0) (SDM Vol. 3, 9.8.5).
;! mode prot32
;! event #GP(0) rip=fault
;! efer = 0x100
;! cr0 & CR0_PG = 0
    WRITE_MSR MSR_EFER, 0x100
    mov eax, cr0
    or eax, CR0_PG
    FAULTS fault, mov cr0, eax
    END
