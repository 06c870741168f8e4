; The same bytes run as 32-bit and as 16-bit code (SDM Vol. 1, 3.6).
;! mode prot32
;! ebx = 0xc301
;! ecx = 0xc300
;! edx = 0x4390c300
    call both               ; mov ecx, 4390c300h is what 32 bits see
    mov edx, ecx
    mov ebx, ecx
    xor ecx, ecx
    and ebx, 0xffff
    jmp CODE16:sixteen
bits 16
sixteen:
    call both16
    END
bits 32
both:
both16:
    db 0xb9, 0x00, 0xc3, 0x90, 0x43, 0xc3
