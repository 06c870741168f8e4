//! Code that is written to: what of it changes, and whether it is worth translating again.
//!
//! Some programs write a number into an instruction and then run it, again and again. Where only the
//! immediate or the displacement of an instruction has been seen to change, a region reads it from
//! memory each time, and these bytes are no part of the code that it was made of.

use aero_bus::PAGE_SIZE;
use aero_cpu::Exec;
use aero_interpreter::decode_constants;
use iced_x86::{Instruction, Mnemonic};

use crate::region::Bytes;
use crate::store::QuickMap;

/// From so many changes on, an instruction's numbers are taken to go on changing.
const TIMES: u8 = 2;
/// What has changed so often for all that cannot be read when it is executed.
const TOO_OFTEN: u8 = 16;
/// Instructions that changes are counted of; then counting begins anew.
const MOST_INSTRUCTIONS: usize = 1 << 14;

/// What is known of code that was written to after it had been translated.
#[derive(Default)]
pub struct Rewrites {
    /// By page: how often code was found changed, and how often code there has been hot since.
    pages: QuickMap<u64, (u32, u32)>,
    /// How often nothing but [`Numbers`] of an instruction changed, by the host offset where it begins.
    instructions: QuickMap<u64, u8>,
}

impl Rewrites {
    /// Whether memory still has this code of 16, 32 or 64 bits. What has changed is noted.
    pub fn is_current<'a>(
        &mut self,
        exec: &Exec<'_>,
        code: impl Iterator<Item = &'a Bytes>,
        code_bits: u32,
    ) -> bool {
        let mut current = true;
        for part in code {
            let page = exec.code_bytes(part.host);
            let now = &page[(part.host % PAGE_SIZE) as usize..][..part.bytes.len()];
            if now == part.bytes {
                continue;
            }
            current = false;
            let mut only_numbers = true;
            for range in part.instructions() {
                let (then, now) = (&part.bytes[range.clone()], &now[range.clone()]);
                if then != now {
                    let host = part.host + range.start as u64;
                    only_numbers &= self.note(host, then, now, code_bits);
                }
            }
            if !only_numbers {
                self.pages.entry(part.host & !(PAGE_SIZE - 1)).or_default().0 += 1;
            }
        }
        current
    }

    /// Notes that an instruction is not what it was. Whether only its numbers have changed,
    /// which need not matter from now on.
    fn note(&mut self, host: u64, then: &[u8], now: &[u8], code_bits: u32) -> bool {
        let numbers = Numbers::new(then, host, code_bits);
        let mut changed = (host..).zip(then.iter().zip(now)).filter(|(_, (then, now))| then != now);
        if !changed.all(|(at, _)| numbers.have(at)) {
            self.instructions.remove(&host);
            return false;
        }
        if self.instructions.len() >= MOST_INSTRUCTIONS {
            self.instructions.clear();
        }
        let times = self.instructions.entry(host).or_default();
        *times = times.saturating_add(1);
        *times < TOO_OFTEN
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

    /// Whether the numbers of the instruction at this host offset have changed before and will again.
    pub fn varies(&self, host: u64) -> bool {
        self.instructions.get(&host).is_some_and(|times| *times >= TIMES)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.instructions.clear();
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
    /// Those that can be, of an instruction that lies in one page, from `host` on, with this encoding.
    pub fn new(encoding: &[u8], host: u64, code_bits: u32) -> Self {
        let (instr, offsets) = decode_constants(encoding, code_bits);
        let number =
            |offset: usize, size: usize| Number { host: host + offset as u64, size: size as u8 };
        let immediate =
            offsets.has_immediate() && !offsets.has_immediate2() && takes_any_number(&instr);
        let displacement = offsets.has_displacement() && !instr.is_ip_rel_memory_operand();
        Self {
            immediate: immediate
                .then(|| number(offsets.immediate_offset(), offsets.immediate_size())),
            displacement: displacement
                .then(|| number(offsets.displacement_offset(), offsets.displacement_size())),
        }
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
