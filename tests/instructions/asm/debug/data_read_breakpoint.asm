; A read/write breakpoint hits on reads and writes of any byte of its range, whatever their width, but not
; on fetches (SDM Vol. 3, 18.2.5 and table 18-1).
;! mode prot32
;! event #DB rip=one
;! event #DB rip=two
;! event #DB rip=three
;! event #DB rip=four
;! ebx = 0x20
    RETURN_FROM 1
    mov eax, DATA + 4
    mov dr3, eax
    mov eax, 0xf << 28 | 1 << 7     ; R/W, 4 bytes
    mov dr7, eax
    mov al, [DATA + 7]
one:
    mov ax, [DATA + 3]
two:
    fld qword [DATA]
three:
    mov ax, [DATA + 8]
    mov al, [DATA + 3]
    inc byte [DATA + 5]
four:
    mov eax, inside
    mov dr3, eax
inside:
    mov ebx, 0x20
    END
