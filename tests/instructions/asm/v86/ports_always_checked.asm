; In virtual-8086 mode the I/O bitmap decides whatever IOPL is (SDM Vol. 1, 18.5.2).
;! mode v86 iopl=3
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! bl = 0xf8
    FAULTS one, in al, 0x60
    mov dx, 0xff            ; a word reaches into the bits that forbid
    FAULTS two, in ax, dx
    in al, 0xf8
    mov bl, al
    END
