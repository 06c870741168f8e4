//! Which code is worth translating.

use aero_interpreter::Observer;

use crate::mode::Mode;
use crate::store::Store;

const SLOTS: usize = 1 << 16;
/// A region may have an entry where this is set.
const ENTRY: u16 = 1 << 15;

/// How often blocks are interpreted. Different blocks may share a counter; one that is early for its
/// turn does no harm.
pub struct Heat {
    counts: Box<[u16]>,
}

impl Heat {
    /// All cold.
    pub fn new() -> Self {
        Self { counts: vec![0; SLOTS].into() }
    }

    fn index(host: u64) -> usize {
        (host ^ host >> 16) as usize % SLOTS
    }

    /// Notes that a region can be entered there.
    pub fn mark_entry(&mut self, host: u64) {
        self.counts[Self::index(host)] |= ENTRY;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
    }
}

/// Watches the interpreter: stops it before blocks that are translated or have become hot.
pub struct Watch<'a> {
    /// The counters.
    pub heat: &'a mut Heat,
    /// What is translated.
    pub store: &'a Store,
    /// How code runs.
    pub mode: Mode,
    /// From how many executions on a block is hot, below 2^15.
    pub threshold: u16,
    /// The next block is executed in any case.
    pub skip: bool,
    /// The next block is executed if it is not hot: what there is for it cannot be entered now.
    pub first: bool,
    /// The block it stopped at is hot.
    pub hot: Option<u64>,
}

impl Observer for Watch<'_> {
    #[inline(always)]
    fn stop_before(&mut self, host_offset: u64, _code_bits: u32) -> bool {
        let count = &mut self.heat.counts[Heat::index(host_offset)];
        let first = std::mem::replace(&mut self.first, false);
        if std::mem::replace(&mut self.skip, false) {
            return false;
        }
        if !first && *count & ENTRY != 0 && self.store.find(host_offset, self.mode).is_some() {
            return true;
        }
        *count += 1;
        if *count & !ENTRY < self.threshold {
            return false;
        }
        *count &= ENTRY;
        self.hot = Some(host_offset);
        true
    }
}
