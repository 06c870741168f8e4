; A device's write to memory is seen by code that has run already (SDM Vol. 3, 8.1.3).
;! mode prot32
;! ebx = 0x2211
    mov edx, 2
again:
    mov bl, 0x11
patch equ $ - 1
    mov ecx, ebx
    mov eax, patch
    out 0xf8, eax
    mov al, 0x22
    shl ebx, 8
    out 0xfc, al
    dec edx
    jnz again
    mov bl, cl
    and ebx, 0xff
    shl ebx, 8
    or bl, 0x11
    END
