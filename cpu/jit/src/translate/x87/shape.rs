//! What x87 instructions do to the register stack, known while translating.

use aero_cpu::F80;
use iced_x86::{Code, Instruction, OpKind, Register};

/// A number in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Single precision.
    Single,
    /// Double precision.
    Double,
    /// Double extended precision.
    Extended,
    /// A signed integer of 16 bits.
    Word,
    /// A signed integer of 32 bits.
    Dword,
    /// A signed integer of 64 bits.
    Qword,
}

impl Format {
    /// In bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Self::Word => 2,
            Self::Single | Self::Dword => 4,
            Self::Double | Self::Qword => 8,
            Self::Extended => 10,
        }
    }
}

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    Sub,
    SubReversed,
    Mul,
    Div,
    DivReversed,
}

/// The second operand of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// ST(i).
    Register(u8),
    /// In memory.
    Memory(Format),
    /// Plus zero.
    Zero,
}

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pushes a number from memory.
    Load(Format),
    /// Pushes ST(i).
    LoadRegister(u8),
    /// Pushes a constant; whether it depends on the rounding control.
    Constant(F80, bool),
    /// Stores ST(0) to memory; whether it truncates; whether it pops.
    Store { format: Format, truncate: bool, pop: bool },
    /// Copies ST(0) to ST(i).
    StoreRegister { to: u8, pop: bool },
    /// Exchanges ST(0) and ST(i).
    Exchange(u8),
    /// Computes ST(to) from it and an operand.
    Arithmetic { op: Binary, to: u8, operand: Operand, pop: bool },
    /// Compares ST(0), and sets the condition codes or the arithmetic flags.
    Compare { operand: Operand, pops: u8, flags: bool },
    /// FCHS.
    ChangeSign,
    /// FABS.
    Absolute,
    /// FCMOVcc, with the condition as in Jcc.
    Move { condition: u8, from: u8 },
    /// FRNDINT.
    RoundToInteger,
    /// FLDCW.
    LoadControl,
    /// FNSTCW.
    StoreControl,
    /// FNSTSW to memory.
    StoreStatus,
    /// FNSTSW AX.
    StatusToAx,
    /// FNCLEX.
    ClearExceptions,
    /// WAIT.
    Wait,
    /// FNOP.
    Nop,
    /// FINCSTP, FDECSTP: what to add to TOP.
    Turn(u8),
    /// FFREE.
    Free(u8),
}

/// Index of a register operand.
fn st(instr: &Instruction, operand: u32) -> u8 {
    (instr.op_register(operand) as u32).wrapping_sub(Register::ST0 as u32) as u8 & 7
}

/// What an instruction does, if it is one that is translated.
pub fn kind(instr: &Instruction) -> Option<Kind> {
    if let Some((op, format)) = with_memory(instr.code()) {
        return Some(Kind::Arithmetic { op, to: 0, operand: Operand::Memory(format), pop: false });
    }
    if let Some((op, pop)) = with_register(instr.code()) {
        let (to, from) = (st(instr, 0), st(instr, 1));
        return Some(Kind::Arithmetic { op, to, operand: Operand::Register(from), pop });
    }
    moving(instr).or_else(|| comparing(instr)).or_else(|| controlling(instr.code(), instr))
}

fn with_memory(code: Code) -> Option<(Binary, Format)> {
    use Binary::*;
    use Code::*;
    use Format::*;
    Some(match code {
        Fadd_m32fp => (Add, Single),
        Fmul_m32fp => (Mul, Single),
        Fsub_m32fp => (Sub, Single),
        Fsubr_m32fp => (SubReversed, Single),
        Fdiv_m32fp => (Div, Single),
        Fdivr_m32fp => (DivReversed, Single),
        Fadd_m64fp => (Add, Double),
        Fmul_m64fp => (Mul, Double),
        Fsub_m64fp => (Sub, Double),
        Fsubr_m64fp => (SubReversed, Double),
        Fdiv_m64fp => (Div, Double),
        Fdivr_m64fp => (DivReversed, Double),
        Fiadd_m16int => (Add, Word),
        Fimul_m16int => (Mul, Word),
        Fisub_m16int => (Sub, Word),
        Fisubr_m16int => (SubReversed, Word),
        Fidiv_m16int => (Div, Word),
        Fidivr_m16int => (DivReversed, Word),
        Fiadd_m32int => (Add, Dword),
        Fimul_m32int => (Mul, Dword),
        Fisub_m32int => (Sub, Dword),
        Fisubr_m32int => (SubReversed, Dword),
        Fidiv_m32int => (Div, Dword),
        Fidivr_m32int => (DivReversed, Dword),
        _ => return None,
    })
}

fn with_register(code: Code) -> Option<(Binary, bool)> {
    use Binary::*;
    use Code::*;
    Some(match code {
        Fadd_st0_sti | Fadd_sti_st0 => (Add, false),
        Fmul_st0_sti | Fmul_sti_st0 => (Mul, false),
        Fsub_st0_sti | Fsub_sti_st0 => (Sub, false),
        Fsubr_st0_sti | Fsubr_sti_st0 => (SubReversed, false),
        Fdiv_st0_sti | Fdiv_sti_st0 => (Div, false),
        Fdivr_st0_sti | Fdivr_sti_st0 => (DivReversed, false),
        Faddp_sti_st0 => (Add, true),
        Fmulp_sti_st0 => (Mul, true),
        Fsubp_sti_st0 => (Sub, true),
        Fsubrp_sti_st0 => (SubReversed, true),
        Fdivp_sti_st0 => (Div, true),
        Fdivrp_sti_st0 => (DivReversed, true),
        _ => return None,
    })
}

fn moving(instr: &Instruction) -> Option<Kind> {
    use Code::*;
    use Format::*;
    let store = |format, pop| Kind::Store { format, truncate: false, pop };
    let truncate = |format| Kind::Store { format, truncate: true, pop: true };
    let conditional = |condition| Kind::Move { condition, from: st(instr, 1) };
    Some(match instr.code() {
        Fld_m32fp => Kind::Load(Single),
        Fld_m64fp => Kind::Load(Double),
        Fld_m80fp => Kind::Load(Extended),
        Fild_m16int => Kind::Load(Word),
        Fild_m32int => Kind::Load(Dword),
        Fild_m64int => Kind::Load(Qword),
        Fld_sti => Kind::LoadRegister(st(instr, 0)),
        Fld1 => Kind::Constant(F80::ONE, false),
        Fldz => Kind::Constant(F80::ZERO, false),
        Fldl2t => Kind::Constant(F80::LOG2_10, true),
        Fldl2e => Kind::Constant(F80::LOG2_E, true),
        Fldpi => Kind::Constant(F80::PI, true),
        Fldlg2 => Kind::Constant(F80::LOG10_2, true),
        Fldln2 => Kind::Constant(F80::LN_2, true),
        Fst_m32fp => store(Single, false),
        Fstp_m32fp => store(Single, true),
        Fst_m64fp => store(Double, false),
        Fstp_m64fp => store(Double, true),
        Fstp_m80fp => store(Extended, true),
        Fist_m16int => store(Word, false),
        Fistp_m16int => store(Word, true),
        Fist_m32int => store(Dword, false),
        Fistp_m32int => store(Dword, true),
        Fistp_m64int => store(Qword, true),
        Fisttp_m16int => truncate(Word),
        Fisttp_m32int => truncate(Dword),
        Fisttp_m64int => truncate(Qword),
        Fst_sti => Kind::StoreRegister { to: st(instr, 0), pop: false },
        Fstp_sti => Kind::StoreRegister { to: st(instr, 0), pop: true },
        Fxch_st0_sti => Kind::Exchange(st(instr, 1)),
        Fcmovb_st0_sti => conditional(2),
        Fcmovnb_st0_sti => conditional(3),
        Fcmove_st0_sti => conditional(4),
        Fcmovne_st0_sti => conditional(5),
        Fcmovbe_st0_sti => conditional(6),
        Fcmovnbe_st0_sti => conditional(7),
        Fcmovu_st0_sti => conditional(10),
        Fcmovnu_st0_sti => conditional(11),
        _ => return None,
    })
}

fn comparing(instr: &Instruction) -> Option<Kind> {
    use Code::*;
    use Format::*;
    let register =
        |pops| Kind::Compare { operand: Operand::Register(st(instr, 1)), pops, flags: false };
    let memory =
        |format, pops| Kind::Compare { operand: Operand::Memory(format), pops, flags: false };
    let flags =
        |pops| Kind::Compare { operand: Operand::Register(st(instr, 1)), pops, flags: true };
    Some(match instr.code() {
        Fcom_m32fp => memory(Single, 0),
        Fcomp_m32fp => memory(Single, 1),
        Fcom_m64fp => memory(Double, 0),
        Fcomp_m64fp => memory(Double, 1),
        Ficom_m16int => memory(Word, 0),
        Ficomp_m16int => memory(Word, 1),
        Ficom_m32int => memory(Dword, 0),
        Ficomp_m32int => memory(Dword, 1),
        Fcom_st0_sti | Fucom_st0_sti => register(0),
        Fcomp_st0_sti | Fucomp_st0_sti => register(1),
        Fcompp | Fucompp => Kind::Compare { operand: Operand::Register(1), pops: 2, flags: false },
        Fcomi_st0_sti | Fucomi_st0_sti => flags(0),
        Fcomip_st0_sti | Fucomip_st0_sti => flags(1),
        Ftst => Kind::Compare { operand: Operand::Zero, pops: 0, flags: false },
        _ => return None,
    })
}

fn controlling(code: Code, instr: &Instruction) -> Option<Kind> {
    use Code::*;
    Some(match code {
        Fchs => Kind::ChangeSign,
        Fabs => Kind::Absolute,
        Frndint => Kind::RoundToInteger,
        Fldcw_m2byte => Kind::LoadControl,
        Fnstcw_m2byte => Kind::StoreControl,
        Fnstsw_m2byte => Kind::StoreStatus,
        Fnstsw_AX => Kind::StatusToAx,
        Fnclex => Kind::ClearExceptions,
        Wait => Kind::Wait,
        Fnop => Kind::Nop,
        Fincstp => Kind::Turn(1),
        Fdecstp => Kind::Turn(7),
        Ffree_sti => Kind::Free(st(instr, 0)),
        _ => return None,
    })
}

impl Kind {
    /// Whether the pointers to the last instruction and operand are to it afterwards.
    pub fn is_noted(self) -> bool {
        !matches!(
            self,
            Self::LoadControl
                | Self::StoreControl
                | Self::StoreStatus
                | Self::StatusToAx
                | Self::ClearExceptions
                | Self::Wait
        )
    }

    /// Whether what it does depends on rounding or precision control, and it takes the usual ones for
    /// granted.
    pub fn rounds(self) -> bool {
        match self {
            Self::Constant(_, rounds) => rounds,
            Self::Arithmetic { .. } => true,
            Self::Store { format, .. } => matches!(format, Format::Single | Format::Double),
            _ => false,
        }
    }
}

/// Whether an instruction uses the registers as those of MMX.
pub fn is_mmx(instr: &Instruction) -> bool {
    instr.code() == Code::Emms
        || (0..instr.op_count())
            .any(|n| instr.op_kind(n) == OpKind::Register && instr.op_register(n).is_mm())
}

/// What is known of the register stack: positions count from where TOP was at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Position of ST(0), 0 to 7.
    pub depth: u8,
    /// Positions that are not empty, and that are.
    pub full: u8,
    /// Positions that are empty.
    pub empty: u8,
    /// Positions that have to have been full at the start.
    pub need_full: u8,
    /// Positions that have to have been empty at the start.
    pub need_empty: u8,
}

impl Shape {
    /// Position of ST(i).
    pub fn position(&self, i: u8) -> usize {
        usize::from((self.depth + i) & 7)
    }

    fn bit(&self, i: u8) -> u8 {
        1 << self.position(i)
    }

    fn read(&mut self, i: u8) -> bool {
        let bit = self.bit(i);
        if self.full & bit == 0 {
            self.need_full |= bit & !self.empty;
            self.full |= bit & !self.empty;
        }
        self.empty & bit == 0
    }

    fn write(&mut self, i: u8) {
        self.full |= self.bit(i);
        self.empty &= !self.bit(i);
    }

    fn free(&mut self, i: u8) {
        self.empty |= self.bit(i);
        self.full &= !self.bit(i);
    }

    fn push(&mut self) -> bool {
        self.depth = (self.depth + 7) & 7;
        let bit = self.bit(0);
        if self.full & bit != 0 {
            return false;
        }
        self.need_empty |= bit & !self.empty;
        self.write(0);
        true
    }

    fn pop(&mut self) {
        self.free(0);
        self.depth = (self.depth + 1) & 7;
    }

    /// Executes an instruction. `false` if it is known to be a stack fault.
    pub fn execute(&mut self, kind: Kind) -> bool {
        match kind {
            Kind::Load(_) | Kind::Constant(..) => return self.push(),
            Kind::LoadRegister(i) => return self.read(i) && self.push(),
            Kind::Store { pop, .. } => {
                if !self.read(0) {
                    return false;
                }
                if pop {
                    self.pop();
                }
            }
            Kind::StoreRegister { to, pop } => {
                if !self.read(0) {
                    return false;
                }
                self.write(to);
                if pop {
                    self.pop();
                }
            }
            Kind::Exchange(i) => return self.read(0) && self.read(i),
            Kind::Arithmetic { to, operand, pop, .. } => {
                if !self.read(to) {
                    return false;
                }
                if let Operand::Register(i) = operand
                    && !self.read(i)
                {
                    return false;
                }
                if pop {
                    self.pop();
                }
            }
            Kind::Compare { operand, pops, .. } => {
                if !self.read(0) {
                    return false;
                }
                if let Operand::Register(i) = operand
                    && !self.read(i)
                {
                    return false;
                }
                for _ in 0..pops {
                    self.pop();
                }
            }
            Kind::ChangeSign | Kind::Absolute | Kind::RoundToInteger => return self.read(0),
            Kind::Move { from, .. } => return self.read(0) && self.read(from),
            Kind::Turn(by) => self.depth = (self.depth + by) & 7,
            Kind::Free(i) => self.free(i),
            Kind::LoadControl
            | Kind::StoreControl
            | Kind::StoreStatus
            | Kind::StatusToAx
            | Kind::ClearExceptions
            | Kind::Wait
            | Kind::Nop => {}
        }
        true
    }

    /// Tags of the known positions are not what they were at the start.
    pub fn is_changed(&self) -> bool {
        self.full != self.need_full || self.empty != self.need_empty
    }
}
