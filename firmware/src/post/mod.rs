//! Power-on: from the reset vector to INT 19h.

mod chipset;
mod memory;
mod pci;
mod routing;
mod screen;

use serde::{Deserialize, Serialize};

use crate::bda::{self, at, ebda, equipment};
use crate::device::{Firmware, Service};
use crate::frame::{Frame, linear};
use crate::int1a::rtc;
use crate::rom;

/// What power-on leaves behind for later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostState {
    /// Where RAM for the system ends below 4 GiB, and the firmware's tables start.
    pub tables: u64,
    /// The screen shows the machine, and the drives are being looked at.
    pub machine_shown: bool,
    /// How many drives INT 19h has tried.
    pub boot_tried: usize,
    /// The screen says that nothing boots.
    pub boot_failed: bool,
}

/// CMOS shutdown status: how the next reset is to be taken.
mod shutdown {
    pub const REGISTER: u8 = 0x0f;
    /// Jump through 467h, after an end of interrupt.
    pub const JUMP_AFTER_EOI: u8 = 0x05;
    /// Jump through 467h.
    pub const JUMP: u8 = 0x0a;
    /// The machine wakes from suspend to RAM (as QEMU's RTC tells it).
    pub const WAKE: u8 = 0xfe;
}

impl Firmware {
    /// The first part: everything that needs no screen. Answers in AX whether there is a video BIOS.
    pub(crate) fn post(&mut self, f: &mut Frame) -> Service {
        let why = self.machine.cmos(shutdown::REGISTER);
        self.machine.set_cmos(shutdown::REGISTER, 0);
        if why == shutdown::JUMP || why == shutdown::JUMP_AFTER_EOI {
            if why == shutdown::JUMP_AFTER_EOI {
                self.end_of_interrupt();
            }
            f.ip = self.machine.read16(at::RESUME);
            f.cs = self.machine.read16(at::RESUME + 2);
            return Ok(());
        }
        let wakes = why == shutdown::WAKE;
        let video = self.set_up_chipset(wakes);
        self.lay_out_memory(wakes);
        if !wakes {
            self.write_routing_table();
        }
        if wakes && let Some(vector) = self.waking_vector() {
            (f.cs, f.ip) = ((vector >> 4) as u16, (vector & 0xf) as u16);
            return Ok(());
        }
        self.set_up_vectors();
        self.set_up_bda();
        self.set_up_interrupts();
        self.set_up_keyboard();
        self.set_up_time();
        self.set_up_cmos();
        f.set_ax(video.into());
        Ok(())
    }

    /// The second part: looks at the disks, and tells what was found.
    pub(crate) fn post_screen(&mut self, f: &mut Frame) -> Service {
        if !self.state.post.machine_shown {
            self.show_machine();
            self.state.post.machine_shown = true;
        }
        // Slow drives are waited for with something on the screen.
        self.find_geometries(f)?;
        self.publish_drives();
        self.show_drives();
        Ok(())
    }

    fn set_up_vectors(&self) {
        /// Vectors 60h to 67h are for users.
        const USER: std::ops::RangeInclusive<u64> = 0x60..=0x67;
        let all = rom::vectors();
        let unused = all.iter().find(|(vector, _)| *vector == 0).map_or(0, |(_, offset)| *offset);
        let set = |vector: u64, offset: u16, segment: u16| {
            self.machine.write16(vector * 4, offset);
            self.machine.write16(vector * 4 + 2, segment);
        };
        for vector in 0..0x78 {
            if USER.contains(&vector) {
                set(vector, 0, 0);
            } else {
                set(vector, unused, rom::ROM_SEGMENT);
            }
        }
        for vector in 0x78..0x100 {
            set(vector, 0, 0);
        }
        for (vector, offset) in all {
            set(vector.into(), offset, rom::ROM_SEGMENT);
        }
        set(0x1e, rom::FLOPPY_PARAMETERS, rom::ROM_SEGMENT);
    }

    fn set_up_bda(&mut self) {
        const CONVENTIONAL_KIB: u16 = (bda::EBDA_SEGMENT as u32 * 16 / 1024) as u16;
        const LPT_TIMEOUT: [u8; 4] = [20; 4];
        const COM_TIMEOUT: [u8; 4] = [1; 4];
        let warm = self.machine.read16(at::WARM_START);
        self.machine.write(u64::from(bda::SEGMENT) * 16, &[0; bda::LEN]);
        self.machine.write16(at::WARM_START, warm);
        let extended = u64::from(bda::EBDA_SEGMENT) * 16;
        self.machine.write(extended, &[0; bda::EBDA_LEN as usize]);
        self.machine.write8(extended + ebda::SIZE, (bda::EBDA_LEN / 1024) as u8);
        self.machine.write16(at::EBDA_SEGMENT, bda::EBDA_SEGMENT);
        self.machine.write16(at::MEMORY_KIB, CONVENTIONAL_KIB);

        let ports: Vec<u16> = self.config.serial_ports.iter().copied().take(4).collect();
        for (port, slot) in ports.iter().zip(0..) {
            self.machine.write16(at::COM_PORTS + 2 * slot, *port);
        }
        self.machine.write(at::LPT_TIMEOUTS, &LPT_TIMEOUT);
        self.machine.write(at::COM_TIMEOUTS, &COM_TIMEOUT);

        let floppies = self.drive_count(crate::DriveKind::Floppy).min(4);
        let mut equipment = equipment::COPROCESSOR | equipment::VIDEO_80_COLOR;
        if floppies > 0 {
            equipment |= equipment::FLOPPY | u16::from(floppies - 1) << equipment::FLOPPIES_SHIFT;
        }
        if self.has_keyboard_controller() {
            equipment |= equipment::MOUSE;
        }
        equipment |= (ports.len() as u16) << equipment::SERIALS_SHIFT;
        equipment |= 0 << equipment::PARALLELS_SHIFT;
        self.machine.write16(at::EQUIPMENT, equipment);
        /// A 1.44 MB medium, established.
        const MEDIUM: u8 = 0x17;
        for drive in 0..u64::from(floppies.min(2)) {
            self.machine.write8(at::FLOPPY_MEDIA + drive, MEDIUM);
        }

        self.machine.write16(at::BUFFER_START, bda::BUFFER_START);
        self.machine.write16(at::BUFFER_END, bda::BUFFER_END);
        self.machine.write16(at::BUFFER_HEAD, bda::BUFFER_START);
        self.machine.write16(at::BUFFER_TAIL, bda::BUFFER_START);
        const ENHANCED: u8 = 1 << 4;
        self.machine.write8(at::KEYBOARD_STATE, ENHANCED);
        self.machine.write8(at::KEYBOARD_LEDS, ENHANCED);
    }

    /// The tick count of the time of day.
    fn set_up_time(&self) {
        /// Divider for 32768 Hz, periodic interrupt at 1024 Hz.
        const A: u8 = 0x26;
        /// Valid RAM and time.
        const C: u8 = 0x0c;
        /// Ticks are 65536 / 1193182 s: in an hour, 65543.33.
        const TICKS_PER_DAY: u64 = 0x18_00b0;
        self.machine.set_cmos(rtc::A, A);
        self.machine.set_cmos(rtc::B, rtc::HOURS_24);
        self.machine.cmos(C);
        let bcd = |value: u8| u64::from(value >> 4) * 10 + u64::from(value & 0xf);
        let hours = bcd(self.machine.cmos(rtc::HOURS));
        let minutes = bcd(self.machine.cmos(rtc::MINUTES));
        let seconds = (hours * 60 + minutes) * 60 + bcd(self.machine.cmos(rtc::SECONDS));
        let ticks = (seconds * TICKS_PER_DAY / 86_400).min(TICKS_PER_DAY - 1);
        self.machine.write32(at::TICKS, ticks as u32);
    }

    /// What the AT, and systems that came after it, look up in the RTC's memory.
    fn set_up_cmos(&self) {
        const FLOPPY_TYPES: u8 = 0x10;
        const EQUIPMENT: u8 = 0x14;
        const BASE_KIB: u8 = 0x15;
        const EXTENDED_KIB: [u8; 2] = [0x17, 0x30];
        const ABOVE_16M: u8 = 0x34;
        const ABOVE_4G: u8 = 0x5b;
        const CHECKSUMMED: std::ops::RangeInclusive<u8> = 0x10..=0x2d;
        const CHECKSUM: u8 = 0x2e;
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        let set16 = |index: u8, value: u64| {
            let [low, high] = (value.min(0xffff) as u16).to_le_bytes();
            self.machine.set_cmos(index, low);
            self.machine.set_cmos(index + 1, high);
        };
        let low = self.machine.memory.ram().low_len();
        let high = self.machine.memory.ram().high_len();
        let floppies = match self.drive_count(crate::DriveKind::Floppy) {
            0 => 0x00,
            1 => 0x40,
            _ => 0x44,
        };
        self.machine.set_cmos(FLOPPY_TYPES, floppies);
        self.machine.set_cmos(EQUIPMENT, self.machine.read8(at::EQUIPMENT));
        set16(BASE_KIB, 640);
        for index in EXTENDED_KIB {
            set16(index, low.saturating_sub(MIB) / KIB);
        }
        set16(ABOVE_16M, low.saturating_sub(16 * MIB) / (64 * KIB));
        let blocks = (high / (64 * KIB)).to_le_bytes();
        for (index, byte) in (ABOVE_4G..).zip(&blocks[..3]) {
            self.machine.set_cmos(index, *byte);
        }
        let sum = CHECKSUMMED.map(|index| u16::from(self.machine.cmos(index))).sum::<u16>();
        let [low, high] = sum.to_le_bytes();
        self.machine.set_cmos(CHECKSUM, high);
        self.machine.set_cmos(CHECKSUM + 1, low);
    }

    /// Where the system wants to wake: the FACS' waking vector, found through the root pointer that
    /// has stayed in memory (ACPI Specification 3.0b, 5.2.10).
    fn waking_vector(&self) -> Option<u32> {
        const RSDT: u64 = 16;
        const HEADER_LEN: u64 = 36;
        const TABLE_LEN: u64 = 4;
        const FIRMWARE_CTRL: u64 = 36;
        const WAKING_VECTOR: u64 = 12;
        const MAX_TABLES: u64 = 64;
        let rsdp = linear(rom::ROM_SEGMENT, rom::TABLE_AREA.start);
        if self.machine.read::<8>(rsdp) != *b"RSD PTR " {
            return None;
        }
        let rsdt = u64::from(self.machine.read32(rsdp + RSDT));
        let len = u64::from(self.machine.read32(rsdt + TABLE_LEN));
        let count = (len.saturating_sub(HEADER_LEN) / 4).min(MAX_TABLES);
        let table = (0..count)
            .map(|i| u64::from(self.machine.read32(rsdt + HEADER_LEN + 4 * i)))
            .find(|table| self.machine.read::<4>(*table) == *b"FACP")?;
        let facs = u64::from(self.machine.read32(table + FIRMWARE_CTRL));
        let vector = self.machine.read32(facs + WAKING_VECTOR);
        (vector != 0 && vector < 1 << 20).then_some(vector)
    }
}
