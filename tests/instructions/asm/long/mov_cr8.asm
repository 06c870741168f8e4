; MOV with CR8 is the task priority; in 64-bit mode only with REX.R (SDM Vol. 2, MOV control registers).
;! mode long
;! rbx = 5
;! cr8 = 5
    mov eax, 5
    mov cr8, rax
    mov rbx, cr8
    END
