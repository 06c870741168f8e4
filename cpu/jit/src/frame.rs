//! What generated code keeps in memory beside the processor's state.

use aero_cpu::{Access, Flags};

/// Entries of the table of jump targets, a power of two.
pub const JUMPS: usize = 1 << 13;

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

/// Entries of each table of recent pages, a power of two.
pub const RECENT: usize = 1 << 9;

/// The page that an instruction accessed last.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Recent {
    /// Its linear address.
    pub page: u64,
    /// What to add (wrapping) to a linear address for the host offset.
    pub addend: u64,
}

impl Recent {
    /// No canonical address is within this page.
    pub const NONE: Self = Self { page: 1 << 63, addend: 0 };

    /// Index of the entry of an instruction, by its host offset. Those of two KiB of code in a row have
    /// different ones, if none is shorter than four bytes.
    pub fn index(host: u64) -> usize {
        ((host >> 2) ^ (host >> 11)) as usize % RECENT
    }

    /// Number of the table in [`Frame::recent`] for accesses at this privilege level.
    pub fn table(user: bool, access: Access) -> usize {
        usize::from(user) * 2 + usize::from(access == Access::Write)
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
    /// Pages that instructions accessed last, which need no look into the TLB then: what is here is
    /// there too, or was before an entry made room for another. Of instructions that share an entry
    /// the last one has it.
    pub recent: [[Recent; RECENT]; 4],
    /// Whether there may be something in the tables for each of supervisor and user.
    pub has_recent: [u32; 2],
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
            recent: [[Recent::NONE; _]; _],
            has_recent: [0; _],
            jumps: [Jump::NONE; JUMPS],
        }
    }
}

impl Frame {
    /// Forgets the recent pages, since something has been dropped from the TLB.
    pub fn forget_recent(&mut self) {
        for (user, has) in self.has_recent.iter_mut().enumerate() {
            if std::mem::take(has) != 0 {
                self.recent[2 * user..][..2].as_flattened_mut().fill(Recent::NONE);
            }
        }
    }

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
