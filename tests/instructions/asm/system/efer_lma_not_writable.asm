; WRMSR of EFER ignores LMA (SDM Vol. 3, 2.2.1).
;! mode long
;! efer = 0xd01
    mov ecx, MSR_EFER
    mov eax, 0x901
    xor edx, edx
    wrmsr
    END
