; The time-stamp counter grows, and a write sets it (SDM Vol. 3, 17.17).
;! mode prot32
;! ebx = 1
;! esi = 1
;! edi = 0x1234
    rdtsc
    mov ebp, eax
    rdtsc
    cmp eax, ebp
    seta bl
    mov ecx, MSR_TSC
    mov eax, 0x80000000
    mov edx, 0x1234
    wrmsr
    rdtsc
    mov edi, edx
    cmp eax, 0x80000000
    setae cl
    movzx esi, cl
    movzx ebx, bl
    END
