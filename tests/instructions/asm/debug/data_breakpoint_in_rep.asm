; A data breakpoint hit by an iteration of a string instruction traps after that iteration
; (SDM Vol. 3, 18.3.1.2).
;! mode prot32
;! event #DB rip=string
;! ecx = 0x10 - 6
;! edi = DATA + 6
    mov eax, DATA + 5
    mov dr0, eax
    mov eax, 1 << 16 | 1    ; W, 1 byte
    mov dr7, eax
    mov edi, DATA
    mov ecx, 0x10
string:
    rep stosb
