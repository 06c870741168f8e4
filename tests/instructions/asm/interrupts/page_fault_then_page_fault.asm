; #PF while a #PF is delivered is #DF; CR2 is of the second (SDM Vol. 3, table 6-5
; and 6.15, interrupt 14).
;! mode prot32 paging=32
;! event #DF(0) rip=fault cr2=FREE+0x1000
; The IDT's entry 14 lies in a page that is not present, entry 8 does not.
    mov edi, FREE + 0x1000 - 14 * 8
    mov esi, IDT32
    mov ecx, 14 * 8
    rep movsb
    lidt [idtr]
    mov dword [PT32 + (FREE >> 12) * 4 + 4], 0
    mov dword [PT32 + (FREE >> 12) * 4 + 8], 0
    mov eax, cr3
    mov cr3, eax
fault:
    mov eax, [FREE + 0x2000]
idtr: dw 0x7ff
    dd FREE + 0x1000 - 14 * 8
