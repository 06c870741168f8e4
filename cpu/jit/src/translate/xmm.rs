//! XMM registers in generated code.
//!
//! A register is a v128. One that a region mostly computes scalars with has its lowest lane in an f64 or
//! f32 of its own, which is then the valid one; the lane in the v128 says nothing.

use aero_cpu::layout;
use iced_x86::{Code as C, InstructionInfoFactory, Mnemonic, OpKind, Register, UsedRegister};
use wasm_encoder::ValType;

use super::Translator;
use super::registers::writes;
use crate::code::at;
use crate::region::Insn;

/// A format of floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Float {
    /// Single precision.
    Single,
    /// Double precision.
    Double,
}

impl Float {
    /// Bytes of a value.
    pub fn bytes(self) -> u32 {
        match self {
            Self::Single => 4,
            Self::Double => 8,
        }
    }

    /// The type of values.
    pub fn ty(self) -> ValType {
        match self {
            Self::Single => ValType::F32,
            Self::Double => ValType::F64,
        }
    }
}

/// What is known of a register's lanes: that they are neither denormal nor NaN. It holds unless the
/// block's local for doubts is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clean(u8);

impl Clean {
    /// Nothing.
    pub const NOTHING: Self = Self(0);

    /// Of the lowest lane.
    pub fn scalar(float: Float) -> Self {
        Self(match float {
            Float::Single => 1,
            Float::Double => 2,
        })
    }

    /// Of all lanes.
    pub fn packed(float: Float) -> Self {
        Self(match float {
            Float::Single => 1 | 4,
            Float::Double => 2 | 8,
        })
    }

    /// Whether all of `other` is known.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[derive(Clone, Copy)]
struct Home {
    vector: u32,
    low: Option<(Float, u32)>,
}

/// The XMM registers of a region.
#[derive(Default)]
pub struct Xmm {
    homes: [Option<Home>; 16],
    written: u16,
    /// What is known here.
    pub clean: [Clean; 16],
    /// The local for doubts, once there is one.
    doubt: Option<u32>,
    /// Whether it has a value in this block.
    pub ready: bool,
}

impl Xmm {
    /// A block is entered, from anywhere.
    pub fn enter_block(&mut self) {
        self.clean = [Clean::NOTHING; 16];
        self.ready = false;
    }
}

/// Number of an XMM register.
pub fn number(register: Register) -> Option<usize> {
    (register.is_xmm() && register.number() < 16).then(|| register.number())
}

/// How an instruction takes its XMM registers: as scalars of a format or whole; `None` if it does not
/// matter.
fn taken(insn: &Insn) -> Option<Option<Float>> {
    use Mnemonic as M;
    let instr = &insn.instr;
    Some(match instr.mnemonic() {
        M::Addsd | M::Subsd | M::Mulsd | M::Divsd | M::Sqrtsd | M::Minsd | M::Maxsd => {
            Some(Float::Double)
        }
        M::Movsd | M::Ucomisd | M::Comisd | M::Cvtsi2sd | M::Cvttsd2si | M::Cvtsd2si => {
            Some(Float::Double)
        }
        M::Cmpsd | M::Roundsd => Some(Float::Double),
        M::Addss | M::Subss | M::Mulss | M::Divss | M::Sqrtss | M::Minss | M::Maxss => {
            Some(Float::Single)
        }
        M::Movss | M::Ucomiss | M::Comiss | M::Cvtsi2ss | M::Cvttss2si | M::Cvtss2si => {
            Some(Float::Single)
        }
        M::Cmpss | M::Roundss => Some(Float::Single),
        M::Cvtsd2ss | M::Cvtss2sd => return None,
        M::Movaps | M::Movapd | M::Movdqa | M::Xorps | M::Xorpd | M::Pxor
            if instr.op1_kind() == OpKind::Register =>
        {
            return None;
        }
        _ => None,
    })
}

/// Instructions that load all registers, or MXCSR, unknown to iced.
fn loads_state(code: C) -> bool {
    matches!(code, C::Fxrstor_m512byte | C::Fxrstor64_m512byte)
}

impl Translator<'_> {
    /// Gives each XMM register that occurs its locals.
    pub(super) fn assign_xmm(&mut self) {
        if !self.region.mode.has_sse() {
            return;
        }
        let mut info = InstructionInfoFactory::new();
        let mut used = 0_u16;
        // How often it is taken as a single, a double, and whole.
        let mut counts = [[0_u32; 3]; 16];
        for insn in self.region.blocks.iter().flat_map(|block| &block.insns) {
            for register in info.info(&insn.instr).used_registers() {
                let Some(n) = number(register.register()) else { continue };
                used |= 1 << n;
                if writes(register.access()) {
                    self.xmm.written |= 1 << n;
                }
                if let Some(taken) = taken(insn) {
                    counts[n][taken.map_or(2, |float| float as usize)] += 1;
                }
            }
        }
        for (n, [single, double, whole]) in counts.into_iter().enumerate() {
            if used & 1 << n == 0 {
                continue;
            }
            let float = if single > double.max(whole) {
                Some(Float::Single)
            } else if double > whole {
                Some(Float::Double)
            } else {
                None
            };
            let vector = self.code.local(ValType::V128);
            let low = float.map(|float| (float, self.code.local(float.ty())));
            self.xmm.homes[n] = Some(Home { vector, low });
        }
    }

    fn home(&self, n: usize) -> Home {
        self.xmm.homes[n].expect("registers that occur have locals")
    }

    fn xmm_address(&self, n: usize) -> u32 {
        self.addresses.cpu + (layout::XMM + 16 * n) as u32
    }

    fn load_xmm_register(&mut self, n: usize) {
        let (home, address) = (self.home(n), at(self.xmm_address(n)));
        self.code.op().i32_const(0).v128_load(address).local_set(home.vector);
        match home.low {
            Some((Float::Double, low)) => {
                self.code.op().i32_const(0).f64_load(address).local_set(low);
            }
            Some((Float::Single, low)) => {
                self.code.op().i32_const(0).f32_load(address).local_set(low);
            }
            None => {}
        }
        self.xmm.clean[n] = Clean::NOTHING;
    }

    /// Loads all that the region has in locals.
    pub(super) fn load_xmm(&mut self) {
        for n in 0..16 {
            if self.xmm.homes[n].is_some() {
                self.load_xmm_register(n);
            }
        }
    }

    /// Stores all that the region changes.
    pub(super) fn store_xmm(&mut self) {
        for n in 0..16 {
            if self.xmm.written & 1 << n == 0 {
                continue;
            }
            let (home, address) = (self.home(n), at(self.xmm_address(n)));
            self.code.op().i32_const(0).local_get(home.vector).v128_store(address);
            match home.low {
                Some((Float::Double, low)) => {
                    self.code.op().i32_const(0).local_get(low).f64_store(address);
                }
                Some((Float::Single, low)) => {
                    self.code.op().i32_const(0).local_get(low).f32_store(address);
                }
                None => {}
            }
        }
    }

    /// Loads what the interpreter changed when it executed this instruction.
    pub(super) fn load_changed_xmm(&mut self, insn: &Insn, registers: &[UsedRegister]) {
        let code = insn.instr.code();
        if loads_state(code) {
            self.load_xmm();
        }
        if loads_state(code) || code == C::Ldmxcsr_m32 {
            self.xmm.enter_block();
        }
        for register in registers {
            if writes(register.access())
                && let Some(n) = number(register.register())
                && self.xmm.homes[n].is_some()
            {
                self.load_xmm_register(n);
            }
        }
    }

    /// The local that is not zero while what is known of registers need not hold, or MXCSR does not
    /// allow for the host's arithmetic.
    pub(super) fn doubt(&mut self) -> u32 {
        if let Some(local) = self.xmm.doubt {
            return local;
        }
        let local = self.code.local(ValType::I32);
        self.xmm.doubt = Some(local);
        local
    }

    /// Pushes a register.
    pub fn push_xmm(&mut self, n: usize) {
        let home = self.home(n);
        self.code.op().local_get(home.vector);
        match home.low {
            Some((Float::Double, low)) => {
                self.code.op().local_get(low).f64x2_replace_lane(0);
            }
            Some((Float::Single, low)) => {
                self.code.op().local_get(low).f32x4_replace_lane(0);
            }
            None => {}
        }
    }

    /// Sets a register from the v128 on the stack.
    pub fn set_xmm(&mut self, n: usize) {
        let home = self.home(n);
        match home.low {
            Some((Float::Double, low)) => {
                self.code.op().local_tee(home.vector).f64x2_extract_lane(0).local_set(low);
            }
            Some((Float::Single, low)) => {
                self.code.op().local_tee(home.vector).f32x4_extract_lane(0).local_set(low);
            }
            None => {
                self.code.op().local_set(home.vector);
            }
        }
        self.xmm.clean[n] = Clean::NOTHING;
    }

    /// The local of a register's lowest lane, if it has one of this format.
    pub fn low_local(&self, n: usize, float: Float) -> Option<u32> {
        self.home(n).low.filter(|(have, _)| *have == float).map(|(_, low)| low)
    }

    /// Pushes a register's lowest lane.
    pub fn push_low(&mut self, n: usize, float: Float) {
        match self.home(n).low {
            Some((have, low)) if have == float => {
                self.code.op().local_get(low);
            }
            _ => {
                self.push_xmm(n);
                self.extract_low(float);
            }
        }
    }

    /// From a v128 on the stack to its lowest lane.
    pub fn extract_low(&mut self, float: Float) {
        match float {
            Float::Single => self.code.op().f32x4_extract_lane(0),
            Float::Double => self.code.op().f64x2_extract_lane(0),
        };
    }

    /// Sets a register's lowest lane from the value on the stack; the others stay.
    pub fn set_low(&mut self, n: usize, float: Float) {
        let home = self.home(n);
        match home.low {
            Some((have, low)) if have == float => {
                self.code.op().local_set(low);
                self.xmm.clean[n] = Clean::NOTHING;
            }
            _ => {
                let value = self.code.keep(float.ty());
                self.push_xmm(n);
                self.get(&value);
                match float {
                    Float::Single => self.code.op().f32x4_replace_lane(0),
                    Float::Double => self.code.op().f64x2_replace_lane(0),
                };
                self.code.free(value);
                self.set_xmm(n);
            }
        }
    }

    /// Sets a register's lowest lane from the value on the stack, and clears the others.
    pub fn set_low_alone(&mut self, n: usize, float: Float) {
        let home = self.home(n);
        match home.low {
            Some((have, low)) if have == float => {
                self.code.op().local_set(low).v128_const(0).local_set(home.vector);
                self.xmm.clean[n] = Clean::NOTHING;
            }
            _ => {
                let value = self.code.keep(float.ty());
                self.code.op().v128_const(0);
                self.get(&value);
                match float {
                    Float::Single => self.code.op().f32x4_replace_lane(0),
                    Float::Double => self.code.op().f64x2_replace_lane(0),
                };
                self.code.free(value);
                self.set_xmm(n);
            }
        }
    }

    /// Copies a whole register.
    pub fn copy_xmm(&mut self, to: usize, from: usize) {
        let (source, target) = (self.home(from), self.home(to));
        let clean = self.xmm.clean[from];
        match (source.low, target.low) {
            (Some((a, source_low)), Some((b, target_low))) if a == b => {
                self.code.op().local_get(source.vector).local_set(target.vector);
                self.code.op().local_get(source_low).local_set(target_low);
            }
            _ => {
                self.push_xmm(from);
                self.set_xmm(to);
            }
        }
        self.xmm.clean[to] = clean;
    }

    /// Clears a register.
    pub fn clear_xmm(&mut self, n: usize) {
        let home = self.home(n);
        self.code.op().v128_const(0).local_set(home.vector);
        match home.low {
            Some((Float::Double, low)) => {
                self.code.op().f64_const(0.0.into()).local_set(low);
            }
            Some((Float::Single, low)) => {
                self.code.op().f32_const(0.0.into()).local_set(low);
            }
            None => {}
        }
        self.xmm.clean[n] = Clean::packed(Float::Single).with(Clean::packed(Float::Double));
    }
}
