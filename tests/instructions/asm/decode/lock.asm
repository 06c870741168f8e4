; LOCK is #UD but on a read-modify-write of memory by the instructions that take it (SDM Vol. 2, LOCK).
;! mode long
;! event #UD rip=i1
;! event #UD rip=i2
;! event #UD rip=i3
;! event #UD rip=i4
;! event #UD rip=i5
;! event #UD rip=i6
;! event #UD rip=i7
;! event #UD rip=i8
;! event #UD rip=i9
;! dword [DATA] = 3
    FAULTS i1, {db 0xf0, 0x01, 0xc0}                    ; add eax, eax
    FAULTS i2, {db 0xf0, 0x8b, 0x04, 0x24}              ; mov eax, [rsp]
    FAULTS i3, {db 0xf0, 0x89, 0x04, 0x24}              ; mov [rsp], eax
    FAULTS i4, {db 0xf0, 0x03, 0x04, 0x24}              ; add eax, [rsp]
    FAULTS i5, {db 0xf0, 0x39, 0x04, 0x24}              ; cmp [rsp], eax
    FAULTS i6, {db 0xf0, 0x90}                          ; nop
    FAULTS i7, {db 0xf0, 0x0f, 0xa3, 0x04, 0x24}        ; bt [rsp], eax
    FAULTS i8, {db 0xf0, 0xd1, 0x24, 0x24}              ; shl dword [rsp], 1
    FAULTS i9, {db 0xf0, 0xff, 0x34, 0x24}              ; push [rsp]
    lock inc dword [abs DATA]
    lock bts dword [abs DATA], 1
    lock xchg [abs DATA + 8], eax
    lock neg dword [abs DATA + 8]
    END
