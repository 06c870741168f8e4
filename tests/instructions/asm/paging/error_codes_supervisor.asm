; Bits of the error code for accesses at CPL 0: P 0 for a page that is not there, P 1 for a violation;
; W/R; no U/S; CR2 is the address (SDM Vol. 3, 4.7).
;! mode prot32 paging=32 cr0=CR0_WP
;! event #PF(0) rip=one cr2=FREE+0x1234
;! event #PF(2) rip=two cr2=FREE+0x1234
;! event #PF(3) rip=three cr2=FREE+0x2004
;! event #PF(0) rip=FREE+0x1000 cr2=FREE+0x1000
;! event #PF(0) rip=four cr2=0xc0000000
;! event #PF(3) rip=five cr2=FREE+0x2008
    mov dword [PT32 + (FREE + 0x1000 >> 12) * 4], 0
    mov dword [PT32 + (FREE + 0x2000 >> 12) * 4], FREE + 0x2000 | 5
    mov eax, cr3
    mov cr3, eax
    FAULTS one, mov al, [FREE + 0x1234]
    FAULTS two, mov [FREE + 0x1234], al
    FAULTS three, mov [FREE + 0x2004], eax
    TRY next
    mov eax, FREE + 0x1000
    jmp eax
next:
    FAULTS four, mov eax, [0xc0000000]
    FAULTS five, lock inc dword [FREE + 0x2008]
    END
