; A basic leaf above the highest gives the data of the highest basic one (SDM Vol. 2, CPUID).
;! mode prot32
;! ebp = 0
    xor eax, eax
    cpuid
    xor ecx, ecx
    cpuid
    mov [DATA], eax
    mov [DATA + 4], ebx
    mov [DATA + 8], ecx
    mov eax, 0x12345678
    xor ecx, ecx
    cpuid
    mov ebp, 1
    cmp eax, [DATA]
    jne done
    cmp ebx, [DATA + 4]
    jne done
    cmp ecx, [DATA + 8]
    jne done
    xor ebp, ebp
done:
    END
