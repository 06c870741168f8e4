; SYSCALL and SYSRET are #UD outside 64-bit mode on Intel processors (SDM Vol. 2, SYSCALL).
;! mode compat
;! event #UD rip=one cs=CODE32
;! event #UD rip=two
    FAULTS one, syscall
    FAULTS two, sysret
    END
