//! Where memory is, for generated code that accesses it by itself.

use aero_bus::{PAGE_SIZE, PageVersions};

use crate::access::is_canonical;
use crate::exec::Exec;
use crate::tlb::Access;

impl Exec<'_> {
    /// The page versions of the memory.
    #[inline]
    pub fn versions(&self) -> &PageVersions {
        self.ram.versions()
    }

    /// The host offset of an access of `size` bytes at a linear address at the current privilege level
    /// (segments are the caller's business), which may be read or written there until the next call of
    /// anything else here. `size` is 1 to 16.
    ///
    /// `None` whenever something besides is to be done for it: the access would fault, crosses a page,
    /// reaches a device or nothing, must be aligned and is not, lies in a page with a data breakpoint,
    /// or writes to a page that decoded code is kept of, or to where something else is read; or if page
    /// tables lie in such places. The instruction is then to be executed in the ordinary way.
    ///
    /// Sets accessed and dirty bits as the access does, and remembers the translation.
    #[inline]
    pub fn host_address(&mut self, linear: u64, size: u64, access: Access) -> Option<u64> {
        if self.must_be_aligned(linear, size) {
            return None;
        }
        let user = self.cpu.cpl == 3;
        match self.cpu.tlb.entry(user, access, linear).lookup(linear, size) {
            Some(host) => Some(host),
            None => self.host_address_slow(linear, size, access),
        }
    }

    /// As [`host_address`](Self::host_address) for writing, but a page that decoded code is kept of is
    /// no obstacle: where to write, and whether it is such a page. If so, it is for the caller to say
    /// what of the code goes on being right, and to give the page a new version before writing.
    #[inline]
    pub fn host_address_of_write(&mut self, linear: u64, size: u64) -> Option<(u64, bool)> {
        if self.must_be_aligned(linear, size) {
            return None;
        }
        let user = self.cpu.cpl == 3;
        match self.cpu.tlb.entry(user, Access::Write, linear).lookup(linear, size) {
            Some(host) => Some((host, false)),
            None => self.host_address_anew(linear, size, Access::Write),
        }
    }

    #[cold]
    #[inline(never)]
    fn host_address_slow(&mut self, linear: u64, size: u64, access: Access) -> Option<u64> {
        let (host, has_code) = self.host_address_anew(linear, size, access)?;
        (!has_code).then_some(host)
    }

    /// The host offset by the page tables, which is remembered unless it is to be written to and
    /// decoded code is kept of the page: whether that is so comes with it.
    fn host_address_anew(&mut self, linear: u64, size: u64, access: Access) -> Option<(u64, bool)> {
        if !is_canonical(linear)
            || linear & !self.cpu.linear_mask != 0
            || linear % PAGE_SIZE + size > PAGE_SIZE
            || access != Access::Execute && self.cpu.data_breakpoint_in_page(linear)
        {
            return None;
        }
        let user = self.cpu.cpl == 3;
        let translation = self.walk_quietly(linear, access, user).ok()?;
        let page = self.physical_page(translation.physical);
        let host = if access == Access::Write { page.write } else { page.read }?;
        let place = host + linear % PAGE_SIZE;
        let (global, size) = (translation.global, translation.size);
        if access == Access::Write {
            if page.read != page.write {
                return None;
            }
            if self.ram.versions().has_code(host) {
                return Some((place, true));
            }
            self.cpu.tlb.insert(user, Access::Read, linear, host, global, size);
        }
        self.cpu.tlb.insert(user, access, linear, host, global, size);
        Some((place, false))
    }

    /// Reads what crosses from one page into the next, at a linear address and at the current
    /// privilege level. `data` is at most 16 bytes long. Returns `false`, with `data` as it was, when
    /// [`host_address`](Self::host_address) has nothing for one of the parts.
    #[inline(never)]
    pub fn read_crossing(&mut self, linear: u64, data: &mut [u8]) -> bool {
        let first = (PAGE_SIZE - linear % PAGE_SIZE) as usize;
        if first >= data.len() || self.must_be_aligned(linear, data.len() as u64) {
            return false;
        }
        let second = linear.wrapping_add(first as u64) & self.cpu.linear_mask;
        // Bytes need no alignment; that their rest lies in the same page is known.
        let Some(one) = self.host_address(linear, 1, Access::Read) else { return false };
        let Some(two) = self.host_address(second, 1, Access::Read) else { return false };
        let host = self.cpu.tlb.host();
        let (head, tail) = data.split_at_mut(first);
        // SAFETY: host offsets lead to whole pages, and each part keeps to its page.
        unsafe {
            host.add(one as usize).copy_to_nonoverlapping(head.as_mut_ptr(), head.len());
            host.add(two as usize).copy_to_nonoverlapping(tail.as_mut_ptr(), tail.len());
        }
        true
    }

    /// Whether #AC comes. SSE operands have alignment rules of their own.
    #[inline]
    fn must_be_aligned(&self, linear: u64, size: u64) -> bool {
        self.cpu.alignment_checks && size <= 8 && !linear.is_multiple_of(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestPlatform;
    use crate::{CpuModel, CpuSignals, Exec, Vcpu};

    const ACCESSES: [Access; 2] = [Access::Read, Access::Write];

    /// Flat protected mode without paging.
    fn with_exec(test: impl FnOnce(&mut Exec<'_>)) {
        let mut platform = TestPlatform::new();
        let model = CpuModel::named("westmere").unwrap();
        let mut cpu = Vcpu::placed(platform.map.ram(), 0, model).unwrap();
        cpu.set_flat_protected(0x1000, 8, 16);
        let signals = CpuSignals::placed(platform.map.ram()).unwrap();
        let mut exec = Exec::new(&mut cpu, &signals, &mut platform);
        test(&mut exec);
    }

    #[test]
    fn memory_is_found_and_remembered() {
        with_exec(|exec| {
            for access in ACCESSES {
                assert_eq!(exec.host_address(0x2_0ffc, 4, access), Some(0x2_0ffc));
                let entry = exec.cpu.tlb.entry(false, access, 0x2_0000);
                assert_eq!(entry.lookup(0x2_0010, 8), Some(0x2_0010));
            }
        });
    }

    #[test]
    fn what_is_more_than_an_access_to_memory_is_declined() {
        with_exec(|exec| {
            for access in ACCESSES {
                assert_eq!(exec.host_address(0x2_0ffd, 4, access), None, "crosses a page");
                assert_eq!(exec.host_address(0x80_0000, 1, access), None, "nothing is there");
                assert_eq!(exec.host_address(0x1_0000_1000, 1, access), None, "too wide");
                assert_eq!(exec.host_address(1 << 60, 1, access), None, "not canonical");
            }
            exec.mark_code_page(0x3000);
            assert_eq!(exec.host_address(0x3000, 1, Access::Write), None, "holds code");
            assert_eq!(exec.host_address(0x3000, 1, Access::Read), Some(0x3000));
            let versions = exec.ram.versions().clone();
            for _ in 0..2 {
                let place = exec.host_address_of_write(0x3008, 4);
                assert_eq!(place, Some((0x3008, true)), "is not remembered");
            }
            assert!(versions.has_code(0x3000), "nothing was written");
            exec.write_system(0x3000, 1u8).unwrap();
            assert_eq!(versions.code_writes(), 1);
            assert_eq!(exec.host_address(0x3000, 1, Access::Write), Some(0x3000));
            assert_eq!(exec.host_address_of_write(0x3008, 4), Some((0x3008, false)));
            exec.cpu.dr[0] = 0x4_0008;
            exec.write_dr(7, 0xd_0001).unwrap();
            assert_eq!(exec.host_address(0x4_0100, 1, Access::Write), None, "watched");
            assert_eq!(exec.host_address_of_write(0x4_0100, 1), None, "watched");
        });
    }

    #[test]
    fn alignment_checks_decline_what_is_not_aligned() {
        with_exec(|exec| {
            exec.cpu.alignment_checks = true;
            for access in ACCESSES {
                assert_eq!(exec.host_address(0x2001, 4, access), None);
                assert_eq!(exec.host_address(0x2004, 4, access), Some(0x2004));
                assert_eq!(exec.host_address(0x2001, 16, access), Some(0x2001));
            }
            assert!(!exec.read_crossing(0x2ffe, &mut [0; 4]));
        });
    }

    #[test]
    fn a_read_across_pages_is_put_together() {
        with_exec(|exec| {
            exec.write_system(0x2ffc, 0x8877_6655_4433_2211u64).unwrap();
            let mut data = [0; 8];
            assert!(exec.read_crossing(0x2ffc, &mut data));
            assert_eq!(u64::from_le_bytes(data), 0x8877_6655_4433_2211);
            assert!(!exec.read_crossing(0x2ff0, &mut data), "does not cross");
            assert!(!exec.read_crossing(0x3f_fffc, &mut data), "the second page is nothing");
        });
    }
}
