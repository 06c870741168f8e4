; RDTSCP loads ECX with IA32_TSC_AUX, whose upper half is reserved (SDM Vol. 2, RDTSCP).
;! mode long
;! rcx = 0x89abcdef
;! event #GP(0) rip=fault
    WRITE_MSR 0xc0000103, 0x89abcdef
    mov edx, 1
    FAULTS fault, wrmsr
    mov rcx, -1
    rdtscp
    END
