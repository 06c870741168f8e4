; SWAPGS exchanges the GS base with KERNEL_GS_BASE; at CPL 3 it is #GP(0) (SDM Vol. 2, SWAPGS).
;! mode long
;! rbx = 0x1111
;! gs.base = DATA
;! event #GP(0) rip=fault
    mov qword [abs DATA + 8], 0x1111
    WRITE_MSR MSR_KERNEL_GS_BASE, DATA
    swapgs
    mov rbx, [gs:8]
    push UDATA
    push STACK3
    push 2
    push UCODE64
    push user
    iretq
user:
    FAULTS fault, swapgs
    END
