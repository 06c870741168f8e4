; A write over the edge of two pages whose second faults writes nothing; CR2 is the second page's start
; (SDM Vol. 3, 4.7 and 6.5).
;! mode prot32 paging=32
;! event #PF(2) rip=one cr2=FREE+0x1000
;! event #PF(0) rip=two cr2=FREE+0x1000
;! event #PF(2) rip=three cr2=FREE+0x1000
;! event #PF(2) rip=four cr2=FREE+0x1ffe
;! dword [FREE + 0xffc] = 0x11223344
;! dword [FREE + 0x2000] = 0x55667788
    mov dword [FREE + 0xffc], 0x11223344
    mov dword [FREE + 0x2000], 0x55667788
    mov dword [PT32 + (FREE + 0x1000 >> 12) * 4], 0
    mov eax, cr3
    mov cr3, eax
    FAULTS one, mov [FREE + 0xffe], eax
    FAULTS two, mov eax, [FREE + 0xffd]
    FAULTS three, lock add dword [FREE + 0xfff], 1
    FAULTS four, mov [FREE + 0x1ffe], eax
    END
