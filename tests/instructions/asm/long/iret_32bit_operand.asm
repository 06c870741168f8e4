; IRET with 32-bit operands pops five doublewords in 64-bit mode (SDM Vol. 2, IRET).
;! mode long
;! rsp = 0x7700
;! ss = KDATA
;! rax = 0x55
    mov eax, 0x55
    sub rsp, 20
    mov dword [rsp], there
    mov dword [rsp + 4], CODE64
    mov dword [rsp + 8], 2
    mov dword [rsp + 12], 0x7700
    mov dword [rsp + 16], KDATA
    iretd
there:
    END
