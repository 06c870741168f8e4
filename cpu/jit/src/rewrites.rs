//! Code that is written to: what of it changes, and whether it is worth translating again.
//!
//! Some programs write a number into an instruction and then run it, again and again. Where only the
//! immediate or the displacement of an instruction has been seen to change, a region reads it from
//! memory each time, and these bytes are no part of the code that it was made of.

use aero_bus::PAGE_SIZE;
use aero_cpu::Exec;
use aero_interpreter::constants;
use iced_x86::{Instruction, Mnemonic};

use crate::region::Bytes;
use crate::store::QuickMap;

/// From so many changes on, a byte is taken to go on changing.
const TIMES: u8 = 2;
/// Where more bytes in a row have changed, there is other code now.
const MOST_IN_A_ROW: usize = 8;
/// Bytes that changes are counted of; then counting begins anew.
const MOST_BYTES: usize = 1 << 14;

/// What is known of code that was written to after it had been translated.
#[derive(Default)]
pub struct Rewrites {
    /// By page: how often code was found changed, and how often code there has been hot since.
    pages: QuickMap<u64, (u32, u32)>,
    /// How often bytes have changed, by their host offsets.
    bytes: QuickMap<u64, u8>,
}

impl Rewrites {
    /// Whether memory still has this code. What has changed is noted.
    pub fn is_current<'a>(
        &mut self,
        exec: &Exec<'_>,
        code: impl Iterator<Item = &'a Bytes>,
    ) -> bool {
        let mut changed = Vec::new();
        for part in code {
            let page = exec.code_bytes(part.host);
            let now = &page[(part.host % PAGE_SIZE) as usize..][..part.bytes.len()];
            if now != part.bytes {
                let both = (part.host..).zip(now.iter().zip(&part.bytes));
                changed.extend(both.filter(|(_, (now, then))| now != then).map(|(host, _)| host));
            }
        }
        let Some(first) = changed.first() else { return true };
        self.pages.entry(first & !(PAGE_SIZE - 1)).or_default().0 += 1;
        if self.bytes.len() >= MOST_BYTES {
            self.bytes.clear();
        }
        let mut rows = changed.chunk_by(|one, next| one + 1 == *next);
        let replaced = rows.any(|row| row.len() > MOST_IN_A_ROW);
        for host in changed {
            if replaced {
                self.bytes.remove(&host);
            } else {
                let times = self.bytes.entry(host).or_default();
                *times = times.saturating_add(1);
            }
        }
        false
    }

    /// Hot code in this page is worth less each time it was rewritten: whether it is its turn now. The
    /// number of times counts up to `most`.
    pub fn is_due(&mut self, page: u64, most: u32) -> bool {
        let Some((times, hot)) = self.pages.get_mut(&page) else { return true };
        *hot += 1;
        let due = *hot >= 1 << (*times).min(most);
        if due {
            *hot = 0;
        }
        due
    }

    /// Whether the byte at this host offset has changed before and will again.
    pub fn varies(&self, host: u64) -> bool {
        self.bytes.get(&host).is_some_and(|times| *times >= TIMES)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.bytes.clear();
    }
}

/// A number in the encoding of an instruction, sign-extended to what it is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// Host offset of its first byte; it lies in one page.
    pub host: u64,
    /// Bytes.
    pub size: u8,
}

/// The numbers in an instruction that are to be read from memory when it is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The immediate.
    pub immediate: Option<Number>,
    /// The displacement of the operand in memory.
    pub displacement: Option<Number>,
}

impl Numbers {
    /// Those of an instruction that lies in one page, from `host` on, with this encoding. None if more
    /// of it `varies` than can be read when it is executed.
    pub fn new(
        instr: &Instruction,
        (host, encoding): (u64, &[u8]),
        code_bits: u32,
        varies: impl Fn(u64) -> bool,
    ) -> Self {
        let varying: Vec<u64> = (host..).take(encoding.len()).filter(|at| varies(*at)).collect();
        if varying.is_empty() {
            return Self::default();
        }
        let offsets = constants(encoding, code_bits);
        let number = |has: bool, offset: usize, size: usize| {
            let number = Number { host: host + offset as u64, size: size as u8 };
            (has && varying.iter().any(|at| number.has(*at))).then_some(number)
        };
        let numbers = Self {
            immediate: number(
                offsets.has_immediate() && !offsets.has_immediate2() && takes_any_number(instr),
                offsets.immediate_offset(),
                offsets.immediate_size(),
            ),
            displacement: number(
                offsets.has_displacement() && !instr.is_ip_rel_memory_operand(),
                offsets.displacement_offset(),
                offsets.displacement_size(),
            ),
        };
        if varying.iter().all(|at| numbers.have(*at)) { numbers } else { Self::default() }
    }

    /// Whether the byte at this host offset belongs to one of them.
    pub fn have(&self, host: u64) -> bool {
        self.immediate.is_some_and(|number| number.has(host))
            || self.displacement.is_some_and(|number| number.has(host))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Number {
    fn has(&self, host: u64) -> bool {
        (self.host..self.host + u64::from(self.size)).contains(&host)
    }
}

/// Whether what is made of an instruction is the same for every immediate.
fn takes_any_number(instr: &Instruction) -> bool {
    use Mnemonic as M;
    matches!(
        instr.mnemonic(),
        M::Mov
            | M::Add
            | M::Or
            | M::Adc
            | M::Sbb
            | M::And
            | M::Sub
            | M::Xor
            | M::Cmp
            | M::Test
            | M::Push
    )
}
