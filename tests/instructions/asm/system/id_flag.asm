; Software that can toggle RFLAGS.ID may use CPUID (SDM Vol. 2, CPUID).
;! mode prot32
;! ebx & ID = ID
;! ecx & ID = 0
    push dword ID|2
    popfd
    pushfd
    pop ebx
    push dword 2
    popfd
    pushfd
    pop ecx
    END
