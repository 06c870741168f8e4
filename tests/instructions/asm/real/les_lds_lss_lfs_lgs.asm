; LDS and its kin read the offset, then the selector (SDM Vol. 2, LDS/LES/LFS/LGS/LSS).
;! mode real
;! bx = 0x1111
;! es = 0x2222
;! es.base = 0x22220
;! ecx = 0x44445555
;! fs = 0x3333
;! gs = 0x4444
;! si = 0x5555
;! ss = 0x7777
;! sp = 0x6666
    les bx, [far16]
    lfs ecx, [far32]
    lgs si, [far32]
    lss sp, [far16b]
    END
far16: dw 0x1111, 0x2222
far32: dw 0x5555, 0x4444, 0x3333
far16b: dw 0x6666, 0x7777
