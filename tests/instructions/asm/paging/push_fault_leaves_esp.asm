; A push, call or ENTER whose stack page is missing leaves ESP (SDM Vol. 3, 6.5).
;! mode prot32 paging=32 cpl=3
;! event #PF(6) rip=one cr2=FREE+0xffc sp=FREE+0x1000
;! event #PF(6) rip=two sp=FREE+0x1000
;! event #PF(6) rip=three sp=FREE+0x1000
;! event #PF(6) rip=four sp=FREE+0x1000
;! event #PF(4) rip=five sp=FREE+0x800 cr2=FREE+0x800
;! eax = 0x55
    mov dword [PT32 + (FREE >> 12) * 4], 0
    mov esp, FREE + 0x1000
    FAULTS one, push eax
    FAULTS two, call one
    FAULTS three, pushad
    FAULTS four, {enter 8, 0}
    mov esp, FREE + 0x800
    mov eax, 0x55
    FAULTS five, pop eax
    END
