//! A caller's registers.

use serde::{Deserialize, Serialize};

/// Bits of FLAGS.
pub(crate) mod flag {
    pub const CARRY: u16 = 1 << 0;
    pub const ZERO: u16 = 1 << 6;
    pub const INTERRUPT: u16 = 1 << 9;
}

/// The registers as a stub has pushed them, and as it will pop them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub es: u16,
    pub ds: u16,
    pub edi: u32,
    pub esi: u32,
    pub ebp: u32,
    pub esp: u32,
    pub ebx: u32,
    pub edx: u32,
    pub ecx: u32,
    pub eax: u32,
    pub service: u16,
    pub ip: u16,
    pub cs: u16,
    pub flags: u16,
}

const fn pair(low: u16, high: u16) -> u32 {
    low as u32 | (high as u32) << 16
}

macro_rules! word {
    ($get:ident, $set:ident, $field:ident) => {
        pub fn $get(&self) -> u16 {
            self.$field as u16
        }
        pub fn $set(&mut self, value: u16) {
            self.$field = self.$field & 0xffff_0000 | u32::from(value);
        }
    };
}

macro_rules! halves {
    ($low:ident, $set_low:ident, $high:ident, $set_high:ident, $field:ident) => {
        pub fn $low(&self) -> u8 {
            self.$field as u8
        }
        pub fn $set_low(&mut self, value: u8) {
            self.$field = self.$field & 0xffff_ff00 | u32::from(value);
        }
        pub fn $high(&self) -> u8 {
            (self.$field >> 8) as u8
        }
        pub fn $set_high(&mut self, value: u8) {
            self.$field = self.$field & 0xffff_00ff | u32::from(value) << 8;
        }
    };
}

impl Frame {
    word!(ax, set_ax, eax);
    word!(bx, set_bx, ebx);
    word!(cx, set_cx, ecx);
    word!(dx, set_dx, edx);
    word!(si, set_si, esi);
    word!(di, set_di, edi);
    word!(bp, set_bp, ebp);
    halves!(al, set_al, ah, set_ah, eax);
    halves!(bl, set_bl, bh, set_bh, ebx);
    halves!(cl, set_cl, ch, set_ch, ecx);
    halves!(dl, set_dl, dh, set_dh, edx);

    #[cfg(test)]
    pub fn carry(&self) -> bool {
        self.flags & flag::CARRY != 0
    }

    pub fn set_carry(&mut self, on: bool) {
        self.set_flag(flag::CARRY, on);
    }

    pub fn set_zero(&mut self, on: bool) {
        self.set_flag(flag::ZERO, on);
    }

    fn set_flag(&mut self, flag: u16, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    /// AH = `code`, with carry: how most services fail.
    pub fn fail(&mut self, code: u8) {
        self.set_ah(code);
        self.set_carry(true);
    }

    /// AH = 0, no carry.
    pub fn succeed(&mut self) {
        self.set_ah(0);
        self.set_carry(false);
    }

    /// The doubleword the stub moves as number `index`.
    pub fn word(&self, index: usize) -> u32 {
        match index {
            0 => pair(self.es, self.ds),
            1 => self.edi,
            2 => self.esi,
            3 => self.ebp,
            4 => self.esp,
            5 => self.ebx,
            6 => self.edx,
            7 => self.ecx,
            8 => self.eax,
            9 => pair(self.service, self.ip),
            10 => pair(self.cs, self.flags),
            _ => u32::MAX,
        }
    }

    pub fn set_word(&mut self, index: usize, value: u32) {
        let (low, high) = (value as u16, (value >> 16) as u16);
        match index {
            0 => (self.es, self.ds) = (low, high),
            1 => self.edi = value,
            2 => self.esi = value,
            3 => self.ebp = value,
            4 => self.esp = value,
            5 => self.ebx = value,
            6 => self.edx = value,
            7 => self.ecx = value,
            8 => self.eax = value,
            9 => (self.service, self.ip) = (low, high),
            10 => (self.cs, self.flags) = (low, high),
            _ => {}
        }
    }
}

/// The linear address of `segment`:`offset`.
pub(crate) fn linear(segment: u16, offset: u16) -> u64 {
    (u64::from(segment) << 4) + u64::from(offset)
}
