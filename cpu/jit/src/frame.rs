//! What generated code keeps in memory beside the processor's state.

use aero_cpu::Flags;

/// Entries of the table of jump targets, a power of two.
pub const JUMPS: usize = 1 << 12;

/// Where a jump leads that leaves a region.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Jump {
    /// RIP, with [`Frame::salt`] mixed in.
    pub tag: u64,
    /// The function's slot in the table.
    pub slot: u32,
    /// What to call it with: the offset of RIP from the region's entry.
    pub entry: i32,
}

impl Jump {
    /// Leads nowhere: no salted address has this tag.
    pub const NONE: Self = Self { tag: 1 << 62, slot: 0, entry: 0 };

    /// Index of the entry for an address.
    pub fn index(rip: u64) -> usize {
        ((rip ^ rip >> 12) as usize) % JUMPS
    }
}

/// One a processor, placed beside guest memory.
#[repr(C)]
pub struct Frame {
    /// Instructions of the budget that are left.
    pub left: i32,
    /// The kind of the flags' record: see [`FlagsKind`](crate::translate::FlagsKind).
    pub flags_kind: u32,
    /// Its first value.
    pub flags_x: u64,
    /// Its second value.
    pub flags_y: u64,
    /// Mixed into the tags of [`jumps`](Self::jumps): entries of another mode or of an earlier state of
    /// the translations have another one. Only bits 48 to 61 are ever set, which in a canonical address
    /// say nothing that bit 62 does not.
    pub salt: u64,
    /// Bytes of an access that crosses a page.
    pub scratch: [u8; 32],
    /// Where jumps out of regions lead.
    pub jumps: [Jump; JUMPS],
}

impl Default for Frame {
    /// Knows no jumps.
    fn default() -> Self {
        Self {
            left: 0,
            flags_kind: 0,
            flags_x: 0,
            flags_y: 0,
            salt: 0,
            scratch: [0; _],
            jumps: [Jump::NONE; JUMPS],
        }
    }
}

impl Frame {
    /// Takes the arithmetic flags over from the processor.
    pub fn take_flags(&mut self, flags: &Flags) {
        self.flags_kind = 0;
        self.flags_x = flags.result;
        self.flags_y = flags.aux;
    }

    /// Gives the arithmetic flags to the processor.
    pub fn give_flags(&self, flags: &mut Flags) {
        (flags.result, flags.aux) =
            crate::translate::explicit(self.flags_kind, self.flags_x, self.flags_y);
    }
}
