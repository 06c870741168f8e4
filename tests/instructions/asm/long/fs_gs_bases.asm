; In 64-bit mode only FS and GS have bases; those of a descriptor are 32 bits, MSRs hold 64, and limits do
; not count (SDM Vol. 3, 3.4.4).
;! mode long
;! rbx = 0x1111
;! rbp = 0x2222
;! rdx = 0x1111
;! event #GP(0) rip=fault
NEW_SEGMENT BASED, DATA, 0, 0x92, 0
    mov qword [abs DATA + 0x100], 0x1111
    mov qword [abs 0x8000 - 0x100], 0x2222
    mov eax, BASED
    mov fs, eax
    mov ds, eax
    mov rbx, [fs:0x100]
    mov rcx, [ds:0x8000 - 0x100]
    mov rbp, rcx
    mov ecx, MSR_GS_BASE
    mov eax, 0
    mov edx, 0x8000
    FAULTS fault, wrmsr
    WRITE_MSR MSR_GS_BASE, 0xfffffffffffff000
    mov rdx, [gs:abs DATA + 0x1100]
    mov ecx, 0
    END
