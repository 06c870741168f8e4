//! A little 16-bit assembler: the few instructions the stubs are made of, with labels.
//!
//! Opcodes are those of the Intel SDM, volume 2.

/// A 16-bit register by its number.
#[derive(Clone, Copy)]
pub(crate) enum R16 {
    Ax = 0,
    Cx = 1,
    Dx = 2,
    Bx = 3,
    Sp = 4,
    Bp = 5,
    Si = 6,
    Di = 7,
}

/// A byte register by its number.
#[derive(Clone, Copy)]
pub(crate) enum R8 {
    Al = 0,
    Ah = 4,
}

/// A segment register by its number.
#[derive(Clone, Copy)]
pub(crate) enum Seg {
    Es = 0,
    Cs = 1,
    Ss = 2,
    Ds = 3,
}

/// A condition of a jump by its number.
#[derive(Clone, Copy)]
pub(crate) enum Cond {
    Below = 2,
    NotBelow = 3,
    Equal = 4,
    NotEqual = 5,
}

/// A place in the code, known or still to come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// Code that will lie at an offset of a segment.
pub(crate) struct Asm {
    base: u16,
    code: Vec<u8>,
    labels: Vec<Option<u16>>,
    /// Where a 16-bit distance to a label is to be filled in.
    fixups: Vec<(usize, Label)>,
}

impl Asm {
    pub fn at(base: u16) -> Self {
        Self { base, code: Vec::new(), labels: Vec::new(), fixups: Vec::new() }
    }

    /// The offset of the next instruction.
    pub fn here(&self) -> u16 {
        self.base + self.code.len() as u16
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Binds a label to this place.
    pub fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.here());
    }

    /// A new label, here.
    pub fn mark(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// The code, its labels filled in.
    pub fn finish(mut self) -> (u16, Vec<u8>) {
        for (at, label) in std::mem::take(&mut self.fixups) {
            let target = self.labels[label.0].expect("every label is bound");
            let next = self.base + at as u16 + 2;
            self.code[at..at + 2].copy_from_slice(&target.wrapping_sub(next).to_le_bytes());
        }
        (self.base, self.code)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.code.extend(bytes);
        self
    }

    fn op_word(&mut self, op: &[u8], word: u16) -> &mut Self {
        self.bytes(op).bytes(&word.to_le_bytes())
    }

    fn distance(&mut self, op: &[u8], label: Label) -> &mut Self {
        self.bytes(op);
        self.fixups.push((self.code.len(), label));
        self.bytes(&[0, 0])
    }

    fn distance_to(&mut self, op: &[u8], target: u16) -> &mut Self {
        self.bytes(op);
        let next = self.here() + 2;
        self.bytes(&target.wrapping_sub(next).to_le_bytes())
    }

    pub fn cli(&mut self) -> &mut Self {
        self.bytes(&[0xfa])
    }
    pub fn sti(&mut self) -> &mut Self {
        self.bytes(&[0xfb])
    }
    pub fn cld(&mut self) -> &mut Self {
        self.bytes(&[0xfc])
    }
    pub fn stc(&mut self) -> &mut Self {
        self.bytes(&[0xf9])
    }
    pub fn hlt(&mut self) -> &mut Self {
        self.bytes(&[0xf4])
    }
    pub fn pause(&mut self) -> &mut Self {
        self.bytes(&[0xf3, 0x90])
    }
    pub fn iret(&mut self) -> &mut Self {
        self.bytes(&[0xcf])
    }
    pub fn retf(&mut self) -> &mut Self {
        self.bytes(&[0xcb])
    }
    pub fn pushad(&mut self) -> &mut Self {
        self.bytes(&[0x66, 0x60])
    }
    pub fn popad(&mut self) -> &mut Self {
        self.bytes(&[0x66, 0x61])
    }
    pub fn pushf(&mut self) -> &mut Self {
        self.bytes(&[0x9c])
    }
    pub fn push_imm(&mut self, value: u16) -> &mut Self {
        self.op_word(&[0x68], value)
    }
    pub fn push(&mut self, r: R16) -> &mut Self {
        self.bytes(&[0x50 + r as u8])
    }
    pub fn pop(&mut self, r: R16) -> &mut Self {
        self.bytes(&[0x58 + r as u8])
    }
    pub fn push_seg(&mut self, s: Seg) -> &mut Self {
        self.bytes(&[0x06 + 8 * s as u8])
    }
    pub fn pop_seg(&mut self, s: Seg) -> &mut Self {
        self.bytes(&[0x07 + 8 * s as u8])
    }
    pub fn mov_imm(&mut self, r: R16, value: u16) -> &mut Self {
        self.op_word(&[0xb8 + r as u8], value)
    }
    pub fn mov8_imm(&mut self, r: R8, value: u8) -> &mut Self {
        self.bytes(&[0xb0 + r as u8, value])
    }
    pub fn mov(&mut self, to: R16, from: R16) -> &mut Self {
        self.bytes(&[0x8b, 0xc0 | (to as u8) << 3 | from as u8])
    }
    pub fn mov_to_seg(&mut self, to: Seg, from: R16) -> &mut Self {
        self.bytes(&[0x8e, 0xc0 | (to as u8) << 3 | from as u8])
    }
    pub fn xor(&mut self, r: R16) -> &mut Self {
        self.bytes(&[0x31, 0xc0 | (r as u8) << 3 | r as u8])
    }
    pub fn add_imm8(&mut self, r: R16, value: u8) -> &mut Self {
        self.bytes(&[0x83, 0xc0 | r as u8, value])
    }
    /// `shr eax, 16`
    pub fn shr_eax_16(&mut self) -> &mut Self {
        self.bytes(&[0x66, 0xc1, 0xe8, 16])
    }
    /// `mov eax, ss:[si]`
    pub fn load_eax_ss_si(&mut self) -> &mut Self {
        self.bytes(&[0x66, 0x36, 0x8b, 0x04])
    }
    /// `mov ss:[si], eax`
    pub fn store_eax_ss_si(&mut self) -> &mut Self {
        self.bytes(&[0x66, 0x36, 0x89, 0x04])
    }
    pub fn lodsb(&mut self) -> &mut Self {
        self.bytes(&[0xac])
    }
    pub fn stosb(&mut self) -> &mut Self {
        self.bytes(&[0xaa])
    }
    pub fn in_al_dx(&mut self) -> &mut Self {
        self.bytes(&[0xec])
    }
    pub fn in_eax_dx(&mut self) -> &mut Self {
        self.bytes(&[0x66, 0xed])
    }
    pub fn out_dx_al(&mut self) -> &mut Self {
        self.bytes(&[0xee])
    }
    pub fn out_dx_eax(&mut self) -> &mut Self {
        self.bytes(&[0x66, 0xef])
    }
    pub fn in_al(&mut self, port: u8) -> &mut Self {
        self.bytes(&[0xe4, port])
    }
    pub fn out_al(&mut self, port: u8) -> &mut Self {
        self.bytes(&[0xe6, port])
    }
    pub fn cmp_al(&mut self, value: u8) -> &mut Self {
        self.bytes(&[0x3c, value])
    }
    pub fn test_al(&mut self, value: u8) -> &mut Self {
        self.bytes(&[0xa8, value])
    }
    /// `test ax, ax`
    pub fn test_ax(&mut self) -> &mut Self {
        self.bytes(&[0x85, 0xc0])
    }
    pub fn int(&mut self, vector: u8) -> &mut Self {
        self.bytes(&[0xcd, vector])
    }
    pub fn jmp(&mut self, label: Label) -> &mut Self {
        self.distance(&[0xe9], label)
    }
    pub fn jmp_to(&mut self, target: u16) -> &mut Self {
        self.distance_to(&[0xe9], target)
    }
    pub fn jmp_far(&mut self, segment: u16, offset: u16) -> &mut Self {
        self.op_word(&[0xea], offset).bytes(&segment.to_le_bytes())
    }
    pub fn call_far(&mut self, segment: u16, offset: u16) -> &mut Self {
        self.op_word(&[0x9a], offset).bytes(&segment.to_le_bytes())
    }
    pub fn jump_if(&mut self, cond: Cond, label: Label) -> &mut Self {
        self.distance(&[0x0f, 0x80 | cond as u8], label)
    }
    /// `dec cx`, `jnz`: a LOOP that reaches any distance.
    pub fn dec_cx_jnz(&mut self, label: Label) -> &mut Self {
        self.bytes(&[0x49]).jump_if(Cond::NotEqual, label)
    }
}
