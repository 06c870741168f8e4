; RDMSR and RDTSC clear the upper halves of RAX and RDX (SDM Vol. 2, RDMSR, RDTSC).
;! mode long
;! r8 = 0xd01
;! r9 = 0
;! r10 = 0
    mov rax, -1
    mov rdx, -1
    mov ecx, MSR_EFER
    rdmsr
    mov r8, rax
    mov r9, rdx
    mov rax, -1
    rdtsc
    mov r10, rax
    shr r10, 32
    END
