//! The BIOS data area at 400h and the extended one below 640 KiB. Names are those of the IBM PS/2
//! BIOS Interface Technical Reference.

/// Linear addresses in the BIOS data area.
pub(crate) mod at {
    /// Ports of COM1 to COM4, 16 bits each.
    pub const COM_PORTS: u64 = 0x400;
    /// Ports of LPT1 to LPT3, 16 bits each.
    pub const LPT_PORTS: u64 = 0x408;
    /// Segment of the extended BIOS data area.
    pub const EBDA_SEGMENT: u64 = 0x40e;
    /// Equipment word, as INT 11h tells it.
    pub const EQUIPMENT: u64 = 0x410;
    /// KiB of conventional memory, as INT 12h tells it.
    pub const MEMORY_KIB: u64 = 0x413;
    /// Keyboard flags: bits 7:0 shift state, 15:8 keys held.
    pub const KEYBOARD_FLAGS: u64 = 0x417;
    /// The number typed with Alt and the keypad.
    pub const ALT_KEYPAD: u64 = 0x419;
    /// Offset in segment 40h of the next key to take.
    pub const BUFFER_HEAD: u64 = 0x41a;
    /// Offset in segment 40h of the next free place.
    pub const BUFFER_TAIL: u64 = 0x41c;
    /// Result of the last diskette operation.
    pub const FLOPPY_STATUS: u64 = 0x441;
    /// Video mode.
    pub const VIDEO_MODE: u64 = 0x449;
    /// Columns, 16 bits.
    pub const COLUMNS: u64 = 0x44a;
    /// Bytes in a page of video memory, 16 bits.
    pub const PAGE_SIZE: u64 = 0x44c;
    /// Offset of the page on the screen, 16 bits.
    pub const PAGE_START: u64 = 0x44e;
    /// Cursor of each of eight pages: column, row.
    pub const CURSORS: u64 = 0x450;
    /// Shape of the cursor: last line, first line.
    pub const CURSOR_SHAPE: u64 = 0x460;
    /// The page on the screen.
    pub const ACTIVE_PAGE: u64 = 0x462;
    /// The CRT controller's index port, 16 bits.
    pub const CRTC_PORT: u64 = 0x463;
    /// What was last written to the CGA's mode register.
    pub const CGA_MODE: u64 = 0x465;
    /// What was last written to the CGA's palette register.
    pub const CGA_PALETTE: u64 = 0x466;
    /// Where a shutdown through CMOS 0Fh resumes: offset, segment.
    pub const RESUME: u64 = 0x467;
    /// Timer ticks since midnight, 32 bits.
    pub const TICKS: u64 = 0x46c;
    /// Midnights since the ticks were last read.
    pub const MIDNIGHT: u64 = 0x470;
    /// Bit 7: Ctrl-Break was pressed.
    pub const BREAK: u64 = 0x471;
    /// 1234h: a restart without memory test.
    pub const WARM_START: u64 = 0x472;
    /// Result of the last hard disk operation.
    pub const DISK_STATUS: u64 = 0x474;
    /// Number of hard disks.
    pub const DISK_COUNT: u64 = 0x475;
    /// Time-outs of LPT1 to LPT4 and COM1 to COM4.
    pub const LPT_TIMEOUTS: u64 = 0x478;
    pub const COM_TIMEOUTS: u64 = 0x47c;
    /// Offsets in segment 40h of the keyboard buffer's start and end.
    pub const BUFFER_START: u64 = 0x480;
    pub const BUFFER_END: u64 = 0x482;
    /// Rows on the screen less one.
    pub const ROWS: u64 = 0x484;
    /// Rows of a glyph, 16 bits.
    pub const GLYPH_HEIGHT: u64 = 0x485;
    /// Video options: bit 7 do not clear memory, bits 6:5 memory, bit 0 no cursor emulation.
    pub const VIDEO_OPTIONS: u64 = 0x487;
    /// Feature bits and switches.
    pub const VIDEO_SWITCHES: u64 = 0x488;
    /// VGA options: bit 4 400 lines, bit 3 do not load the palette, bit 1 grey, bit 0 VGA active.
    pub const VGA_OPTIONS: u64 = 0x489;
    /// Display combination code's index.
    pub const DISPLAY_COMBINATION: u64 = 0x48a;
    /// State of the drive A: and B: media.
    pub const FLOPPY_MEDIA: u64 = 0x490;
    /// Keyboard state: bit 4 an enhanced keyboard, bits 3:2 right Alt and Ctrl, bits 1:0 prefixes seen.
    pub const KEYBOARD_STATE: u64 = 0x496;
    /// Keyboard lights: bits 2:0.
    pub const KEYBOARD_LEDS: u64 = 0x497;
    /// The flag a finished wait sets: offset, segment.
    pub const WAIT_FLAG: u64 = 0x498;
    /// Microseconds left of a wait, 32 bits.
    pub const WAIT_COUNT: u64 = 0x49c;
    /// Bit 0: a wait is on.
    pub const WAIT_ACTIVE: u64 = 0x4a0;
}

/// The area's segment and extent.
pub(crate) const SEGMENT: u16 = 0x40;
pub(crate) const LEN: usize = 0x100;

/// The keyboard buffer, offsets in segment 40h.
pub(crate) const BUFFER_START: u16 = 0x1e;
pub(crate) const BUFFER_END: u16 = 0x3e;

/// The extended BIOS data area: one KiB at the top of conventional memory.
pub(crate) const EBDA_SEGMENT: u16 = 0x9fc0;
pub(crate) const EBDA_LEN: u64 = 0x400;

/// Offsets in the extended area.
pub(crate) mod ebda {
    /// Its length in KiB.
    pub const SIZE: u64 = 0x00;
    /// The mouse handler: offset, segment.
    pub const MOUSE_HANDLER: u64 = 0x22;
}

/// Bits of the equipment word.
pub(crate) mod equipment {
    pub const FLOPPY: u16 = 1 << 0;
    pub const COPROCESSOR: u16 = 1 << 1;
    pub const MOUSE: u16 = 1 << 2;
    /// 80 columns in colour.
    pub const VIDEO_80_COLOR: u16 = 2 << 4;
    /// Drives less one, bits 7:6.
    pub const FLOPPIES_SHIFT: u16 = 6;
    /// Serial ports, bits 11:9.
    pub const SERIALS_SHIFT: u16 = 9;
    /// Parallel ports, bits 15:14.
    pub const PARALLELS_SHIFT: u16 = 14;
}
