; ENTER copies the frame pointers of the outer levels (SDM Vol. 1, 6.6.1; Vol. 2, ENTER).
;! mode prot32
;! esp = 0x8000
;! ebp = 0x1111
;! ebx = 0x7ffc - 12 - 16
;! dword [0x7ffc] = 0x1111
;! dword [0x7ff0] = 0x7ffc
;! dword [0x7fec] = 0x7ffc
;! dword [0x7fe8] = 0x7ff0
    mov ebp, 0x1111
    enter 4, 1              ; [7ffc] EBP, [7ff8] its own frame pointer, 4 bytes
    enter 0, 2              ; [7ff0] EBP, [7fec] outer's, [7fe8] its own
    leave
    leave
    enter 16, 3             ; reads two levels below EBP 1111
    mov ebx, esp
    leave
    END
