; The return address that a CALL pushes can be code (SDM Vol. 3, 11.6).
;! mode prot32
;! ebx = 0x80
; After the call the bytes at patch are its return address.
    mov ebp, esp
    mov esp, patch + 5
    call there
back:
    nop
there:
    mov bh, 0
    mov bl, 0
patch equ $ - 1
    times 4 nop
    mov esp, ebp
    mov bl, [patch + 2]
    END
