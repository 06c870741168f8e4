//! Random rows of integer instructions and branches over some of them, in a loop that writes down the
//! registers and flags each time.

use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_cpu::CpuExit;
use aero_interpreter::Interpreter;
use aero_jit::Settings;

use super::machine::{Bits, Machine};
use super::numbers::Random;

const PROGRAMS: u64 = 20;
const INSTRUCTIONS: u64 = 40;
const TURNS: u32 = 40;
/// Where operands are, and behind them the results.
const DATA: u64 = 0x30_0000;
const RESULTS: u32 = 0x30_1000;
/// Offset of the count of turns from [`DATA`], out of reach of the operands.
const COUNT: u32 = 0x800;

impl Random {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Often a number at an edge.
    fn number(&mut self) -> u64 {
        match self.below(6) {
            0 => self.below(4),
            1 => self.below(4).wrapping_sub(2),
            2 => 1 << self.below(64),
            3 => (1_u64 << self.below(64)).wrapping_sub(1),
            4 => self.next() as i8 as u64,
            _ => self.next(),
        }
    }
}

/// An instruction before its prefixes and operands are chosen.
#[derive(Clone, Copy)]
enum Form {
    /// Opcode of bytes, the next one of words; the register or extension of ModRM; what follows; and
    /// whether the operand may be in memory.
    Sized(&'static [u8], Option<u8>, Immediate, bool),
    /// The same for words alone.
    Words(&'static [u8], Option<u8>, Immediate, bool),
    /// Bytes, nothing more.
    Plain(&'static [u8]),
    /// An opcode with a register in it.
    Register(&'static [u8]),
}

#[derive(Clone, Copy)]
enum Immediate {
    None,
    Byte,
    Full,
}

use Form::{Plain, Register, Sized, Words};
use Immediate::{Byte, Full, None as No};

const FORMS: &[Form] = &[
    Sized(&[0x84], None, No, true),
    Sized(&[0x86], None, No, true),
    Sized(&[0x88], None, No, true),
    Sized(&[0x8a], None, No, true),
    Sized(&[0xc6], Some(0), Full, true),
    Sized(&[0xf6], Some(0), Full, true),
    Sized(&[0xf6], Some(2), No, true),
    Sized(&[0xf6], Some(3), No, true),
    Sized(&[0xf6], Some(4), No, true),
    Sized(&[0xf6], Some(5), No, true),
    Sized(&[0xfe], Some(0), No, true),
    Sized(&[0xfe], Some(1), No, true),
    Words(&[0x83], Some(0xff), Byte, true),
    Sized(&[0x80], Some(0xff), Full, true),
    Sized(&[0xc0], Some(0xff), Byte, true),
    Sized(&[0xd0], Some(0xff), No, true),
    Sized(&[0xd2], Some(0xff), No, true),
    Words(&[0x0f, 0xa4], None, Byte, true),
    Words(&[0x0f, 0xa5], None, No, true),
    Words(&[0x0f, 0xac], None, Byte, true),
    Words(&[0x0f, 0xad], None, No, true),
    Words(&[0x0f, 0xaf], None, No, true),
    Words(&[0x6b], None, Byte, true),
    Words(&[0x69], None, Full, true),
    Words(&[0x0f, 0xb6], None, No, true),
    Words(&[0x0f, 0xb7], None, No, true),
    Words(&[0x0f, 0xbe], None, No, true),
    Words(&[0x0f, 0xbf], None, No, true),
    Words(&[0x0f, 0xa3], None, No, false),
    Words(&[0x0f, 0xab], None, No, false),
    Words(&[0x0f, 0xb3], None, No, false),
    Words(&[0x0f, 0xbb], None, No, false),
    Words(&[0x0f, 0xba], Some(4), Byte, true),
    Words(&[0x0f, 0xba], Some(5), Byte, true),
    Words(&[0x0f, 0xba], Some(6), Byte, true),
    Words(&[0x0f, 0xba], Some(7), Byte, true),
    Words(&[0x0f, 0xbc], None, No, true),
    Words(&[0x0f, 0xbd], None, No, true),
    Sized(&[0x0f, 0xb0], None, No, true),
    Sized(&[0x0f, 0xc0], None, No, true),
    Words(&[0x8d], None, No, true),
    Plain(&[0x98]),
    Plain(&[0x99]),
    Plain(&[0xf5]),
    Plain(&[0xf8]),
    Plain(&[0xf9]),
    Plain(&[0x9e]),
    Plain(&[0x9f]),
    // PUSHF and POP RBP or EBP; PUSH and POP of others.
    Plain(&[0x9c, 0x5d]),
    Plain(&[0x50, 0x5b]),
    Register(&[0x0f, 0xc8]),
];

/// Conditional moves and sets, for each of the conditions.
const CONDITIONAL: [u8; 2] = [0x40, 0x90];

struct Writer {
    random: Random,
    bits: Bits,
    code: Vec<u8>,
}

impl Writer {
    /// A register that is free for use, and the bit of REX for it.
    fn register(&mut self) -> (u8, u8) {
        let low: &[u8] = &[0, 1, 2, 3, 5];
        if self.bits == Bits::Long && self.random.below(3) == 0 {
            return (self.random.below(8) as u8, 1);
        }
        (self.random.pick(low), 0)
    }

    fn instruction(&mut self) {
        match self.random.below(10) {
            0..=2 => {
                // The eight of arithmetic, in both directions.
                let opcode = (self.random.below(8) << 3 | self.random.below(2) << 1) as u8;
                self.operands(&[opcode], true, None, No, true);
            }
            3 => {
                let of = self.random.pick(&CONDITIONAL);
                let opcode = [0x0f, of | self.random.below(16) as u8];
                let word = of == CONDITIONAL[0];
                self.operands(&opcode, false, (!word).then_some(0), No, true);
            }
            _ => match self.random.pick(FORMS) {
                Sized(opcode, extension, immediate, memory) => {
                    self.operands(opcode, true, extension, immediate, memory);
                }
                Words(opcode, extension, immediate, memory) => {
                    self.operands(opcode, false, extension, immediate, memory);
                }
                Plain(bytes) => self.code.extend_from_slice(bytes),
                Register(opcode) => {
                    let (register, b) = self.register();
                    if self.bits == Bits::Long {
                        let w = self.random.below(2) as u8;
                        self.code.push(0x40 | w << 3 | b);
                    }
                    self.code.push(opcode[0]);
                    self.code.push(opcode[1] | register);
                }
            },
        }
    }

    /// `sized`: the opcode is the one for bytes, and the next that for words.
    fn operands(
        &mut self,
        opcode: &[u8],
        sized: bool,
        extension: Option<u8>,
        immediate: Immediate,
        memory: bool,
    ) {
        let long = self.bits == Bits::Long;
        let byte = sized && self.random.below(3) == 0;
        let word = self.random.below(4) == 0;
        let wide = long && self.random.below(2) == 0;
        let (mut reg, mut r) = self.register();
        if let Some(extension) = extension {
            let any = self.random.below(8) as u8;
            (reg, r) = (if extension == 0xff { any } else { extension }, 0);
        }
        let is_lea = opcode == [0x8d];
        let in_memory = is_lea || memory && self.random.below(3) == 0;
        let (rm, b) = if in_memory { (6, 0) } else { self.register() };
        if word {
            self.code.push(0x66);
        }
        // Without REX, 4 to 7 are AH to BH.
        let bytes_high = byte && long && self.random.below(2) == 0 && r | b == 0;
        if long && !bytes_high {
            self.code.push(0x40 | u8::from(wide) << 3 | r << 2 | b);
        }
        let (last, first) = opcode.split_last().expect("an opcode has a byte");
        self.code.extend_from_slice(first);
        self.code.push(last | u8::from(sized && !byte));
        if in_memory {
            let at = self.random.below(64) as u8;
            self.code.extend_from_slice(&[0x40 | reg << 3 | rm, at]);
        } else {
            self.code.push(0xc0 | reg << 3 | rm);
        }
        let number = self.random.number().to_le_bytes();
        let has_wide = wide && !bytes_high;
        let length = match immediate {
            No => 0,
            Byte => 1,
            Full if byte => 1,
            Full if word && !has_wide => 2,
            Full => 4,
        };
        self.code.extend_from_slice(&number[..length]);
    }

    /// `[RDI + at] = register`, as wide as registers are.
    fn write_down(&mut self, register: u8, at: u8) {
        if self.bits == Bits::Long {
            self.code.push(0x48 | (register >> 3) << 2);
        }
        self.code.extend_from_slice(&[0x89, 0x47 | (register & 7) << 3, at]);
    }

    fn program(mut self) -> Vec<u8> {
        // MOV ESI, DATA; MOV EDI, RESULTS; MOV dword [RSI + COUNT], TURNS
        self.code.push(0xbe);
        self.code.extend_from_slice(&(DATA as u32).to_le_bytes());
        self.code.push(0xbf);
        self.code.extend_from_slice(&RESULTS.to_le_bytes());
        self.code.extend_from_slice(&[0xc7, 0x86]);
        self.code.extend_from_slice(&COUNT.to_le_bytes());
        self.code.extend_from_slice(&TURNS.to_le_bytes());
        let top = self.code.len();
        // Branches forward: where they are, and how many instructions they skip.
        let mut branches: Vec<(usize, u64)> = Vec::new();
        for _ in 0..INSTRUCTIONS {
            if self.random.below(6) == 0 {
                self.code.push(0x70 | self.random.below(16) as u8);
                branches.push((self.code.len(), 1 + self.random.below(4)));
                self.code.push(0);
            }
            self.instruction();
            let here = self.code.len();
            branches.retain_mut(|(at, left)| {
                *left -= 1;
                if *left == 0 {
                    self.code[*at] = (here - *at - 1) as u8;
                }
                *left != 0
            });
        }
        let here = self.code.len();
        for (at, _) in branches {
            self.code[at] = (here - at - 1) as u8;
        }
        // PUSHF; POP [RDI]
        self.code.extend_from_slice(&[0x9c, 0x8f, 0x07]);
        for (n, register) in [0, 1, 2, 3, 5].into_iter().enumerate() {
            self.write_down(register, 8 + 8 * n as u8);
        }
        if self.bits == Bits::Long {
            for register in 8..16 {
                self.write_down(register, 8 * (register - 2));
            }
            self.code.push(0x48);
        }
        // ADD RDI, 112; DEC dword [RSI + COUNT]; JNZ top; HLT
        self.code.extend_from_slice(&[0x83, 0xc7, 112, 0xff, 0x8e]);
        self.code.extend_from_slice(&COUNT.to_le_bytes());
        self.code.extend_from_slice(&[0x0f, 0x85]);
        let back = top as i32 - (self.code.len() as i32 + 4);
        self.code.extend_from_slice(&back.to_le_bytes());
        self.code.push(0xf4);
        self.code
    }
}

#[test]
fn random_integer_programs_end_as_with_the_interpreter() {
    for seed in 1..=PROGRAMS {
        for bits in [Bits::Long, Bits::Flat] {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let data: Vec<u8> = (0..32).flat_map(|_| random.number().to_le_bytes()).collect();
            let registers: [u64; 16] = std::array::from_fn(|_| random.number());
            let code = Writer { random, bits, code: Vec::new() }.program();
            let machine = || {
                let mut machine = Machine::new(bits, &code);
                machine.platform.map.ram().write_slice(&data, GuestAddress(DATA)).unwrap();
                for n in (0..16).filter(|n| *n != 4) {
                    let mask = if bits == Bits::Long { u64::MAX } else { u32::MAX.into() };
                    machine.cpu.regs[n] = registers[n] & mask;
                }
                machine
            };
            let mut expected = machine();
            let by_interpreter = expected.run(&mut Interpreter::new());
            assert_eq!(by_interpreter.exit, CpuExit::Halted, "seed {seed}, {bits:?}: {code:02x?}");
            let mut found = machine();
            let mut jit = found.jit(Settings::eager());
            let by_jit = found.run(&mut jit);
            let (a, b) = (found.data(), expected.data());
            let at = a.iter().zip(&b).position(|(a, b)| a != b);
            assert_eq!(at, None, "memory differs: seed {seed}, {bits:?}: {code:02x?}");
            assert_eq!(found.state(), expected.state(), "seed {seed}, {bits:?}: {code:02x?}");
            assert_eq!(by_jit, by_interpreter, "seed {seed}, {bits:?}: {code:02x?}");
        }
    }
}
