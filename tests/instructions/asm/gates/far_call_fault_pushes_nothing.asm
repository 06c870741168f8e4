; A far call whose target faults leaves ESP, and the stack as it was (SDM Vol. 3, 6.5: faults).
;! mode prot32
;! event #GP(DATA32) rip=one
;! event #GP(0) rip=two
;! esp = 0x8000
;! dword [0x7ffc] = 0x55aa55aa
NEW_SEGMENT TINY, 0, 0xff, 0x9a, 4
    mov dword [0x7ffc], 0x55aa55aa
    push dword 0
    mov dword [esp], 0x55aa55aa
    pop eax
    mov ebp, esp
    sub esp, 0x100
    FAULTS one, call DATA32:0
    FAULTS two, call TINY:0x100
    mov esp, ebp
    END
