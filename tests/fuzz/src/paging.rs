//! Random page tables, and accesses through them.
//!
//! Each access is compared with a walk of our own over the same memory: its address or fault, the
//! value it reads or writes, the accessed and dirty bits. The processor's TLB must not show as long as
//! no table has changed without an invalidation.

use std::collections::{HashMap, HashSet};

use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_cpu::bits::{cr0, cr4, efer, rflags};
use aero_cpu::{
    Access, CpuModel, Exec, ExecResult, Features, Flags, SegReg, Segment, SegmentAttributes, Vcpu,
};

use crate::input::{Input, Random};
use crate::walk::{Level, Path, Regime, Walked};
use crate::world::{DEVICE, DEVICE_LEN, Image, RAM, ROM, World};

const DS: SegReg = SegReg::Ds;
/// Table pages: the first is what CR3 points to at the start.
const TABLES: u64 = 0x1000;
const TABLE_PAGES: u64 = 12;
const DATA: u64 = 0x4_0000;
/// What an input may do at most.
const MOST_STEPS: usize = 200;
const A20: u64 = 1 << 20;
const PAGE: u64 = 4096;
/// Attributes of flat segments.
const CODE64: u16 = 0xa9b;
const CODE32: u16 = 0xc9b;
const DATA32: u16 = 0xc93;
const DPL3: u16 = 0x60;

/// How entries were used by translations that the TLB may hold: the address of the entry, and the
/// linear pages of its level.
type Users = HashMap<u64, HashSet<(u32, u64)>>;

/// The processor beside the rule book.
struct Bench {
    world: World,
    cpu: Vcpu,
    long: bool,
    pdptes: [u64; 4],
    /// A table may have changed since the last whole invalidation.
    stale: bool,
    users: Users,
}

impl World {
    fn apply_a20(&self, address: u64) -> u64 {
        if self.map.a20() { address } else { address & !A20 }
    }

    /// What memory holds, devices included, as the processor sees it.
    fn peek(&self, address: u64, width: u64) -> u64 {
        let byte = |at: u64| {
            let place = self.apply_a20(at);
            if place >= RAM || (DEVICE..DEVICE + DEVICE_LEN).contains(&place) {
                Self::pattern(at)
            } else if place >= ROM {
                0
            } else {
                self.map.ram().read_obj(GuestAddress(place)).expect("inside the RAM")
            }
        };
        (0..width).map(|i| u64::from(byte(address + i)) << (i * 8)).sum()
    }

    /// Whether a write to this address stays.
    fn keeps(&self, address: u64) -> bool {
        let place = self.apply_a20(address);
        place < DEVICE || (DEVICE + DEVICE_LEN..ROM).contains(&place)
    }
}

/// An entry of a table, often a sensible one.
fn entry(random: &mut Random) -> u64 {
    let frame = match random.below(16) {
        0 => DEVICE,
        1 => 0xc000_0000,
        2 => ROM,
        3 => RAM,
        4 => random.next() & 0xff_ffff_f000,
        5..8 => DATA + random.below(8) * PAGE,
        8 => 0,
        _ => TABLES + random.below(TABLE_PAGES) * PAGE,
    };
    let rights = match random.below(8) {
        0 => random.next() & 0xfff,
        1 => 1,
        2 => 5,
        3 => 3,
        4 => 0x87,
        5 => 0x107,
        _ => 7,
    };
    let high = match random.below(24) {
        0 => 1 << (40 + random.below(24)),
        1 => 1 << 63,
        2 => random.next() << 52,
        3 => 1 << random.below(40),
        _ => 0,
    };
    // A large page begins at a multiple of its size, but for one that does not.
    let frame = if rights & 0x80 != 0 && random.below(8) != 0 { frame & !0x1f_ffff } else { frame };
    frame | rights | high
}

impl Bench {
    fn new(input: &mut Input<'_>) -> Self {
        let [mode, model] = input.bytes();
        let control = input.u32();
        let mut random = Random::new(input.u64());
        let (long, pae) = (mode & 3 >= 2, mode & 3 != 0);
        let names = if long { &CpuModel::NAMES[..3] } else { CpuModel::NAMES };
        let name = names[usize::from(model) % names.len()];
        let mut world = World::new(false);
        world.effects = false;
        world.allowed = u64::MAX;
        let mut image = Image::new();
        for slot in 0..TABLE_PAGES * 512 {
            image.put_u64(TABLES + slot * 8, entry(&mut random));
        }
        if pae && !long {
            for slot in 0..4 {
                let frame = TABLES + random.below(TABLE_PAGES) * PAGE;
                let bits = if random.below(16) == 0 { random.next() & 0xfff } else { 1 };
                image.put_u64(TABLES + slot * 8, frame | bits);
            }
        }
        image.load(&world);
        let model = CpuModel::named(name).expect("a model of this name");
        let mut cpu = Vcpu::new(0, model);
        let bit = |n: u32| control >> n & 1 != 0;
        if long {
            cpu.set_long_mode(0, TABLES, 8, 16);
        } else {
            cpu.set_flat_protected(0, 8, 16);
        }
        cpu.efer &= !efer::NXE;
        if bit(0) && cpu.model.has(Features::NX) {
            cpu.efer |= efer::NXE;
        }
        let mut bench =
            Self { world, cpu, long, pdptes: [0; 4], stale: false, users: Users::new() };
        for (on, value) in [(pae, cr4::PAE), (bit(1), cr4::PSE), (bit(2), cr4::PGE)] {
            if on {
                // Not every model has them all.
                let _ = bench.with(|e| e.write_cr(4, e.cpu.cr4 | value));
            }
        }
        bench.with(|e| e.write_cr(3, TABLES)).expect("paging is off, or there are no PDPTEs");
        let wp = if bit(3) { cr0::WP } else { 0 };
        bench.write_cr(0, cr0::PE | cr0::PG | cr0::NE | wp);
        bench
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Exec<'_>) -> T) -> T {
        let signals = self.world.signals.clone();
        let mut exec = Exec::new(&mut self.cpu, &signals, &mut self.world);
        act(&mut exec)
    }

    /// Everything in the TLB is gone.
    fn invalidated(&mut self) {
        self.stale = false;
        self.users.clear();
    }

    /// Writes CR0, CR3 or CR4 in supervisor mode, PDPTEs and all.
    fn write_cr(&mut self, n: u32, value: u64) {
        let user = self.cpu.cpl();
        let Vcpu { cr0, cr3, cr4, .. } = self.cpu;
        let (new0, new3, new4) = match n {
            0 => (value, cr3, cr4),
            3 => (cr0, value, cr4),
            _ => (cr0, cr3, value),
        };
        let paging = new0 & cr0::PG != 0;
        let pae = paging && new4 & cr4::PAE != 0 && !self.long;
        let loads = pae
            && match n {
                0 => cr0 & cr0::PG == 0,
                3 => true,
                _ => (cr4 ^ new4) & (cr4::PAE | cr4::PSE | cr4::PGE) != 0,
            };
        let table = new3 & 0xffff_ffe0;
        let pdptes = std::array::from_fn(|i| self.world.peek(table + i as u64 * 8, 8));
        // Table 4-8: bits 2:1, 8:5 and those above the physical address are reserved.
        let bad = |pdpte: &u64| pdpte & 1 != 0 && pdpte & (0x1e6 | u64::MAX << 40) != 0;
        let faults = loads && pdptes.iter().any(bad);
        self.cpu.set_cpl(0);
        self.cpu.mode_changed();
        let result = self.with(|e| e.write_cr(n, value));
        self.cpu.set_cpl(user);
        self.cpu.mode_changed();
        if loads {
            assert_eq!(result.is_err(), faults, "PDPTEs {pdptes:x?}, and CR{n} gave {result:?}");
        }
        if result.is_err() {
            return;
        }
        let moved = cr3 != new3 || loads && self.pdptes != pdptes;
        if loads {
            self.pdptes = pdptes;
        }
        match n {
            // Global pages outlive it, those of other tables too.
            3 if self.cpu.cr4 & cr4::PGE != 0 => self.stale |= moved,
            _ => self.invalidated(),
        }
    }

    fn regime(&self) -> Regime {
        let Vcpu { cr0, cr3, cr4, efer, .. } = self.cpu;
        let huge = self.cpu.model.has(Features::PAGE_1GIB);
        Regime { cr0, cr3, cr4, efer, pdptes: self.pdptes, huge }
    }

    fn set_user(&mut self, user: bool) {
        let dpl = if user { DPL3 } else { 0 };
        let code = if self.long { CODE64 } else { CODE32 };
        for which in SegReg::ALL {
            let attributes =
                SegmentAttributes(dpl | if which == SegReg::Cs { code } else { DATA32 });
            self.cpu.segs[which as usize] = Segment::new(8, 0, u32::MAX, attributes);
        }
        self.cpu.set_cpl(if user { 3 } else { 0 });
        self.cpu.flags = Flags::from_rflags(rflags::FIXED);
        self.cpu.mode_changed();
        for which in SegReg::ALL {
            self.cpu.segment_changed(which);
        }
    }

    /// A linear address that some tables may map.
    fn linear(&self, choice: u64) -> u64 {
        let slot = |n: u32| choice >> n & 0xf;
        let low = choice >> 52;
        if self.long {
            let top = [0, 1, 255, 256, 511, 2, 3, 4][(choice & 7) as usize];
            let linear: u64 = top << 39 | slot(4) << 30 | slot(8) << 21 | slot(12) << 12 | low;
            ((linear << 16) as i64 >> 16) as u64
        } else if self.cpu.cr4 & cr4::PAE != 0 {
            (slot(4) & 3) << 30 | slot(8) << 21 | slot(12) << 12 | low
        } else {
            slot(8) << 22 | slot(12) << 12 | low
        }
    }

    fn walk(&self, linear: u64, access: Access) -> Walked {
        let memory = |at: u64, width: u64| self.world.peek(at, width);
        self.regime().walk(linear, access, self.cpu.cpl() == 3, &memory)
    }

    /// The TLB may hold this now.
    fn note_use(&mut self, linear: u64, path: &Path) {
        for level in &path.levels {
            let at = self.world.apply_a20(level.address);
            self.users.entry(at).or_default().insert((level.shift, linear >> level.shift));
        }
    }

    /// Memory is about to change: does a translation depend on it that nobody invalidates?
    fn note_write(&mut self, physical: u64, width: u64) {
        let place = self.world.apply_a20(physical);
        let first = place.saturating_sub(7);
        self.stale |= (first..place + width).any(|at| self.users.contains_key(&at));
    }

    /// One access within a page, compared.
    fn access(&mut self, linear: u64, access: Access, width: u64, value: u64) {
        let linear = linear & !(width - 1);
        let expected = self.walk(linear, access);
        let checked = !self.stale;
        if let Ok(path) = &expected {
            self.note_use(linear, path);
            if access == Access::Write {
                self.note_write(path.physical, width);
            }
        }
        let got = self.perform(linear, access, width, value);
        if !checked {
            return;
        }
        let context = || {
            let user = self.cpu.cpl() == 3;
            format!("{access:?} of {width} at {linear:#x}, user {user}: {:#x?}", self.regime())
        };
        match (&expected, &got) {
            (Err(fault), Err(seen)) => assert_eq!(seen, fault, "{}", context()),
            (Ok(path), Ok(seen)) => {
                let mask = u64::MAX >> (64 - width * 8);
                self.check_bits(path, access == Access::Write, width, &context);
                if access == Access::Write {
                    let now = self.world.peek(path.physical, width);
                    let kept = self.world.keeps(path.physical);
                    assert!(!kept || now == value & mask, "{now:#x} is written: {}", context());
                } else {
                    let now = self.world.peek(path.physical, width);
                    assert_eq!(*seen & mask, now, "read {seen:#x}: {}", context());
                }
            }
            _ => panic!("expected {expected:x?}, got {got:x?}: {}", context()),
        }
    }

    fn perform(&mut self, linear: u64, access: Access, width: u64, value: u64) -> ExecResult<u64> {
        let stale = self.stale;
        self.with(|e| match (access, width) {
            (Access::Execute, _) => {
                // Once as the run loop looks for code, once as it fetches bytes one by one.
                let page = e.fetch_code_page(linear)?;
                let mut bytes = [0; 8];
                let bytes = &mut bytes[..width as usize];
                let fetched = e.fetch_bytes(linear, bytes);
                if stale {
                    return fetched.map(|_| 0);
                }
                assert_eq!(fetched, Ok(width as usize));
                if let Some(host) = page.host_offset {
                    let at = (linear % PAGE) as usize;
                    assert_eq!(e.code_bytes(host)[at], bytes[0], "one page, two contents");
                }
                Ok(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
            }
            (Access::Read, 1) => e.read_u8(DS, linear).map(u64::from),
            (Access::Read, 2) => e.read_u16(DS, linear).map(u64::from),
            (Access::Read, 4) => e.read_u32(DS, linear).map(u64::from),
            (Access::Read, _) => e.read_u64(DS, linear),
            (Access::Write, 1) => e.write_u8(DS, linear, value as u8).map(|()| 0),
            (Access::Write, 2) => e.write_u16(DS, linear, value as u16).map(|()| 0),
            (Access::Write, 4) => {
                e.rmw::<u32>(DS, linear, value & 1 << 63 != 0, |_| value as u32).map(|_| 0)
            }
            (Access::Write, _) => e.write_u64(DS, linear, value).map(|()| 0),
        })
    }

    /// Accessed and dirty bits are set where they can be, and no others.
    fn check_bits(&self, path: &Path, write: bool, width: u64, context: &dyn Fn() -> String) {
        let places = |level: &Level| self.world.apply_a20(level.address);
        for level in &path.levels {
            let (at, end) = (places(level), places(level) + path.width);
            let written = self.world.apply_a20(path.physical);
            if write && written < end && at < written + width || !self.world.keeps(level.address) {
                continue;
            }
            // An entry may serve at two levels: it gets the bits of both.
            let same = path.levels.iter().filter(|other| places(other) == at);
            let wanted = same.fold(level.after, |bits, other| bits | other.after);
            let now = self.world.peek(level.address, path.width);
            assert_eq!(now, wanted, "the entry at {at:#x} was {:#x}: {}", level.entry, context());
        }
    }

    /// An access that crosses pages: the first fault counts, and nothing is written before it.
    fn cross(&mut self, linear: u64, write: bool, value: u64) {
        let access = if write { Access::Write } else { Access::Read };
        let mask = if self.long { u64::MAX } else { u32::MAX.into() };
        let linear = (linear & !(PAGE - 1)) + PAGE - 3;
        let second = linear.wrapping_add(3) & mask;
        let canonical = |at: u64| (at << 16) as i64 >> 16 == at as i64;
        if self.stale || !canonical(linear) || !canonical(second) || second < linear {
            return;
        }
        let expected = (self.walk(linear, access), self.walk(second, access));
        for (at, walked) in [(linear, &expected.0), (second, &expected.1)] {
            if let Ok(path) = walked {
                self.note_use(at, path);
            }
        }
        if write && let (Ok(one), Ok(two)) = &expected {
            self.note_write(one.physical, 3);
            self.note_write(two.physical, 5);
        }
        let got = self.with(|e| match write {
            false => e.read_u64(DS, linear),
            true => e.write_u64(DS, linear, value).map(|()| value),
        });
        match (expected, got) {
            ((Ok(one), Ok(two)), Ok(seen)) => {
                let overlap = one.physical / PAGE == two.physical / PAGE || self.stale;
                let kept = self.world.keeps(one.physical) && self.world.keeps(two.physical);
                if !write || kept && !overlap {
                    let (low, high) =
                        (self.world.peek(one.physical, 3), self.world.peek(two.physical, 5));
                    assert_eq!(seen, low | high << 24, "at {linear:#x}: {:#x?}", self.regime());
                }
            }
            ((Err(fault), _) | (Ok(_), Err(fault)), Err(seen)) => assert_eq!(seen, fault),
            (expected, got) => panic!("expected {expected:x?}, got {got:x?} at {linear:#x}"),
        }
    }

    /// Gives the page of `linear` another leaf, and invalidates that page alone.
    fn remap(&mut self, linear: u64, new: u64) {
        let Ok(path) = self.walk(linear, Access::Read) else { return };
        let Some(leaf) = path.levels.last() else { return };
        if !self.world.keeps(leaf.address) {
            return;
        }
        let place = self.world.apply_a20(leaf.address);
        let ours = (leaf.shift, linear >> leaf.shift);
        // Another use of this entry would need an invalidation of its own.
        let others = |users: &HashSet<(u32, u64)>| users.iter().any(|user| *user != ours);
        self.stale |= self.users.get(&place).is_some_and(others);
        // So would one of the other half of what a 64-bit store covers.
        self.stale |= (1..8).any(|i| path.width == 4 && self.users.contains_key(&(place + i)));
        if path.width == 8 {
            self.world.load(place, &new.to_le_bytes());
        } else {
            self.world.load(place, &(new as u32).to_le_bytes());
        }
        let user = self.cpu.cpl();
        self.cpu.set_cpl(0);
        self.cpu.mode_changed();
        self.with(|e| e.invlpg(DS, linear)).expect("in supervisor mode");
        self.cpu.set_cpl(user);
        self.cpu.mode_changed();
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let [op, detail] = input.bytes();
        let choice = input.u64();
        let linear = self.linear(choice);
        let width = 1 << (detail & 3);
        let value = choice.rotate_left(17);
        if std::env::var_os("AERO_FUZZ_TRACE").is_some() {
            eprintln!("{} {detail:#x} at {linear:#x}, stale {}", op % 24, self.stale);
        }
        match op % 24 {
            0..6 => self.access(linear, Access::Read, width, 0),
            6..11 => self.access(linear, Access::Write, width, value),
            11..14 => self.access(linear, Access::Execute, width, 0),
            14 => self.cross(linear, detail & 4 != 0, value),
            15 | 16 => self.remap(linear, entry(&mut Random::new(choice))),
            17 => {
                // Somebody else writes to a table.
                let at = TABLES + choice % (TABLE_PAGES * 512) * 8;
                self.note_write(at, 8);
                self.world.load(at, &entry(&mut Random::new(choice)).to_le_bytes());
            }
            18 => self.set_user(detail & 4 != 0),
            19 => self.write_cr(3, TABLES + u64::from(detail) % TABLE_PAGES * PAGE),
            20 => self.write_cr(0, self.cpu.cr0 ^ cr0::WP),
            21 => {
                self.write_cr(4, self.cpu.cr4 ^ if detail & 4 != 0 { cr4::PGE } else { cr4::PSE })
            }
            22 => {
                self.world.map.set_a20(!self.world.map.a20());
                self.invalidated();
            }
            _ => {
                self.cpu.flush_tlb();
                self.invalidated();
            }
        }
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut bench = Bench::new(&mut input);
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            return;
        }
        bench.step(&mut input);
    }
}
