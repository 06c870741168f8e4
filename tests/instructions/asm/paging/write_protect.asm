; Without CR0.WP the supervisor writes to read-only pages, the user never does (SDM Vol. 3, 4.6.1).
;! mode prot32 paging=32
;! event #PF(3) rip=one cr2=FREE
;! event #PF(7) rip=two cr2=FREE
;! dword [FREE] = 0x1111
;! dword [PT32 + (FREE >> 12) * 4] = FREE | 0x65
    mov dword [PT32 + (FREE >> 12) * 4], FREE | 5
    mov eax, cr3
    mov cr3, eax
    mov dword [FREE], 0x1111
    mov eax, cr0
    or eax, CR0_WP
    mov cr0, eax
    FAULTS one, mov dword [FREE], 0x2222
    and eax, ~CR0_WP
    mov cr0, eax
    push dword UDATA
    push dword STACK3
    push dword 2
    push dword UCODE32
    push dword user
    iretd
user:
    mov ax, UDATA
    mov ds, ax
    FAULTS two, mov dword [FREE], 0x3333
    END
