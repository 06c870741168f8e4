; A null selector can be loaded into DS, ES, FS and GS; its use is #GP(0) (SDM Vol. 3, 3.4.2).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! es = 3
;! fs = 1
    mov ax, 3
    mov es, ax
    mov ax, 1
    mov fs, ax
    FAULTS one, mov al, [es:0]
    FAULTS two, mov [fs:0], al
    END
