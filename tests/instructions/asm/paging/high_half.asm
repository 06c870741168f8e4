; Negative addresses go through the upper half of the PML4 (SDM Vol. 3, 4.5.4).
;! mode long
;! rbx = 0x1122334455667788
;! event #PF(2) rip=fault cr2=0xffff800040000000
    mov rax, 0x1122334455667788
    mov [abs FREE], rax
    mov qword [abs PML4 + 0x800], PDPT | 7
    mov qword [abs PML4 + 0xff8], PDPT | 7
    mov rax, 0xffff800000000000 + FREE
    mov rbx, [rax]
    mov rax, 0xffff800040000000
    FAULTS fault, mov [rax], rbx
    mov rax, 0xffffff8000000000 + FREE
    cmp rbx, [rax]
    je done
    ud2
done:
    END
