; SMSW to memory stores 16 bits; to a 32-bit register all of CR0; LMSW loads the low four bits
; (SDM Vol. 2, SMSW, LMSW).
;! mode prot32
;! dword [DATA] = 0xffff0031
;! ebx = 0x31
;! cr0 & 0xffff = 0x31 | CR0_TS | CR0_EM
    mov dword [DATA], -1
    smsw [DATA]
    smsw ebx
    mov word [DATA + 8], 0xfffc
    lmsw [DATA + 8]
    END
