; 32-bit addresses in real mode are checked against the same limit of FFFFH: there is no wrap
; (SDM Vol. 3, 21.1.1 and 5.3).
;! mode real
;! ebx = 0x10000
;! event #GP rip=one
;! event #SS rip=two
    mov ebx, 0x10000
    mov ebp, ebx
    TRY next
one:
    mov al, [ebx]
next:
    TRY done
two:
    mov al, [ebp]
done:
    END
