//! The state of x87, MMX and SSE in memory, and the checks before their instructions (SDM Vol. 1, 8.1
//! and 10.5; Vol. 3, table 2-2).

use crate::access::is_canonical;
use crate::bits::{cr0, cr4};
use crate::cpuid::Features;
use crate::exec::{Exec, OperandSize};
use crate::segment::SegReg;
use crate::state::{FpuState, Mode};
use crate::{Exception, ExecResult, F80};

/// Bits of MXCSR that can be set.
const MXCSR_MASK: u32 = 0xffff;
/// Length of the FXSAVE image.
const FXSAVE_LEN: usize = 512;
/// What FXSAVE writes at most: up to XMM15.
const FXSAVE_USED: usize = 416;
/// Status word: exception summary and busy.
const STATUS_ES_B: u16 = 0x8080;
/// Control word bits that can be set; bit 6 always reads as 1.
const CONTROL_BITS: u16 = 0x1f3f;
const CONTROL_ONES: u16 = 0x40;

/// Offsets in the FXSAVE image.
mod image {
    pub const FCW: usize = 0;
    pub const FSW: usize = 2;
    pub const FTW: usize = 4;
    pub const FOP: usize = 6;
    pub const FIP: usize = 8;
    pub const FCS: usize = 12;
    pub const FDP: usize = 16;
    pub const FDS: usize = 20;
    pub const MXCSR: usize = 24;
    pub const MXCSR_MASK: usize = 28;
    pub const ST: usize = 32;
    pub const XMM: usize = 160;
}

/// Little-endian fields of an image.
struct Bytes<'a>(&'a mut [u8]);

impl Bytes<'_> {
    fn set(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }
    fn set16(&mut self, at: usize, value: u16) {
        self.set(at, &value.to_le_bytes());
    }
    fn set32(&mut self, at: usize, value: u32) {
        self.set(at, &value.to_le_bytes());
    }
    fn set64(&mut self, at: usize, value: u64) {
        self.set(at, &value.to_le_bytes());
    }
    fn get16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }
    fn get32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }
    fn get64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at))
    }
    fn set_f80(&mut self, at: usize, value: F80) {
        self.set64(at, value.mantissa);
        self.set16(at + 8, value.sign_exponent);
    }
    fn get_f80(&self, at: usize) -> F80 {
        F80 { mantissa: self.get64(at), sign_exponent: self.get16(at + 8) }
    }
}

impl FpuState {
    /// Sets the control word as FLDCW does, and what the status shows of pending exceptions.
    pub fn set_control_word(&mut self, value: u16) {
        self.control = value & CONTROL_BITS | CONTROL_ONES;
        self.refresh_summary();
    }

    /// Makes ES and B tell whether an unmasked exception is pending.
    pub fn refresh_summary(&mut self) {
        if self.exception_pending() {
            self.status |= STATUS_ES_B;
        } else {
            self.status &= !STATUS_ES_B;
        }
    }

    /// The full tag word: two bits a physical register.
    pub fn tag_word(&self) -> u16 {
        const VALID: u16 = 0;
        const ZERO: u16 = 1;
        const SPECIAL: u16 = 2;
        const EMPTY: u16 = 3;
        (0..8).fold(0, |word, i| {
            let register = self.regs[i];
            let tag = if self.tags & 1 << i == 0 {
                EMPTY
            } else {
                match register.sign_exponent & 0x7fff {
                    0 if register.mantissa == 0 => ZERO,
                    0 | 0x7fff => SPECIAL,
                    _ if register.mantissa >> 63 == 0 => SPECIAL,
                    _ => VALID,
                }
            };
            word | tag << (i * 2)
        })
    }

    /// Sets the tags from a full tag word, of which only "empty" is kept.
    pub fn set_tag_word(&mut self, word: u16) {
        self.tags = (0..8).fold(0, |tags, i| tags | u8::from(word >> (i * 2) & 3 != 3) << i);
    }

    /// ST(i).
    fn st(&mut self, i: usize) -> &mut F80 {
        &mut self.regs[(usize::from(self.top) + i) & 7]
    }
}

impl Exec<'_> {
    /// #NM before an x87 instruction (CR0.EM or TS); with `wait`, then #MF if an unmasked exception is
    /// pending. FNINIT, FNSTCW and the other non-waiting ones pass false.
    #[inline]
    pub fn check_x87(&mut self, wait: bool) -> ExecResult<()> {
        if self.cpu.cr0 & (cr0::EM | cr0::TS) != 0 {
            return Err(Exception::nm());
        }
        if wait && self.cpu.fpu.exception_pending() {
            return self.x87_error();
        }
        Ok(())
    }

    /// WAIT: #NM if CR0.MP and TS, then #MF.
    pub fn check_fwait(&mut self) -> ExecResult<()> {
        if self.cpu.cr0 & cr0::MP != 0 && self.cpu.cr0 & cr0::TS != 0 {
            return Err(Exception::nm());
        }
        if self.cpu.fpu.exception_pending() { self.x87_error() } else { Ok(()) }
    }

    /// An unmasked x87 exception: #MF, or with CR0.NE clear the FERR# pin, which leads nowhere yet.
    #[cold]
    fn x87_error(&mut self) -> ExecResult<()> {
        if self.cpu.cr0 & cr0::NE != 0 {
            return Err(Exception::mf());
        }
        if !self.cpu.ferr_logged {
            self.cpu.ferr_logged = true;
            log::warn!("an x87 exception with CR0.NE clear: FERR# (IRQ 13) is not connected");
        }
        Ok(())
    }

    /// #UD, #NM or #MF before an MMX instruction.
    #[inline]
    pub fn check_mmx(&mut self) -> ExecResult<()> {
        if self.cpu.cr0 & cr0::EM != 0 {
            return Err(Exception::ud());
        }
        if self.cpu.cr0 & cr0::TS != 0 {
            return Err(Exception::nm());
        }
        if self.cpu.fpu.exception_pending() { self.x87_error() } else { Ok(()) }
    }

    /// #UD or #NM before an SSE instruction.
    #[inline]
    pub fn check_sse(&mut self) -> ExecResult<()> {
        if self.cpu.cr0 & cr0::EM != 0 || self.cpu.cr4 & cr4::OSFXSR == 0 {
            return Err(Exception::ud());
        }
        if self.cpu.cr0 & cr0::TS != 0 { Err(Exception::nm()) } else { Ok(()) }
    }

    /// The unmasked SIMD exception after the MXCSR flags were set: #XM, or #UD without OSXMMEXCPT.
    pub fn simd_exception(&self) -> Exception {
        if self.cpu.cr4 & cr4::OSXMMEXCPT != 0 { Exception::xm() } else { Exception::ud() }
    }

    /// LDMXCSR's value: #GP(0) for reserved bits.
    pub fn load_mxcsr(&mut self, value: u32) -> ExecResult<()> {
        if value & !MXCSR_MASK != 0 {
            return Err(Exception::gp(0));
        }
        self.cpu.mxcsr = value;
        Ok(())
    }

    /// FXSAVE and FXRSTOR need no CR4.OSFXSR: without it they leave out the SSE state.
    fn check_fxsr(&self, seg: SegReg, offset: u64) -> ExecResult<()> {
        if self.cpu.cr0 & cr0::EM != 0 || !self.cpu.model.has(Features::FXSR) {
            return Err(Exception::ud());
        }
        if self.cpu.cr0 & cr0::TS != 0 {
            return Err(Exception::nm());
        }
        // Other than SSE's operands: a stack fault comes before the alignment.
        if self.cpu.mode == Mode::Long64 && seg == SegReg::Ss && !is_canonical(offset) {
            return Err(Exception::ss(0));
        }
        self.require_aligned(seg, offset)
    }

    fn xmm_saved(&self) -> usize {
        match self.cpu.mode {
            _ if self.cpu.cr4 & cr4::OSFXSR == 0 => 0,
            Mode::Long64 => 16,
            _ => 8,
        }
    }

    /// FXSAVE, with its checks. `rex_w` gives the form with 64-bit pointers.
    pub fn fxsave(&mut self, seg: SegReg, offset: u64, rex_w: bool) -> ExecResult<()> {
        self.check_fxsr(seg, offset)?;
        self.probe_write(seg, offset, FXSAVE_LEN as u64)?;
        let mut buffer = [0; FXSAVE_USED];
        let mut bytes = Bytes(&mut buffer);
        let fpu = &mut self.cpu.fpu;
        bytes.set16(image::FCW, fpu.control);
        bytes.set16(image::FSW, fpu.status_word());
        bytes.set16(image::FTW, fpu.tags.into());
        bytes.set16(image::FOP, fpu.opcode);
        if rex_w {
            bytes.set64(image::FIP, fpu.instruction_pointer);
            bytes.set64(image::FDP, fpu.data_pointer);
        } else {
            bytes.set32(image::FIP, fpu.instruction_pointer as u32);
            bytes.set16(image::FCS, fpu.instruction_selector);
            bytes.set32(image::FDP, fpu.data_pointer as u32);
            bytes.set16(image::FDS, fpu.data_selector);
        }
        bytes.set32(image::MXCSR, self.cpu.mxcsr);
        bytes.set32(image::MXCSR_MASK, MXCSR_MASK);
        for i in 0..8 {
            bytes.set_f80(image::ST + i * 16, *self.cpu.fpu.st(i));
        }
        let saved = self.xmm_saved();
        for i in 0..saved {
            bytes.set(image::XMM + i * 16, &self.cpu.xmm[i].to_le_bytes());
        }
        // What is reserved or not saved keeps its bytes in memory.
        self.write_bytes(seg, offset, &buffer[..image::XMM + saved * 16])
    }

    /// FXRSTOR.
    pub fn fxrstor(&mut self, seg: SegReg, offset: u64, rex_w: bool) -> ExecResult<()> {
        self.check_fxsr(seg, offset)?;
        let mut buffer = [0; FXSAVE_LEN];
        self.read_bytes(seg, offset, &mut buffer)?;
        let bytes = Bytes(&mut buffer);
        let saved = self.xmm_saved();
        if saved != 0 {
            self.load_mxcsr(bytes.get32(image::MXCSR))?;
        }
        let fpu = &mut self.cpu.fpu;
        fpu.control = bytes.get16(image::FCW) & CONTROL_BITS | CONTROL_ONES;
        fpu.set_status_word(bytes.get16(image::FSW));
        fpu.tags = bytes.get16(image::FTW) as u8;
        fpu.opcode = bytes.get16(image::FOP) & 0x7ff;
        if rex_w {
            fpu.instruction_pointer = bytes.get64(image::FIP);
            fpu.data_pointer = bytes.get64(image::FDP);
            fpu.instruction_selector = 0;
            fpu.data_selector = 0;
        } else {
            fpu.instruction_pointer = bytes.get32(image::FIP).into();
            fpu.instruction_selector = bytes.get16(image::FCS);
            fpu.data_pointer = bytes.get32(image::FDP).into();
            fpu.data_selector = bytes.get16(image::FDS);
        }
        for i in 0..8 {
            *fpu.st(i) = bytes.get_f80(image::ST + i * 16);
        }
        fpu.refresh_summary();
        for i in 0..saved {
            self.cpu.xmm[i] = u128::from_le_bytes(bytes.get(image::XMM + i * 16));
        }
        Ok(())
    }

    /// Real-mode images hold linear pointers, protected-mode ones selectors and offsets.
    fn has_real_image(&self) -> bool {
        !self.cpu.mode.is_protected()
    }

    /// Length of the environment.
    fn environment_len(size: OperandSize) -> usize {
        if size == OperandSize::Word { 14 } else { 28 }
    }

    fn fill_environment(&self, size: OperandSize, bytes: &mut Bytes<'_>) {
        let fpu = &self.cpu.fpu;
        let words = [fpu.control, fpu.status_word(), fpu.tag_word()];
        let real = self.has_real_image();
        let linear =
            |selector: u16, offset: u64| (u32::from(selector) << 4).wrapping_add(offset as u32);
        let ip = linear(fpu.instruction_selector, fpu.instruction_pointer);
        let dp = linear(fpu.data_selector, fpu.data_pointer);
        if size == OperandSize::Word {
            for (i, word) in words.into_iter().enumerate() {
                bytes.set16(i * 2, word);
            }
            if real {
                bytes.set16(6, ip as u16);
                bytes.set16(8, ip_high(ip) | fpu.opcode);
                bytes.set16(10, dp as u16);
                bytes.set16(12, ip_high(dp));
            } else {
                bytes.set16(6, fpu.instruction_pointer as u16);
                bytes.set16(8, fpu.instruction_selector);
                bytes.set16(10, fpu.data_pointer as u16);
                bytes.set16(12, fpu.data_selector);
            }
            return;
        }
        // The reserved upper halves are ones.
        for (i, word) in words.into_iter().enumerate() {
            bytes.set32(i * 4, 0xffff_0000 | u32::from(word));
        }
        if real {
            bytes.set32(12, 0xffff_0000 | ip & 0xffff);
            bytes.set32(16, (ip >> 16) << 12 | u32::from(fpu.opcode));
            bytes.set32(20, 0xffff_0000 | dp & 0xffff);
            bytes.set32(24, (dp >> 16) << 12);
        } else {
            bytes.set32(12, fpu.instruction_pointer as u32);
            bytes.set32(16, u32::from(fpu.opcode) << 16 | u32::from(fpu.instruction_selector));
            bytes.set32(20, fpu.data_pointer as u32);
            bytes.set32(24, 0xffff_0000 | u32::from(fpu.data_selector));
        }
    }

    fn load_environment(&mut self, size: OperandSize, bytes: &Bytes<'_>) {
        let real = self.has_real_image();
        let word = |i: usize| bytes.get16(if size == OperandSize::Word { i * 2 } else { i * 4 });
        let fpu = &mut self.cpu.fpu;
        fpu.control = word(0) & CONTROL_BITS | CONTROL_ONES;
        fpu.set_status_word(word(1));
        fpu.set_tag_word(word(2));
        (fpu.instruction_selector, fpu.data_selector) = (0, 0);
        match (size, real) {
            (OperandSize::Word, true) => {
                let high = |w: u16| u64::from(w >> 12) << 16;
                fpu.instruction_pointer = u64::from(word(3)) | high(word(4));
                fpu.opcode = word(4) & 0x7ff;
                fpu.data_pointer = u64::from(word(5)) | high(word(6));
            }
            (OperandSize::Word, false) => {
                fpu.instruction_pointer = word(3).into();
                fpu.instruction_selector = word(4);
                // This format has no opcode.
                fpu.opcode = 0;
                fpu.data_pointer = word(5).into();
                fpu.data_selector = word(6);
            }
            (_, true) => {
                let high = |at: usize| u64::from(bytes.get32(at) >> 12 & 0xffff) << 16;
                fpu.instruction_pointer = u64::from(bytes.get16(12)) | high(16);
                fpu.opcode = bytes.get16(16) & 0x7ff;
                fpu.data_pointer = u64::from(bytes.get16(20)) | high(24);
            }
            (_, false) => {
                fpu.instruction_pointer = bytes.get32(12).into();
                fpu.instruction_selector = bytes.get16(16);
                fpu.opcode = bytes.get16(18) & 0x7ff;
                fpu.data_pointer = bytes.get32(20).into();
                fpu.data_selector = bytes.get16(24);
            }
        }
        fpu.refresh_summary();
    }

    /// FNSTENV. `size` is the operand size, Word or Dword.
    pub fn fnstenv(&mut self, seg: SegReg, offset: u64, size: OperandSize) -> ExecResult<()> {
        self.check_x87(false)?;
        let len = Self::environment_len(size);
        let mut buffer = [0; 28];
        self.fill_environment(size, &mut Bytes(&mut buffer));
        self.write_bytes(seg, offset, &buffer[..len])?;
        // All exceptions are masked afterwards.
        self.cpu.fpu.control |= 0x3f;
        self.cpu.fpu.refresh_summary();
        Ok(())
    }

    /// FLDENV.
    pub fn fldenv(&mut self, seg: SegReg, offset: u64, size: OperandSize) -> ExecResult<()> {
        self.check_x87(true)?;
        let mut buffer = [0; 28];
        self.read_bytes(seg, offset, &mut buffer[..Self::environment_len(size)])?;
        self.load_environment(size, &Bytes(&mut buffer));
        Ok(())
    }

    /// FNSAVE: stores the whole state and initializes. `size` is Word or Dword.
    pub fn fnsave(&mut self, seg: SegReg, offset: u64, size: OperandSize) -> ExecResult<()> {
        self.check_x87(false)?;
        let environment = Self::environment_len(size);
        let mut buffer = [0; 108];
        let mut bytes = Bytes(&mut buffer);
        self.fill_environment(size, &mut bytes);
        for i in 0..8 {
            bytes.set_f80(environment + i * 10, *self.cpu.fpu.st(i));
        }
        self.write_bytes(seg, offset, &buffer[..environment + 80])?;
        self.cpu.fpu.fninit();
        Ok(())
    }

    /// FRSTOR.
    pub fn frstor(&mut self, seg: SegReg, offset: u64, size: OperandSize) -> ExecResult<()> {
        self.check_x87(true)?;
        let environment = Self::environment_len(size);
        let mut buffer = [0; 108];
        self.read_bytes(seg, offset, &mut buffer[..environment + 80])?;
        let bytes = Bytes(&mut buffer);
        self.load_environment(size, &bytes);
        for i in 0..8 {
            *self.cpu.fpu.st(i) = bytes.get_f80(environment + i * 10);
        }
        Ok(())
    }
}

/// Bits 19:16 of a linear pointer, at bits 15:12 as 16-bit real-mode images have them.
fn ip_high(linear: u32) -> u16 {
    ((linear >> 16 & 0xf) << 12) as u16
}
