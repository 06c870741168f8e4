; A word at offset FFFFH reaches past the limit of 64 KiB: #GP through DS, #SS through SS
; (SDM Vol. 3, 5.3 and 21.1.4).
;! mode real
;! event #GP rip=one cs=0
;! event #SS rip=two
;! event #SS rip=three
;! event #GP rip=four
    mov bp, 0xffff
    mov si, bp
    FAULTS one, mov ax, [0xffff]
    FAULTS two, mov ax, [bp]
    FAULTS three, mov [bp], ax
    FAULTS four, lodsd
    END
