; A call gate's upper half must have type 0, and its target must be 64-bit code (SDM Vol. 3, 5.8.3.1).
;! mode long
;! event #GP(BAD_TYPE) rip=one
;! event #GP(CODE32) rip=two
NEW_GATE BAD_TYPE, target, CODE64, 0x8c, 0
section .gdt
    dq 0x100 << 32
section .text
NEW_GATE TO_32, target, CODE32, 0x8c, 0
section .gdt
    dq 0
section .text
    FAULTS one, call dword far [abs pointer1]
    FAULTS two, call dword far [abs pointer2]
target:
    END
pointer1: dd 0
    dw BAD_TYPE
pointer2: dd 0
    dw TO_32
