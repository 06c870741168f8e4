; In 64-bit mode pushes are 64 or 16 bits; immediates are sign-extended (SDM Vol. 2, PUSH).
;! mode long
;! rsp = 0x7fee
;! qword [0x7ff8] = 0xffffffff80000000
;! qword [0x7ff0] = 0xffffffffffffff80
;! word [0x7fee] = 0x1234
    push strict dword 0x80000000
    push strict byte -128
    push word 0x1234
    END
