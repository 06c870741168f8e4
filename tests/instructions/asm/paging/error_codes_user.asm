; At CPL 3 bit U/S is set; a supervisor page is a violation for reads, writes and fetches
; (SDM Vol. 3, 4.6 and 4.7).
;! mode prot32 paging=32 cpl=3
;! event #PF(4) rip=one cr2=FREE+0x1000 cs=UCODE32
;! event #PF(6) rip=two cr2=FREE+0x1000
;! event #PF(5) rip=three cr2=FREE+0x2000
;! event #PF(7) rip=four cr2=FREE+0x2ffc
;! event #PF(7) rip=five cr2=FREE+0x3000
;! event #PF(5) rip=FREE+0x2000 cr2=FREE+0x2000
    mov dword [PT32 + (FREE + 0x1000 >> 12) * 4], 0
    mov dword [PT32 + (FREE + 0x2000 >> 12) * 4], FREE + 0x2000 | 3
    mov dword [PT32 + (FREE + 0x3000 >> 12) * 4], FREE + 0x3000 | 5
    FAULTS one, mov al, [FREE + 0x1000]
    FAULTS two, mov [FREE + 0x1000], al
    FAULTS three, mov al, [FREE + 0x2000]
    FAULTS four, mov [FREE + 0x2ffc], eax
    mov al, [FREE + 0x3000]
    FAULTS five, mov [FREE + 0x3000], al
    TRY next
    mov eax, FREE + 0x2000
    jmp eax
next:
    END
