; The limit loaded in protected mode stays after the return to real mode, and a load of a selector there
; changes only the base (SDM Vol. 3, 9.9.2; the way of "unreal mode").
;! mode real
;! dword [0x200000] = 0x600dcafe
;! ds = 0x1000
;! ds.base = 0x10000
;! ds.limit = 0xffffffff
;! eax = 0x600dcafe
    lgdt [gdtr]
    mov eax, cr0
    or al, CR0_PE
    mov cr0, eax
    mov bx, DATA32
    mov ds, bx
    and al, ~CR0_PE
    mov cr0, eax
    mov bx, 0x1000
    mov ds, bx
    mov ebx, 0x1f0000
    mov dword [ebx], 0x600dcafe
    mov eax, [ebx]
    END
gdtr:
    dw 0x7ff
    dd GDT
