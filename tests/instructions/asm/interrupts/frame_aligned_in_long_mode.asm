; Without a change of stack, RSP is aligned to 16 bytes before the frame is pushed (SDM Vol. 3, 6.14.2).
;! mode long
;! event #UD rip=fault sp=STACK0-5 ss=KDATA cs=CODE64
;! rsp = STACK0 - 16 - 40
    sub rsp, 5
fault:
    ud2
