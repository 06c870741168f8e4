; From real mode over protected and long mode to compatibility mode and back to real mode (SDM Vol. 3,
; 9.8.5 and 9.9.2).
;! mode real
;! bx = 0x600d
;! ecx = 0x500
;! r8 = 0
;! r9 = 0x123456789abcdef0
;! cr0 & (CR0_PE|CR0_PG) = 0
;! efer = 0x100
;! cs = 0
    lgdt [gdtr]
    mov eax, CR4_PAE
    mov cr4, eax
    mov eax, PML4
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or ah, 1
    wrmsr
    mov eax, cr0
    or eax, CR0_PE | CR0_PG
    mov cr0, eax            ; at once from real mode
    jmp CODE64:long64
bits 64
long64:
    mov r9, 0x123456789abcdef0
    mov ecx, MSR_EFER
    rdmsr
    mov ecx, eax            ; LME and LMA
    jmp dword far [compat_pointer]
bits 32
compat:
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    jmp CODE16:prot16
bits 16
prot16:
    mov eax, cr0
    and al, ~CR0_PE
    mov cr0, eax
    jmp 0:real16
real16:
    mov bx, 0x600d
    END
gdtr:
    dw 0x7ff
    dd GDT
compat_pointer:
    dd compat
    dw CODE32
