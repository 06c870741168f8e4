; MOV to CS is #UD (SDM Vol. 2, MOV).
;! mode prot32
;! event #UD rip=one
;! event #UD rip=two
    FAULTS one, {db 0x8e, 0xc8}
    FAULTS two, {db 0x8c, 0xf0}     ; MOV from a seventh segment register
    END
