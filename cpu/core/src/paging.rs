//! Paging: 32-bit with 4 MiB pages, PAE and 4-level (SDM Vol. 3, chapter 4).

use crate::bits::{cr0, cr4, efer};
use crate::exec::{Exec, Scalar};
use crate::tlb::{Access, PageSize};
use crate::{Exception, ExecResult, Mode};

/// Bits of paging-structure entries (SDM Vol. 3, table 4-20).
mod entry {
    pub const PRESENT: u64 = 1 << 0;
    pub const WRITABLE: u64 = 1 << 1;
    pub const USER: u64 = 1 << 2;
    pub const ACCESSED: u64 = 1 << 5;
    pub const DIRTY: u64 = 1 << 6;
    pub const LARGE: u64 = 1 << 7;
    pub const GLOBAL: u64 = 1 << 8;
    pub const NO_EXECUTE: u64 = 1 << 63;
}

/// Bits of the page-fault error code.
mod fault {
    pub const PRESENT: u32 = 1 << 0;
    pub const WRITE: u32 = 1 << 1;
    pub const USER: u32 = 1 << 2;
    pub const RESERVED: u32 = 1 << 3;
    pub const FETCH: u32 = 1 << 4;
}

/// Physical address bits of every model.
pub(crate) const PHYSICAL_BITS: u32 = 40;
/// The page frame of an entry with 64 bits.
const FRAME: u64 = (1 << PHYSICAL_BITS) - (1 << 12);
/// Bits 51:40 are reserved everywhere.
const RESERVED_ADDRESS: u64 = (1 << 52) - (1 << PHYSICAL_BITS);
/// In PAE paging bits 62:52 are reserved too.
const RESERVED_PAE: u64 = (1 << 63) - (1 << PHYSICAL_BITS);

/// Reserved bits of a PDPTE of PAE paging (SDM Vol. 3, table 4-8).
pub(crate) const PAE_PDPTE_RESERVED: u64 = !FRAME & !0xe19;

pub(crate) struct Translation {
    pub physical: u64,
    pub global: bool,
    pub size: PageSize,
}

/// Entries met on the way, so that their accessed and dirty bits can be set once the access is allowed.
struct Trail {
    entries: [(u64, u64); 4],
    len: usize,
    rights: u64,
    no_execute: bool,
    /// Devices are not asked.
    quiet: bool,
}

/// What a walk came to.
enum Walk {
    Page { physical: u64, size: PageSize, leaf: u64 },
    NotPresent,
    Reserved,
}

impl Exec<'_> {
    /// Reads an entry. A quiet walk takes tables that are no memory for empty.
    fn read_entry<T: Scalar>(&mut self, address: u64, quiet: bool) -> T {
        if let Some(host) = self.physical_page(address).read {
            let host = host + address % aero_bus::PAGE_SIZE;
            // SAFETY: the page is mapped, and entries are aligned, so that they do not leave it.
            return unsafe { T::load(self.cpu.tlb.host().add(host as usize)) };
        }
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..T::SIZE as usize];
        if !quiet {
            self.platform.mmio_read(self.retired, address, bytes);
            self.after_platform();
        }
        T::from_bytes(bytes)
    }

    /// Sets bits of an entry if it is still `old`. Returns whether it was.
    fn set_entry_bits<T: Scalar + PartialEq>(&mut self, address: u64, old: T, new: T) -> bool {
        let page = self.physical_page(address);
        if page.read == page.write
            && let Some(host) = page.write
        {
            let versions = self.ram.versions();
            if versions.has_code(host) {
                versions.bump(host);
                self.look = true;
            }
            let host = host + address % aero_bus::PAGE_SIZE;
            let update = |now| if now == old { new } else { now };
            // SAFETY: as in `read_entry`.
            return unsafe {
                T::fetch_update(self.cpu.tlb.host().add(host as usize), update) == old
            };
        }
        // Tables in ROM or in a device: there the bits stick or not, as the device likes.
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..T::SIZE as usize];
        new.to_bytes(bytes);
        self.platform.mmio_write(self.retired, address, bytes);
        self.after_platform();
        true
    }

    /// Translates a linear address for an access with the rights of `user` or of the supervisor, and
    /// sets accessed and dirty bits.
    pub(crate) fn walk(
        &mut self,
        linear: u64,
        access: Access,
        user: bool,
    ) -> ExecResult<Translation> {
        self.walk_so(linear, access, user, false)
    }

    /// The same, for who is to look at nothing afterwards: whatever is more than reads and writes of
    /// memory without code is a fault here.
    pub(crate) fn walk_quietly(
        &mut self,
        linear: u64,
        access: Access,
        user: bool,
    ) -> ExecResult<Translation> {
        self.walk_so(linear, access, user, true)
    }

    #[inline(always)]
    fn walk_so(
        &mut self,
        linear: u64,
        access: Access,
        user: bool,
        quiet: bool,
    ) -> ExecResult<Translation> {
        if self.cpu.cr0 & cr0::PG == 0 {
            return Ok(Translation {
                physical: linear & 0xffff_ffff,
                global: false,
                size: PageSize::Small,
            });
        }
        loop {
            let mut trail = Trail::new(quiet);
            let found = self.find(linear, &mut trail);
            let mut code = 0;
            if access == Access::Write {
                code |= fault::WRITE;
            }
            if user {
                code |= fault::USER;
            }
            let execute_disable = self.cpu.efer & efer::NXE != 0 && self.cpu.cr4 & cr4::PAE != 0;
            if access == Access::Execute && execute_disable {
                code |= fault::FETCH;
            }
            let (physical, size, leaf) = match found {
                Walk::Page { physical, size, leaf } => (physical, size, leaf),
                Walk::NotPresent => return Err(Exception::pf(linear, code)),
                Walk::Reserved => {
                    return Err(Exception::pf(linear, code | fault::PRESENT | fault::RESERVED));
                }
            };
            let write_protected =
                trail.rights & entry::WRITABLE == 0 && (user || self.cpu.cr0 & cr0::WP != 0);
            if user && trail.rights & entry::USER == 0
                || access == Access::Write && write_protected
                || access == Access::Execute && trail.no_execute
            {
                return Err(Exception::pf(linear, code | fault::PRESENT));
            }
            if quiet && self.is_marking_seen(&trail, access == Access::Write) {
                return Err(Exception::pf(linear, code));
            }
            if !self.mark_used(&trail, access == Access::Write) {
                // Another processor changed an entry in between.
                continue;
            }
            let global = self.is_global(leaf);
            return Ok(Translation { physical, global, size });
        }
    }

    /// Whether a bit has to be set in a table that is no memory, or lies in a page with code.
    fn is_marking_seen(&mut self, trail: &Trail, dirty: bool) -> bool {
        (0..trail.len).any(|level| {
            let (address, old, new) = trail.marked(level, dirty);
            new != old && {
                let page = self.physical_page(address);
                page.read != page.write
                    || page.write.is_none_or(|host| self.ram.versions().has_code(host))
            }
        })
    }

    fn mark_used(&mut self, trail: &Trail, dirty: bool) -> bool {
        let wide = self.cpu.cr4 & cr4::PAE != 0;
        for level in 0..trail.len {
            let (address, old, new) = trail.marked(level, dirty);
            if new != old {
                let done = if wide {
                    self.set_entry_bits(address, old, new)
                } else {
                    self.set_entry_bits(address, old as u32, new as u32)
                };
                if !done {
                    return false;
                }
            }
        }
        true
    }

    fn find(&mut self, linear: u64, trail: &mut Trail) -> Walk {
        if self.cpu.cr4 & cr4::PAE == 0 {
            self.find_32bit(linear, trail)
        } else {
            self.find_wide(linear, trail)
        }
    }

    fn find_32bit(&mut self, linear: u64, trail: &mut Trail) -> Walk {
        let directory = self.cpu.cr3 & 0xffff_f000;
        let address = directory + (linear >> 22 & 0x3ff) * 4;
        let pde = u64::from(self.read_entry::<u32>(address, trail.quiet));
        if pde & entry::PRESENT == 0 {
            return Walk::NotPresent;
        }
        trail.push(address, pde);
        if pde & entry::LARGE != 0 && self.cpu.cr4 & cr4::PSE != 0 {
            // PSE-36: bits 20:13 are bits 39:32 of the address; bit 21 is reserved.
            if pde & 1 << 21 != 0 {
                return Walk::Reserved;
            }
            let base = pde & 0xffc0_0000 | (pde >> 13 & 0xff) << 32;
            let physical = base | linear & 0x3f_ffff;
            return Walk::Page { physical, size: PageSize::Large, leaf: pde };
        }
        let address = (pde & 0xffff_f000) + (linear >> 12 & 0x3ff) * 4;
        let pte = u64::from(self.read_entry::<u32>(address, trail.quiet));
        if pte & entry::PRESENT == 0 {
            return Walk::NotPresent;
        }
        trail.push(address, pte);
        let physical = pte & 0xffff_f000 | linear & 0xfff;
        Walk::Page { physical, size: PageSize::Small, leaf: pte }
    }

    fn find_wide(&mut self, linear: u64, trail: &mut Trail) -> Walk {
        let long = self.cpu.efer & efer::LMA != 0;
        let nx = self.cpu.efer & efer::NXE != 0;
        let mut reserved = if long { RESERVED_ADDRESS } else { RESERVED_PAE };
        if !nx {
            reserved |= entry::NO_EXECUTE;
        }
        let (mut table, mut shift) = if long {
            (self.cpu.cr3 & FRAME, 39)
        } else {
            let pdpte = self.cpu.pdptes[(linear >> 30 & 3) as usize];
            if pdpte & entry::PRESENT == 0 {
                return Walk::NotPresent;
            }
            (pdpte & FRAME, 21)
        };
        loop {
            let address = table + (linear >> shift & 0x1ff) * 8;
            let e = self.read_entry::<u64>(address, trail.quiet);
            if e & entry::PRESENT == 0 {
                return Walk::NotPresent;
            }
            let large = e & entry::LARGE != 0 && shift != 12;
            let size = match shift {
                39 if large => return Walk::Reserved,
                30 if large && !self.cpu.model.has_1gib_pages() => return Walk::Reserved,
                30 => PageSize::Huge,
                21 => PageSize::Large,
                _ => PageSize::Small,
            };
            let offset_mask = (1u64 << shift) - 1;
            // Between PAT (bit 12) and the frame of a large page all bits are reserved.
            let frame_reserved = if large { offset_mask & !0x1fff } else { 0 };
            if e & (reserved | frame_reserved) != 0 {
                return Walk::Reserved;
            }
            trail.push(address, e);
            if large || shift == 12 {
                let physical = e & FRAME & !offset_mask | linear & offset_mask;
                return Walk::Page { physical, size, leaf: e };
            }
            table = e & FRAME;
            shift -= 9;
        }
    }

    /// Loads the PDPTEs of PAE paging from `cr3`: #GP(0) if a present one has reserved bits.
    pub(crate) fn load_pdptes(&mut self, cr3: u64) -> ExecResult<()> {
        let table = cr3 & 0xffff_ffe0;
        let mut pdptes = [0; 4];
        for (i, pdpte) in pdptes.iter_mut().enumerate() {
            *pdpte = self.read_entry::<u64>(table + i as u64 * 8, false);
            if *pdpte & entry::PRESENT != 0 && *pdpte & PAE_PDPTE_RESERVED != 0 {
                return Err(Exception::gp(0));
            }
        }
        self.cpu.pdptes = pdptes;
        Ok(())
    }

    /// The physical address of `linear` for an access at the current privilege level, with all the
    /// effects of one.
    pub fn translate(&mut self, linear: u64, access: Access) -> ExecResult<u64> {
        let user = self.cpu.cpl == 3;
        self.walk(linear & self.cpu.linear_mask, access, user).map(|t| t.physical)
    }

    /// The physical address of `linear`, if it is mapped, without any check or effect: for debuggers.
    pub fn translate_debug(&mut self, linear: u64) -> Option<u64> {
        if self.cpu.cr0 & cr0::PG == 0 {
            return Some(linear & 0xffff_ffff);
        }
        if self.cpu.mode == Mode::Long64 && !crate::access::is_canonical(linear) {
            return None;
        }
        match self.find(linear & self.cpu.linear_mask, &mut Trail::new(true)) {
            Walk::Page { physical, .. } => Some(physical),
            Walk::NotPresent | Walk::Reserved => None,
        }
    }

    /// The physical address of `linear` if a fetch at the current privilege level would have no other
    /// effect than to fetch: no fault, no accessed bit set, no device asked for a table. And whether the
    /// page is global, and whether it is larger than 4 KiB.
    pub(crate) fn walk_code_quietly(&mut self, linear: u64) -> Option<(u64, bool, bool)> {
        if self.cpu.cr0 & cr0::PG == 0 {
            return Some((linear & 0xffff_ffff, false, false));
        }
        let mut trail = Trail::new(true);
        let Walk::Page { physical, leaf, size, .. } = self.find(linear, &mut trail) else {
            return None;
        };
        let allowed = !trail.no_execute && (self.cpu.cpl != 3 || trail.rights & entry::USER != 0);
        let used = trail.entries[..trail.len].iter().all(|(_, e)| e & entry::ACCESSED != 0);
        (allowed && used).then(|| (physical, self.is_global(leaf), size != PageSize::Small))
    }

    /// Whether the page that an entry gives stays when the address space changes.
    fn is_global(&self, leaf: u64) -> bool {
        leaf & entry::GLOBAL != 0 && self.cpu.cr4 & cr4::PGE != 0
    }
}

impl Trail {
    fn new(quiet: bool) -> Self {
        let rights = entry::WRITABLE | entry::USER;
        Self { entries: [(0, 0); 4], len: 0, rights, no_execute: false, quiet }
    }

    /// An entry on the way: its address, what it is, and what it is when it has been used.
    fn marked(&self, level: usize, dirty: bool) -> (u64, u64, u64) {
        let (address, old) = self.entries[level];
        let is_leaf = level + 1 == self.len;
        let bits = entry::ACCESSED | if is_leaf && dirty { entry::DIRTY } else { 0 };
        (address, old, old | bits)
    }

    fn push(&mut self, address: u64, value: u64) {
        self.entries[self.len] = (address, value);
        self.len += 1;
        self.rights &= value;
        self.no_execute |= value & entry::NO_EXECUTE != 0;
    }
}
