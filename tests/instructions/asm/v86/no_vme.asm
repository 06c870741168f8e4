; This processor does not have the virtual-8086 extensions: CR4.VME is reserved (SDM Vol. 3, 2.5).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! edx & 2 = 0
    mov eax, cr4
    or eax, CR4_VME
    FAULTS one, mov cr4, eax
    mov eax, 2
    FAULTS two, mov cr4, eax
    mov eax, 1
    cpuid
    END
