; With CR4.DE R/W 2 is a breakpoint on ports, a trap (SDM Vol. 3, 18.2.4 and 18.3.1.3).
;! mode prot32 cr4=CR4_DE
;! event #DB rip=one
;! event #DB rip=two
;! dr6 & 0xf = 1
    RETURN_FROM 1
    mov eax, 0x62
    mov dr0, eax
    mov eax, 0x6 << 16 | 1      ; I/O, 2 bytes
    mov dr7, eax
    in al, 0x61
    in al, 0x63
one:
    out 0x60, eax
two:
    out 0x64, al
    END
