; A page is writable and the user's only if the entries of all levels say so (SDM Vol. 3, 4.6).
;! mode long cr0=CR0_WP
;! event #PF(3) rip=one cr2=FREE+0x200000
;! event #PF(5) rip=two cr2=FREE+0x200000 cs=UCODE64
    mov qword [abs PD64 + 8], FREE + 0x10000 | 5        ; read-only, user
    mov qword [abs FREE + 0x10000 + 0x800], FREE | 7    ; at 2 MiB + 1 MiB
    invlpg [abs FREE + 0x200000]
    FAULTS one, mov [abs FREE + 0x200000], al
    mov qword [abs PD64 + 8], FREE + 0x10000 | 3
    invlpg [abs FREE + 0x200000]
    mov [abs FREE + 0x200000], al
    push UDATA
    push STACK3
    push 2
    push UCODE64
    push user
    iretq
user:
    FAULTS two, mov al, [abs FREE + 0x200000]
    END
