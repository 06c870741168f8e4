//! What the backend keeps for each processor, most of all where jumps between regions lead.

use std::collections::BTreeSet;

use aero_bus::{PAGE_SIZE, Placed};
use aero_cpu::{Dropped, Peeked};

use crate::frame::{Frame, JUMPS, Jump};
use crate::mode::Mode;
use crate::store::{QuickMap, RegionId};
use crate::translate::Addresses;

/// Salts of jumps: bits 48 to 61 of a tag.
const SALTS: u64 = 1 << 14;
const SALT_SHIFT: u32 = 48;

/// What belongs to one processor.
pub struct Processor {
    /// What generated code keeps.
    pub frame: Placed<Frame>,
    /// Addresses of the processor, its TLB and its signals, by which one knows it again.
    pub places: [usize; 3],
    /// Where generated code finds things.
    pub addresses: Addresses,
    salts: QuickMap<Mode, u64>,
    next_salt: u64,
    /// The region that each entry of the frame's jumps leads to.
    pub jumps: Vec<RegionId>,
    /// What was dropped from the TLB when the salts were last looked at.
    dropped: Dropped,
    /// Modes of jumps to code in pages that are not all global.
    local: Vec<Mode>,
    /// Where the code is that jumps lead to: numbers of pages, and of large ones.
    pages: BTreeSet<u64>,
    large: BTreeSet<u64>,
}

impl Processor {
    /// Knows no jumps.
    pub fn new(
        frame: Placed<Frame>,
        places: [usize; 3],
        addresses: Addresses,
        dropped: Dropped,
    ) -> Self {
        Self {
            frame,
            places,
            addresses,
            salts: QuickMap::default(),
            next_salt: 1,
            jumps: vec![0; JUMPS],
            dropped,
            local: Vec::new(),
            pages: BTreeSet::new(),
            large: BTreeSet::new(),
        }
    }

    /// No jump goes on to where it has gone.
    pub fn forget_jumps(&mut self) {
        self.salts.clear();
        self.local.clear();
        self.pages.clear();
        self.large.clear();
    }

    /// Forgets the jumps that depend on translations which have been dropped.
    pub fn keep_up(&mut self, now: &Dropped) {
        if *now == self.dropped {
            return;
        }
        self.frame.forget_recent();
        let pages = now.pages - self.dropped.pages;
        let mut last =
            (self.dropped.pages..now.pages).map(|n| now.last[n as usize % Dropped::LAST]);
        if now.all != self.dropped.all
            || pages > Dropped::LAST as u64
            || last.any(|linear| {
                self.pages.contains(&(linear / PAGE_SIZE))
                    || self.large.contains(&(linear / Dropped::LARGE))
            })
        {
            self.forget_jumps();
        } else if now.not_global != self.dropped.not_global {
            for mode in self.local.drain(..) {
                self.salts.remove(&mode);
            }
        }
        self.dropped = *now;
    }

    /// A jump in this mode depends on the translation of `linear`.
    pub fn rely_on(&mut self, linear: u64, mode: Mode, page: Peeked) {
        if page.large {
            self.large.insert(linear / Dropped::LARGE);
        } else {
            self.pages.insert(linear / PAGE_SIZE);
        }
        if !page.global && !self.local.contains(&mode) {
            self.local.push(mode);
        }
    }

    /// What is mixed into the tags of jumps in this mode, with the translations as they are now.
    pub fn salt(&mut self, mode: Mode) -> u64 {
        if let Some(salt) = self.salts.get(&mode) {
            return *salt;
        }
        if self.next_salt == SALTS {
            self.next_salt = 1;
            self.forget_jumps();
            self.frame.jumps.fill(Jump::NONE);
        }
        let salt = self.next_salt << SALT_SHIFT;
        self.next_salt += 1;
        self.salts.insert(mode, salt);
        salt
    }
}
