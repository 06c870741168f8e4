; An instruction over the edge of two pages whose second is not there: #PF at the instruction, CR2 is the
; second page's start (SDM Vol. 3, 4.7 and 6.15, interrupt 14).
;! mode prot32 paging=32
;! event #PF(0) rip=FREE+0xffe cr2=FREE+0x1000
;! event #PF(0) rip=FREE+0x1000 cr2=FREE+0x1000
;! ebx = 1
    mov dword [FREE + 0xffc], 0xb8909090        ; mov eax, imm32 at FFF
    mov word [FREE + 0xffe], 0xb866             ; mov ax, imm16 at FFE
    mov dword [PT32 + (FREE + 0x1000 >> 12) * 4], 0
    mov eax, cr3
    mov cr3, eax
    TRY one
    mov eax, FREE + 0xffc
    jmp eax
one:
    mov word [FREE + 0xffe], 0x4390             ; nop, inc ebx: ends at the edge
    TRY two
    mov eax, FREE + 0xffe
    jmp eax
two:
    END
