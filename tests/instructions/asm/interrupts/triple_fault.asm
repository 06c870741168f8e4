; A fault in the delivery of #DF is shutdown (SDM Vol. 3, 6.15, interrupt 8).
;! mode prot32
;! end shutdown
;! rip = fault
;! eax = 0x800
    lidt [idtr]
    mov eax, 0x800
fault:
    mov es, ax
idtr: dw 8 * 8 - 1
    dd IDT32
