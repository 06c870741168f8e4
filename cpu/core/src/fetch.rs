//! Instruction fetch.

use aero_bus::PAGE_SIZE;

use crate::access::is_canonical;
use crate::exec::Exec;
use crate::segment::SegReg;
use crate::state::Mode;
use crate::tlb::Access;
use crate::{Exception, ExecResult};

/// A page that code can be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePage {
    /// Host offset of the page's first byte; `None` for a device or nothing: see
    /// [`Exec::fetch_bytes`].
    pub host_offset: Option<u64>,
    /// Version of the page ([`aero_bus::PageVersions`]); 0 without a host offset.
    pub version: u32,
}

/// A page that code could be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Host offset of the page's first byte.
    pub host_offset: u64,
    /// Whether the translation is global: it stays when the address space changes.
    pub global: bool,
    /// It may be part of a page larger than 4 KiB, of which any address drops the translation.
    pub large: bool,
}

impl Exec<'_> {
    /// The page of `linear`, checked for execution at the current privilege level.
    #[inline]
    pub fn fetch_code_page(&mut self, linear: u64) -> ExecResult<CodePage> {
        let user = self.cpu.cpl == 3;
        match self.cpu.tlb.entry(user, Access::Execute, linear).lookup(linear, 1) {
            Some(host) => {
                let version = self.ram.versions().version(host);
                Ok(CodePage { host_offset: Some(host & !(PAGE_SIZE - 1)), version })
            }
            None => self.fetch_code_page_slow(linear),
        }
    }

    /// The page of `linear`, if code could be fetched from there at the current privilege level without
    /// any other effect: `None` if there would be a fault, an accessed bit would be set, or a device is
    /// in the way. For who looks ahead of what is executed.
    pub fn peek_code_page(&mut self, linear: u64) -> Option<Peeked> {
        let user = self.cpu.cpl == 3;
        let known = self.cpu.tlb.entry(user, Access::Execute, linear).lookup(linear, 1);
        if let Some(host) = known {
            let global = self.cpu.tlb.is_global(user, Access::Execute, linear);
            let large = self.cpu.tlb.may_be_large(linear);
            return Some(Peeked { host_offset: host & !(PAGE_SIZE - 1), global, large });
        }
        if self.cpu.mode == Mode::Long64 && !is_canonical(linear) {
            return None;
        }
        let (physical, global, large) = self.walk_code_quietly(linear & self.cpu.linear_mask)?;
        let host_offset = self.physical_page(physical).read?;
        Some(Peeked { host_offset, global, large })
    }

    #[cold]
    #[inline(never)]
    fn fetch_code_page_slow(&mut self, linear: u64) -> ExecResult<CodePage> {
        if self.cpu.mode == Mode::Long64 && !is_canonical(linear) {
            return Err(Exception::gp(0));
        }
        Ok(match self.locate_code(linear & self.cpu.linear_mask)? {
            Ok(host) => CodePage {
                host_offset: Some(host & !(PAGE_SIZE - 1)),
                version: self.ram.versions().version(host),
            },
            Err(_) => CodePage { host_offset: None, version: 0 },
        })
    }

    /// How many bytes of code there are at most from `rip` to the end of CS's limit; with none, the
    /// fetch is #GP(0).
    #[inline]
    pub fn code_bytes_left(&self, rip: u64) -> u64 {
        if self.cpu.mode == Mode::Long64 {
            return u64::MAX;
        }
        (u64::from(self.cpu.segs[SegReg::Cs as usize].limit) + 1).saturating_sub(rip)
    }

    /// Fetches code at `rip`, an offset in CS: as many bytes of `buffer` as can be had without a fault;
    /// a fault only if there is not even one. The caller asks again at `rip + n` for the fault that
    /// the n-th byte gives.
    pub fn fetch_bytes(&mut self, rip: u64, buffer: &mut [u8]) -> ExecResult<usize> {
        let left = self.code_bytes_left(rip);
        if left == 0 {
            return Err(Exception::gp(0));
        }
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < wanted {
            let linear = self.cpu.code_linear(rip.wrapping_add(done as u64));
            let part = (wanted - done).min((PAGE_SIZE - linear % PAGE_SIZE) as usize);
            match self.fetch_part(linear, &mut buffer[done..done + part]) {
                Ok(()) => done += part,
                Err(fault) if done == 0 => return Err(fault),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn fetch_part(&mut self, linear: u64, data: &mut [u8]) -> ExecResult<()> {
        if self.cpu.mode == Mode::Long64 && !is_canonical(linear) {
            return Err(Exception::gp(0));
        }
        match self.locate_code(linear)? {
            Ok(host) => {
                // SAFETY: `locate_code` gives offsets of mapped pages, and `data` ends with the page.
                unsafe {
                    self.cpu
                        .tlb
                        .host()
                        .add(host as usize)
                        .copy_to_nonoverlapping(data.as_mut_ptr(), data.len());
                }
            }
            Err(physical) => {
                self.platform.mmio_read(self.retired, physical, data);
                self.after_platform();
            }
        }
        Ok(())
    }

    /// The bytes of a code page, for decoding. `host_offset` comes from a [`CodePage`].
    ///
    /// They may change under way if another processor writes to them; the version tells afterwards.
    pub fn code_bytes(&self, host_offset: u64) -> &[u8] {
        let start = host_offset & !(PAGE_SIZE - 1);
        assert!(start < self.cpu.tlb.host_len(), "code pages lie inside the block");
        // SAFETY: the page lies inside the block, which the TLB keeps alive.
        unsafe {
            std::slice::from_raw_parts(self.cpu.tlb.host().add(start as usize), PAGE_SIZE as usize)
        }
    }

    /// Marks the page at `host_offset` as one that decoded code is kept of: stores to it, of every
    /// processor, give it a new version from now on. Returns the version to keep.
    pub fn mark_code_page(&mut self, host_offset: u64) -> u32 {
        let versions = self.ram.versions();
        let before = versions.code_marks();
        if !versions.mark_code(host_offset) {
            self.cpu.tlb.protect_code(host_offset);
            // Only this mark is accounted for; marks of others in between are still to be followed.
            if self.cpu.tlb.code_marks == before {
                self.cpu.tlb.code_marks = before + 1;
            }
        }
        versions.version(host_offset)
    }

    /// Gives up writing past marks that other processors have set.
    pub(crate) fn follow_code_marks(&mut self) {
        let marks = self.ram.versions().code_marks();
        if self.cpu.tlb.code_marks != marks {
            self.cpu.tlb.code_marks = marks;
            self.cpu.tlb.flush_writes();
        }
    }
}
