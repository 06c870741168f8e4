; With SS.B clear pushes use SP and leave the upper half of ESP (SDM Vol. 3, 3.4.5).
;! mode prot16
;! esp = 0x12347ffc
;! dword [0x7ffc] = 0xcafebabe
    mov esp, 0x12348000
    push dword 0xcafebabe
    END
