//! Page walks once more, straight from the manual (SDM Vol. 3, chapter 4) and as slow as it likes: the
//! referee of the processor's own.

use aero_cpu::bits::{cr0, cr4, efer};
use aero_cpu::{Access, Exception};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

/// Physical address bits of the models.
const PHYSICAL_BITS: u32 = 40;

/// Bits `high` down to `low`.
const fn bits(high: u32, low: u32) -> u64 {
    (u64::MAX >> (63 - high)) & (u64::MAX << low)
}

/// What decides a walk, apart from memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regime {
    pub cr0: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub efer: u64,
    /// The PDPTEs that PAE paging has loaded.
    pub pdptes: [u64; 4],
    /// The model has 1 GiB pages.
    pub huge: bool,
}

/// An entry on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// Its physical address.
    pub address: u64,
    /// Its value before the walk.
    pub entry: u64,
    /// Its value after the walk.
    pub after: u64,
    /// Bits of the linear address that it leaves to the levels below.
    pub shift: u32,
}

impl Level {
    const fn new(address: u64, entry: u64, shift: u32) -> Self {
        Self { address, entry, after: entry, shift }
    }
}

/// A mapped page.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// The physical address that the access goes to.
    pub physical: u64,
    /// The entries, from the highest level to the leaf.
    pub levels: Vec<Level>,
    /// Bytes of an entry.
    pub width: u64,
}

/// Reads up to eight bytes of physical memory.
pub(crate) type Memory<'a> = &'a dyn Fn(u64, u64) -> u64;

/// What a walk comes to.
pub(crate) type Walked = Result<Path, Exception>;

enum End {
    Mapped(u64),
    NotPresent,
    Reserved,
}

impl Regime {
    /// Walks for an access to `linear`.
    pub fn walk(&self, linear: u64, access: Access, user: bool, memory: Memory<'_>) -> Walked {
        if self.cr0 & cr0::PG == 0 {
            return Ok(Path { physical: linear & 0xffff_ffff, levels: Vec::new(), width: 0 });
        }
        let mut levels = Vec::new();
        let end = if self.cr4 & cr4::PAE == 0 {
            self.two_levels(linear, memory, &mut levels)
        } else {
            self.wide(linear, memory, &mut levels)
        };
        let wide = self.cr4 & cr4::PAE != 0;
        let execute_disable = wide && self.efer & efer::NXE != 0;
        let fetch = access == Access::Execute;
        let write = access == Access::Write;
        let code =
            u32::from(write) << 1 | u32::from(user) << 2 | u32::from(fetch && execute_disable) << 4;
        let physical = match end {
            End::Mapped(physical) => physical,
            End::NotPresent => return Err(Exception::pf(linear, code)),
            End::Reserved => return Err(Exception::pf(linear, code | 1 | 8)),
        };
        let everywhere = |bit: u64| levels.iter().all(|level| level.entry & bit != 0);
        let somewhere = |bit: u64| levels.iter().any(|level| level.entry & bit != 0);
        // Section 4.6.1.
        let allowed = (!user || everywhere(USER))
            && !(write && !everywhere(WRITABLE) && (user || self.cr0 & cr0::WP != 0))
            && !(fetch && execute_disable && somewhere(NO_EXECUTE));
        if !allowed {
            return Err(Exception::pf(linear, code | 1));
        }
        let leaf = levels.len() - 1;
        for (n, level) in levels.iter_mut().enumerate() {
            let dirty = if n == leaf && write { DIRTY } else { 0 };
            level.after = level.entry | ACCESSED | dirty;
        }
        Ok(Path { physical, levels, width: if wide { 8 } else { 4 } })
    }

    /// Figures 4-2 and 4-3.
    fn two_levels(&self, linear: u64, memory: Memory<'_>, levels: &mut Vec<Level>) -> End {
        let address = self.cr3 & bits(31, 12) | (linear >> 22 & 0x3ff) << 2;
        let entry = memory(address, 4);
        if entry & PRESENT == 0 {
            return End::NotPresent;
        }
        levels.push(Level::new(address, entry, 22));
        if entry & LARGE != 0 && self.cr4 & cr4::PSE != 0 {
            // Table 4-4: bits 20:13 are bits 39:32 of the address, bit 21 is reserved.
            if entry & 1 << 21 != 0 {
                return End::Reserved;
            }
            let high = (entry & bits(20, 13)) >> 13 << 32;
            return End::Mapped(high | entry & bits(31, 22) | linear & bits(21, 0));
        }
        let address = entry & bits(31, 12) | (linear >> 12 & 0x3ff) << 2;
        let entry = memory(address, 4);
        if entry & PRESENT == 0 {
            return End::NotPresent;
        }
        levels.push(Level::new(address, entry, 12));
        End::Mapped(entry & bits(31, 12) | linear & bits(11, 0))
    }

    /// PAE and 4-level paging: figures 4-5 to 4-10.
    fn wide(&self, linear: u64, memory: Memory<'_>, levels: &mut Vec<Level>) -> End {
        let frame = bits(PHYSICAL_BITS - 1, 12);
        let long = self.efer & efer::LMA != 0;
        // Tables 4-8 to 4-20: above the physical address bits up to 51 always; in PAE up to 62.
        let mut reserved = bits(if long { 51 } else { 62 }, PHYSICAL_BITS);
        if self.efer & efer::NXE == 0 {
            reserved |= NO_EXECUTE;
        }
        let (mut level, mut table) = if long {
            (4, self.cr3 & frame)
        } else {
            let pdpte = self.pdptes[(linear >> 30 & 3) as usize];
            if pdpte & PRESENT == 0 {
                return End::NotPresent;
            }
            (2, pdpte & frame)
        };
        loop {
            let shift = 12 + 9 * (level - 1);
            let address = table | (linear >> shift & 0x1ff) << 3;
            let entry = memory(address, 8);
            if entry & PRESENT == 0 {
                return End::NotPresent;
            }
            let large = level > 1 && entry & LARGE != 0;
            if large && (level == 4 || level == 3 && !self.huge) {
                return End::Reserved;
            }
            let below = if large { bits(shift - 1, 13) } else { 0 };
            if entry & (reserved | below) != 0 {
                return End::Reserved;
            }
            levels.push(Level::new(address, entry, shift));
            if large || level == 1 {
                let inside = bits(shift - 1, 0);
                return End::Mapped(entry & frame & !inside | linear & inside);
            }
            table = entry & frame;
            level -= 1;
        }
    }
}
