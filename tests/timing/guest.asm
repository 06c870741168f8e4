; A multiboot kernel that counts timer interrupts and writes down what all clocks show, ten times a
; second. Assembled by tests/tests/timing.rs with these definitions:
;   LINES   how many lines are written before the machine is powered off
;   AP      1: a second processor runs, and both look at the time-stamp counter in turn
;   IDLE    1: the processor halts between interrupts
;
; A line holds, in hexadecimal: the HPET's main counter, the time-stamp counter, the ACPI PM timer, and
; the interrupts so far of the 8254, the local APIC's timer and the HPET's timer 0, all at 1000 Hz; then
; how often a time-stamp counter was seen behind the other processor's, and the looks of the second one.

bits 32
org 0x100000

%define COM1        0x3f8
%define PM_TIMER    0x608
%define PM1_CNT     0x604
%define APIC        0xfee00000
%define IOAPIC      0xfec00000
%define HPET        0xfed00000
%define HPET_PIN    20
%define PIT_VECTOR  0x40        ; the 8259A's inputs 0 to 7 are at 0x40 to 0x47
%define APIC_VECTOR 0x50
%define HPET_VECTOR 0x51
%define LINE        10000000    ; ticks of the HPET of 10 ns: 100 ms
%define AP_START    0x8000      ; a page below 1 MiB, for the start-up message

header:
        dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
        dd header, header, end_of_image, end_of_memory, start

%macro gate 2                   ; vector, handler
        mov eax, %2
        mov [idt + %1 * 8], ax
        mov word [idt + %1 * 8 + 2], 8
        mov word [idt + %1 * 8 + 4], 0x8e00
        shr eax, 16
        mov [idt + %1 * 8 + 6], ax
%endmacro

%macro outb 2
        mov al, %2
        out %1, al
%endmacro

start:
        cli
        mov esp, stack
        lgdt [gdt_pointer]
        jmp 8:.flat
.flat:  mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        lidt [idt_pointer]
        gate PIT_VECTOR, on_pit
        gate PIT_VECTOR + 7, on_spurious
        gate APIC_VECTOR, on_apic
        gate HPET_VECTOR, on_hpet
        gate 0xff, on_spurious
        mov dx, COM1 + 3
        outb dx, 3              ; 8 bits
%if AP
        call start_ap
%endif
        ; The 8259As: input 0 alone.
        outb 0x20, 0x11
        outb 0x21, PIT_VECTOR
        outb 0x21, 4
        outb 0x21, 1
        outb 0x21, 0xfe
        outb 0xa1, 0xff
        ; The local APIC, its timer by 1, a period of 1,000,000 ns.
        mov dword [APIC + 0xf0], 0x1ff
        mov dword [APIC + 0x3e0], 0xb
        mov dword [APIC + 0x320], 0x20000 | APIC_VECTOR
        ; The HPET's timer 0, through the IO-APIC, edges to processor 0.
        mov dword [IOAPIC], 0x10 + 2 * HPET_PIN
        mov dword [IOAPIC + 0x10], HPET_VECTOR
        mov dword [IOAPIC], 0x11 + 2 * HPET_PIN
        mov dword [IOAPIC + 0x10], 0
        mov dword [HPET + 0x10], 0
        mov dword [HPET + 0xf0], 0
        mov dword [HPET + 0xf4], 0
        ; 32-bit mode, for want of 64-bit writes; periodic; the comparator, then the period.
        mov dword [HPET + 0x100], HPET_PIN << 9 | 1 << 8 | 1 << 6 | 1 << 3 | 1 << 2
        mov dword [HPET + 0x108], 100000
        mov dword [HPET + 0x108], 100000
        ; The 8254's counter 0: mode 2, 1193 ticks, which is 1000.15 Hz.
        outb 0x43, 0x34
        outb 0x40, 1193 & 0xff
        outb 0x40, 1193 >> 8
        mov dword [APIC + 0x380], 1000000
        mov dword [HPET + 0x10], 1
        mov edi, LINES
        mov dword [next], LINE
        mov dword [next + 4], 0
        sti

main:
%if IDLE
        hlt
%endif
%if AP
        call look
%endif
        call read_hpet
        cmp edx, [next + 4]
        jb main
        ja .due
        cmp eax, [next]
        jb main
.due:   cli
        call read_hpet
        push eax
        mov eax, edx
        call write_hex
        pop eax
        call write_hex
        call write_space
        rdtsc
        push eax
        mov eax, edx
        call write_hex
        pop eax
        call write_hex
        call write_space
        mov dx, PM_TIMER
        in eax, dx
        call write_hex
        call write_space
        mov esi, pit_ticks
.count: lodsd
        call write_hex
        call write_space
        cmp esi, end_of_counts
        jb .count
        mov al, 10
        call write_byte
        add dword [next], LINE
        adc dword [next + 4], 0
        sti
        dec edi
        jnz main
        mov dx, PM1_CNT         ; S5: soft off
        mov ax, 0x2000
        out dx, ax
.end:   hlt
        jmp .end

; EDX:EAX = the main counter.
read_hpet:
        mov edx, [HPET + 0xf4]
        mov eax, [HPET + 0xf0]
        cmp edx, [HPET + 0xf4]
        jne read_hpet
        ret

; Writes EAX as eight digits.
write_hex:
        mov ecx, 8
.digit: rol eax, 4
        push eax
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe .write
        add al, 'a' - '9' - 1
.write: call write_byte
        pop eax
        loop .digit
        ret

write_space:
        mov al, ' '
; Writes AL when the port has room.
write_byte:
        mov ah, al
        mov dx, COM1 + 5
.wait:  in al, dx
        test al, 0x20
        jz .wait
        mov al, ah
        mov dx, COM1
        out dx, al
        ret

on_pit: push eax
        inc dword [pit_ticks]
        outb 0x20, 0x20
        pop eax
        iret
on_apic:
        inc dword [apic_ticks]
        mov dword [APIC + 0xb0], 0
        iret
on_hpet:
        inc dword [hpet_ticks]
        mov dword [APIC + 0xb0], 0
        iret
on_spurious:
        iret

; Reads the time-stamp counter while nobody else does, and compares it with what was read last.
look:
        cli
        mov eax, 1
.lock:  xchg eax, [lock_word]
        test eax, eax
        jnz .lock
        lfence
        rdtsc
        cmp edx, [last_tsc + 4]
        ja .later
        jb .behind
        cmp eax, [last_tsc]
        jae .later
.behind:
        inc dword [backwards]
.later: mov [last_tsc], eax
        mov [last_tsc + 4], edx
        mov dword [lock_word], 0
        sti
        ret

%if AP
start_ap:
        mov esi, trampoline
        mov edi, AP_START
        mov ecx, end_of_trampoline - trampoline
        rep movsb
        mov dword [APIC + 0xf0], 0x1ff
        mov dword [APIC + 0x300], 0xc4500                       ; INIT to all but this one
        mov dword [APIC + 0x300], 0xc4600 | AP_START >> 12      ; start-up
.wait:  pause
        cmp dword [looks], 0
        je .wait
        ret

ap_main:
        mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, ap_stack
.look:  inc dword [looks]
        call look
        cli
        pause
        jmp .look

trampoline:
bits 16
        cli
        xor ax, ax
        mov ds, ax
        o32 lgdt [AP_START + .pointer - trampoline]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:ap_main
.pointer:
        dw 23
        dd gdt
bits 32
end_of_trampoline:
%endif

align 8
gdt:    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        dw 23
        dd gdt
idt_pointer:
        dw 256 * 8 - 1
        dd idt
end_of_image:

absolute end_of_image
        alignb 16
pit_ticks:  resd 1
apic_ticks: resd 1
hpet_ticks: resd 1
backwards:  resd 1
looks:      resd 1
end_of_counts:
next:       resq 1
last_tsc:   resq 1
lock_word:  resd 1
            alignb 16
idt:        resq 256
            resb 4096
stack:
            resb 4096
ap_stack:
end_of_memory:
