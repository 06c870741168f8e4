//! The one function that is not a region's: it makes a record of flags of any kind explicit.

use wasm_encoder::{Function, ValType};

use super::flags::{KINDS, number};
use super::{Addresses, FlagsKind, Functions, Known, Size, Translator};
use crate::code::Code;
use crate::graph::Graph;
use crate::mode::Mode;
use crate::region::Region;

const SIZES: [Size; 4] = [Size::Byte, Size::Word, Size::Dword, Size::Qword];

/// `(i64 x, i64 y, i32 kind) -> (i64 result, i64 aux)`: see [`explicit`](super::explicit), which does
/// the same natively.
pub fn explicit_function() -> Function {
    let mut code = Code::new(3);
    let mut cases = Vec::new();
    let other = code.block();
    for kind in 0..64_u32 {
        let known = KINDS.get((kind & 15) as usize).copied();
        cases.push((known, SIZES[(kind >> 4) as usize]));
    }
    let labels: Vec<_> = cases.iter().map(|_| code.block()).collect();
    // The case opened last ends first.
    let targets: Vec<_> = labels.iter().rev().copied().collect();
    code.op().local_get(2);
    code.br_table(&targets, other);
    // Nothing of a region is used.
    let region = Region {
        mode: Mode::flat(64, false),
        start: 0,
        blocks: vec![],
        places: vec![],
        entries: vec![],
        bytes: vec![],
    };
    let graph = Graph::new(&region);
    let (addresses, functions) = (Addresses::default(), Functions::default());
    let mut translator = Translator::new(&region, &graph, &addresses, &functions, 0);
    translator.code = code;
    (translator.flags_x, translator.flags_y, translator.flags_kind) = (0, 1, 2);
    for (kind, size) in cases {
        translator.code.end();
        match kind {
            Some(FlagsKind::SignedMultiply) => translator.signed_product(size),
            // What is explicit stays, whatever the size says.
            Some(FlagsKind::Explicit) | None => {}
            Some(kind) => {
                debug_assert!(number(kind, size) < 64);
                translator.flags = Known::Record(kind, size);
                translator.convert(kind, size);
            }
        }
        translator.code.op().local_get(0).local_get(1).return_();
    }
    translator.code.end();
    translator.code.op().local_get(0).local_get(1);
    translator.code.finish().0
}

impl Translator<'_> {
    /// Explicit flags of a signed multiplication whose operands are in the locals x and y.
    fn signed_product(&mut self, size: Size) {
        let (x, y) = (self.flags_x, self.flags_y);
        for local in [x, y] {
            self.code.op().local_get(local);
            match size {
                Size::Byte => self.code.op().i64_extend8_s().local_set(local),
                Size::Word => self.code.op().i64_extend16_s().local_set(local),
                Size::Dword => self.code.op().i64_extend32_s().local_set(local),
                Size::Qword => self.code.op().local_set(local),
            };
        }
        if size == Size::Qword {
            self.code.op().local_get(x);
            let a = self.code.keep(ValType::I64);
            self.code.op().local_get(y);
            let b = self.code.keep(ValType::I64);
            self.push_high_product(&a, &b, true);
            self.code.op().local_get(x).local_get(y).i64_mul().local_tee(x);
            self.code.op().i64_const(63).i64_shr_s().i64_ne();
            self.code.free(a);
            self.code.free(b);
        } else {
            self.code.op().local_get(x).local_get(y).i64_mul().local_tee(y);
            self.code.op().local_get(y);
            match size {
                Size::Byte => self.code.op().i64_extend8_s(),
                Size::Word => self.code.op().i64_extend16_s(),
                _ => self.code.op().i64_extend32_s(),
            };
            self.code.op().local_tee(x).i64_ne();
        }
        // CF is bit 63; OF is the same, so bit 62 is clear.
        self.code.op().i64_extend_i32_u().i64_const(63).i64_shl().local_set(y);
    }

    /// Pushes the upper 64 bits of a product of two i64.
    pub fn push_high_product(
        &mut self,
        a: &crate::code::Temp,
        b: &crate::code::Temp,
        signed: bool,
    ) {
        const LOW: i64 = 0xffff_ffff;
        let (a, b) = (a.index, b.index);
        let low = |t: &mut Self, v: u32| {
            t.code.op().local_get(v).i64_const(LOW).i64_and();
        };
        let high = |t: &mut Self, v: u32| {
            t.code.op().local_get(v).i64_const(32).i64_shr_u();
        };
        // mid = aH × bL + (aL × bL >> 32)
        high(self, a);
        low(self, b);
        self.code.op().i64_mul();
        low(self, a);
        low(self, b);
        self.code.op().i64_mul().i64_const(32).i64_shr_u().i64_add();
        let mid = self.code.keep(ValType::I64);
        // (aL × bH + mid's low half) >> 32
        low(self, a);
        high(self, b);
        self.code.op().i64_mul();
        low(self, mid.index);
        self.code.op().i64_add().i64_const(32).i64_shr_u();
        high(self, a);
        high(self, b);
        self.code.op().i64_mul().i64_add();
        high(self, mid.index);
        self.code.op().i64_add();
        self.code.free(mid);
        if signed {
            self.code.op().local_get(a).i64_const(63).i64_shr_s().local_get(b).i64_and().i64_sub();
            self.code.op().local_get(b).i64_const(63).i64_shr_s().local_get(a).i64_and().i64_sub();
        }
    }
}
