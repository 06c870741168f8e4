; With SP 1 a push is #SS, whose frame does not fit either: shutdown (SDM Vol. 2, PUSH, Real-Address Mode
; Exceptions).
;! mode real
;! end shutdown
;! sp = 1
    mov sp, 1
    push ax
