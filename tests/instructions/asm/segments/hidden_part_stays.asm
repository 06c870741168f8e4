; A descriptor that changes in memory changes nothing until the register is loaded again
; (SDM Vol. 3, 3.4.3).
;! mode prot32
;! dword [DATA + 4] = 0x11
;! dword [DATA + 0x1004] = 0x22
NEW_SEGMENT MOVING, DATA, 0xfff, 0x92, 4
    mov ax, MOVING
    mov es, ax
    mov word [GDT + MOVING + 2], (DATA + 0x1000) & 0xffff
    mov dword [es:4], 0x11
    mov es, ax
    mov dword [es:4], 0x22
    END
