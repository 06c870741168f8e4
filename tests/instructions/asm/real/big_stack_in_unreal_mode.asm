; SS.B loaded in protected mode holds in real mode: pushes use ESP (SDM Vol. 3, 3.4.5).
;! mode real
;! dword [0x1ffffc] = 0x11223344
;! esp = 0x1ffffc
    lgdt [gdtr]
    mov eax, cr0
    or al, CR0_PE
    mov cr0, eax
    mov bx, DATA32
    mov ss, bx
    and al, ~CR0_PE
    mov cr0, eax
    mov esp, 0x200000
    push dword 0x11223344
    END
gdtr:
    dw 0x7ff
    dd GDT
