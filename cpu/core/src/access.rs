//! Memory accesses that miss the fast path: segment checks, page crossings, devices.

use aero_bus::{Backing, PAGE_SIZE};

use crate::exec::Scalar;
use crate::segment::{SegReg, Segment};
use crate::state::Mode;
use crate::tlb::{Access, PhysicalPage};
use crate::{Exception, ExecResult, exec::Exec};

/// Where a part of an access that lies in one page leads.
#[derive(Clone, Copy)]
enum Place {
    /// Host offset in the block.
    Host(u64),
    /// Physical address of a device, or of nothing.
    Device(u64),
}

/// Whether `linear` is canonical for 48 bits.
#[inline]
pub(crate) const fn is_canonical(linear: u64) -> bool {
    ((linear << 16) as i64 >> 16) as u64 == linear
}

/// The alignment that #AC asks of an operand of `size` bytes (SDM Vol. 3, table 6-7). SSE operands have
/// rules of their own.
const fn alignment(size: u64) -> u64 {
    match size {
        2 | 4 | 8 => size,
        // Double extended precision.
        10 => 8,
        // What FNSTENV and FNSAVE store with 16-bit operands, and with 32-bit ones.
        14 | 94 => 2,
        28 | 108 => 4,
        _ => 1,
    }
}

const fn page_rest(linear: u64) -> usize {
    (PAGE_SIZE - linear % PAGE_SIZE) as usize
}

impl Exec<'_> {
    /// To be called after whatever may have reached a device: the budget and the memory map may have
    /// changed.
    #[inline]
    pub(crate) fn after_platform(&mut self) {
        self.look = true;
        self.budget = self.platform.budget();
        let generation = self.platform.memory().generation();
        if generation != self.cpu.tlb.map_generation {
            self.cpu.tlb.map_generation = generation;
            self.cpu.tlb.flush_all();
        }
    }

    /// The linear address of an access through `segment`, after all checks of the segment (SDM Vol. 3,
    /// 5.3 to 5.5). `stack` tells whether a fault is #SS.
    pub(crate) fn check_segment(
        mode: Mode,
        segment: &Segment,
        stack: bool,
        offset: u64,
        size: u64,
        write: bool,
    ) -> ExecResult<u64> {
        let fault = if stack { Exception::ss(0) } else { Exception::gp(0) };
        if mode == Mode::Long64 {
            let linear = segment.fast_base.wrapping_add(offset);
            if !is_canonical(linear) || !is_canonical(linear.wrapping_add(size - 1)) {
                return Err(fault);
            }
            return Ok(linear);
        }
        let rights = segment.attributes;
        if mode.is_protected() {
            if !segment.usable {
                return Err(fault);
            }
            let allowed = if write { rights.is_writable() } else { rights.is_readable() };
            if !allowed {
                return Err(fault);
            }
        }
        let last = offset.saturating_add(size - 1);
        let limit = u64::from(segment.limit);
        let inside = if mode.is_protected() && rights.is_expand_down() {
            offset > limit && last <= if rights.is_big() { 0xffff_ffff } else { 0xffff }
        } else {
            last <= limit
        };
        if !inside {
            return Err(fault);
        }
        Ok(segment.base.wrapping_add(offset) & 0xffff_ffff)
    }

    fn check(&self, seg: SegReg, offset: u64, size: u64, write: bool) -> ExecResult<u64> {
        let linear = Self::check_segment(
            self.cpu.mode,
            &self.cpu.segs[seg as usize],
            seg == SegReg::Ss,
            offset,
            size,
            write,
        )?;
        if self.cpu.alignment_checks && !linear.is_multiple_of(alignment(size)) {
            return Err(Exception::ac());
        }
        Ok(linear)
    }

    /// A later address of the same access: 32-bit ones wrap. Descriptor tables in long mode have
    /// addresses of 64 bits in compatibility mode too.
    fn advance(&self, linear: u64, by: u64) -> u64 {
        let mask = if linear > u32::MAX.into() { u64::MAX } else { self.cpu.linear_mask };
        linear.wrapping_add(by) & mask
    }

    /// What is behind a physical page.
    #[inline]
    pub(crate) fn physical_page(&mut self, physical: u64) -> PhysicalPage {
        match self.cpu.tlb.physical(physical) {
            Some(page) => page,
            None => self.look_up_physical(physical),
        }
    }

    #[cold]
    #[inline(never)]
    fn look_up_physical(&mut self, physical: u64) -> PhysicalPage {
        let mut start = physical & !(PAGE_SIZE - 1);
        if self.platform.local_apic_page() == Some(start) {
            return self.cpu.tlb.set_physical(physical, None, None);
        }
        let memory = self.platform.memory();
        if !memory.a20() {
            start &= !(1 << 20);
        }
        let (read, write) = match memory.lookup(start) {
            Backing::Direct { mapping, last } if last >= start + (PAGE_SIZE - 1) => {
                (mapping.read, mapping.write)
            }
            // A device, nothing, or several things in one page.
            _ => (None, None),
        };
        self.cpu.tlb.set_physical(physical, read, write)
    }

    /// Translates an access that lies in one page, and remembers the translation.
    fn locate(&mut self, linear: u64, access: Access, user: bool) -> ExecResult<Place> {
        let translation = self.walk(linear, access, user)?;
        let page = self.physical_page(translation.physical);
        let host = if access == Access::Write { page.write } else { page.read };
        let Some(host) = host else { return Ok(Place::Device(translation.physical)) };
        if access == Access::Write && self.ram.versions().has_code(host) {
            self.ram.versions().bump(host);
            self.look = true;
        }
        // A write entry is also used to read and write back, so both have to lead to one place, which
        // they do not where ROM lies over RAM.
        let splits = access == Access::Write && page.read != Some(host);
        let watched = access != Access::Execute && self.cpu.data_breakpoint_in_page(linear);
        if !splits && !watched {
            let (global, size) = (translation.global, translation.size);
            self.cpu.tlb.insert(user, access, linear, host, global, size);
            if access == Access::Write {
                self.cpu.tlb.insert(user, Access::Read, linear, host, global, size);
            }
        }
        Ok(Place::Host(host + linear % PAGE_SIZE))
    }

    /// As `locate`, for the instruction fetch of one page: its host offset if it has one.
    pub(crate) fn locate_code(&mut self, linear: u64) -> ExecResult<Result<u64, u64>> {
        let user = self.cpu.cpl == 3;
        Ok(match self.locate(linear, Access::Execute, user)? {
            Place::Host(offset) => Ok(offset),
            Place::Device(physical) => Err(physical),
        })
    }

    /// Notes the data breakpoints that an access hits.
    #[inline]
    fn note_data_access(&mut self, linear: u64, len: u64, write: bool) {
        if self.cpu.data_breakpoints {
            self.cpu.note_data_access(linear, len, write);
            self.look = true;
        }
    }

    fn transfer_in(&mut self, place: Place, data: &mut [u8]) {
        match place {
            Place::Host(offset) => {
                // SAFETY: a place is a host offset of a mapped page, and parts keep to their page.
                unsafe {
                    self.cpu
                        .tlb
                        .host()
                        .add(offset as usize)
                        .copy_to_nonoverlapping(data.as_mut_ptr(), data.len());
                }
            }
            Place::Device(physical) => {
                self.platform.mmio_read(self.retired, physical, data);
                self.device_accesses += 1;
                self.after_platform();
            }
        }
    }

    fn transfer_out(&mut self, place: Place, data: &[u8]) {
        match place {
            Place::Host(offset) => {
                // SAFETY: as in `transfer_in`.
                unsafe {
                    self.cpu
                        .tlb
                        .host()
                        .add(offset as usize)
                        .copy_from_nonoverlapping(data.as_ptr(), data.len());
                }
            }
            Place::Device(physical) => {
                self.platform.mmio_write(self.retired, physical, data);
                self.device_accesses += 1;
                self.after_platform();
            }
        }
    }

    /// Reads at most a page at a linear address; nothing is read from a device if a part faults.
    fn read_linear(&mut self, linear: u64, data: &mut [u8], user: bool) -> ExecResult<()> {
        assert!(data.len() <= PAGE_SIZE as usize, "an access touches two pages at most");
        let first = page_rest(linear);
        if data.len() <= first {
            let place = self.locate(linear, Access::Read, user)?;
            self.transfer_in(place, data);
        } else {
            let second_linear = self.advance(linear, first as u64);
            let one = self.locate(linear, Access::Read, user)?;
            let two = self.locate(second_linear, Access::Read, user)?;
            let (head, tail) = data.split_at_mut(first);
            self.transfer_in(one, head);
            self.transfer_in(two, tail);
        }
        self.note_data_access(linear, data.len() as u64, false);
        Ok(())
    }

    /// Writes at most a page at a linear address; nothing is written if a part faults.
    fn write_linear(&mut self, linear: u64, data: &[u8], user: bool) -> ExecResult<()> {
        assert!(data.len() <= PAGE_SIZE as usize, "an access touches two pages at most");
        let first = page_rest(linear);
        if data.len() <= first {
            let place = self.locate(linear, Access::Write, user)?;
            self.transfer_out(place, data);
        } else {
            let second_linear = self.advance(linear, first as u64);
            let one = self.locate(linear, Access::Write, user)?;
            let two = self.locate(second_linear, Access::Write, user)?;
            let (head, tail) = data.split_at(first);
            self.transfer_out(one, head);
            self.transfer_out(two, tail);
        }
        self.note_data_access(linear, data.len() as u64, true);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn read_slow<T: Scalar>(&mut self, seg: SegReg, offset: u64) -> ExecResult<T> {
        let linear = self.check(seg, offset, T::SIZE, false)?;
        self.read_at(linear, self.cpu.cpl == 3)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn write_slow<T: Scalar>(
        &mut self,
        seg: SegReg,
        offset: u64,
        value: T,
    ) -> ExecResult<()> {
        let linear = self.check(seg, offset, T::SIZE, true)?;
        self.write_at(linear, self.cpu.cpl == 3, value)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn rmw_slow<T: Scalar>(
        &mut self,
        seg: SegReg,
        offset: u64,
        f: &mut dyn FnMut(T) -> T,
    ) -> ExecResult<T> {
        // Readable and writable, before the alignment is looked at.
        let segment = &self.cpu.segs[seg as usize];
        let stack = seg == SegReg::Ss;
        Self::check_segment(self.cpu.mode, segment, stack, offset, T::SIZE, false)?;
        let linear = self.check(seg, offset, T::SIZE, true)?;
        let user = self.cpu.cpl == 3;
        // Write checks of every byte come before anything else happens.
        if (T::SIZE as usize) <= page_rest(linear) {
            let place = self.locate(linear, Access::Write, user)?;
            if let Place::Host(host) = place
                && self.physical_is_ram(linear, user)
            {
                // SAFETY: as in `transfer_in`.
                let old = unsafe { T::fetch_update(self.cpu.tlb.host().add(host as usize), f) };
                self.note_data_access(linear, T::SIZE, true);
                return Ok(old);
            }
        } else {
            self.probe_linear(linear, T::SIZE, Access::Write, user)?;
        }
        let old = self.read_at(linear, user)?;
        self.write_at(linear, user, f(old))?;
        Ok(old)
    }

    /// Whether reads and writes of the page of `linear`, just located for writing, lead to the same
    /// memory. They do not where ROM lies over RAM.
    fn physical_is_ram(&mut self, linear: u64, user: bool) -> bool {
        self.walk(linear, Access::Write, user).is_ok_and(|translation| {
            let page = self.physical_page(translation.physical);
            page.read.is_some() && page.read == page.write
        })
    }

    #[inline(never)]
    fn read_at<T: Scalar>(&mut self, linear: u64, user: bool) -> ExecResult<T> {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..T::SIZE as usize];
        self.read_linear(linear, bytes, user)?;
        Ok(T::from_bytes(bytes))
    }

    #[inline(never)]
    fn write_at<T: Scalar>(&mut self, linear: u64, user: bool, value: T) -> ExecResult<()> {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..T::SIZE as usize];
        value.to_bytes(bytes);
        self.write_linear(linear, bytes, user)
    }

    fn probe_linear(
        &mut self,
        linear: u64,
        len: u64,
        access: Access,
        user: bool,
    ) -> ExecResult<()> {
        self.walk(linear, access, user)?;
        let first = page_rest(linear) as u64;
        if len > first {
            self.walk(self.advance(linear, first), access, user)?;
        }
        Ok(())
    }

    /// Checks that `len` bytes, from 1 to a page, could be written (segment, paging), without writing.
    pub fn probe_write(&mut self, seg: SegReg, offset: u64, len: u64) -> ExecResult<()> {
        let linear = self.check(seg, offset, len.clamp(1, PAGE_SIZE), true)?;
        self.probe_linear(linear, len.clamp(1, PAGE_SIZE), Access::Write, self.cpu.cpl == 3)
    }

    /// Checks that `len` bytes, from 1 to a page, could be read.
    pub fn probe_read(&mut self, seg: SegReg, offset: u64, len: u64) -> ExecResult<()> {
        let linear = self.check(seg, offset, len.clamp(1, PAGE_SIZE), false)?;
        self.probe_linear(linear, len.clamp(1, PAGE_SIZE), Access::Read, self.cpu.cpl == 3)
    }

    /// Reads up to a page of bytes (more panics) through a segment.
    pub fn read_bytes(&mut self, seg: SegReg, offset: u64, data: &mut [u8]) -> ExecResult<()> {
        if data.is_empty() {
            return Ok(());
        }
        let linear = self.check(seg, offset, data.len() as u64, false)?;
        self.read_linear(linear, data, self.cpu.cpl == 3)
    }

    /// Writes up to a page of bytes (more panics) through a segment; none if there is a fault.
    pub fn write_bytes(&mut self, seg: SegReg, offset: u64, data: &[u8]) -> ExecResult<()> {
        if data.is_empty() {
            return Ok(());
        }
        let linear = self.check(seg, offset, data.len() as u64, true)?;
        self.write_linear(linear, data, self.cpu.cpl == 3)
    }

    /// Reads at a linear address with supervisor rights: descriptor tables, TSS.
    #[inline]
    pub fn read_system<T: Scalar>(&mut self, linear: u64) -> ExecResult<T> {
        self.read_linear_as(linear, false)
    }

    /// Writes at a linear address with supervisor rights.
    #[inline]
    pub fn write_system<T: Scalar>(&mut self, linear: u64, value: T) -> ExecResult<()> {
        self.write_linear_as(linear, false, value)
    }

    /// Reads at a linear address with the rights of `user` or of the supervisor.
    #[inline]
    pub(crate) fn read_linear_as<T: Scalar>(&mut self, linear: u64, user: bool) -> ExecResult<T> {
        match self.cpu.tlb.entry(user, Access::Read, linear).lookup(linear, T::SIZE) {
            // SAFETY: entries lead to whole pages of the block, and a hit keeps to the page.
            Some(host) => Ok(unsafe { T::load(self.cpu.tlb.host().add(host as usize)) }),
            None => self.read_at(linear, user),
        }
    }

    /// Writes at a linear address with the rights of `user` or of the supervisor.
    #[inline]
    pub(crate) fn write_linear_as<T: Scalar>(
        &mut self,
        linear: u64,
        user: bool,
        value: T,
    ) -> ExecResult<()> {
        match self.cpu.tlb.entry(user, Access::Write, linear).lookup(linear, T::SIZE) {
            Some(host) => {
                // SAFETY: as above.
                unsafe { value.store(self.cpu.tlb.host().add(host as usize)) };
                Ok(())
            }
            None => self.write_at(linear, user, value),
        }
    }
}
