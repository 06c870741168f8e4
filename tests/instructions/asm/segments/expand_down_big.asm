; In an expand-down segment with B set the valid offsets are limit + 1 to FFFFFFFFH (SDM Vol. 3, 5.3).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(0) rip=three
;! dword [DATA + 0x1000] = 0x1234
NEW_SEGMENT DOWN, DATA, 0xfff, 0x96, 4
NEW_SEGMENT HIGH, 0x2000, 0xfff, 0x96, 4
    mov ax, DOWN
    mov es, ax
    mov dword [es:0x1000], 0x1234
    FAULTS one, mov al, [es:0xfff]
    FAULTS two, mov eax, [es:0xffe]
    mov ax, HIGH
    mov fs, ax
    mov al, [fs:0xffffffff]
    FAULTS three, mov eax, [fs:0xfffffffe]
    END
