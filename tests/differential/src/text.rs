//! A case as one line of text, and back: what differs from a plain state.

use std::fmt::Write;

use crate::case::{DS, ES, FS, GS, Input, MAX_CODE, State, fx};
use crate::compare::REGISTERS;
use crate::layout::{PAGE, STACK, selector};

/// The state of which only the differences are written.
pub fn plain() -> State {
    let mut state = State::ZERO;
    state.regs[4] = STACK + PAGE as u64;
    state.rflags = 0x202;
    for which in [ES, DS, FS, GS] {
        state.selectors[which] = selector::DATA;
    }
    state.fx.set(fx::FCW, &0x37f_u16.to_le_bytes());
    state.fx.set(fx::MXCSR, &0x1f80_u32.to_le_bytes());
    state
}

/// Fields of the FXSAVE image with their widths in bytes.
const FIELDS: [(&str, usize, usize); 7] = [
    ("fcw", fx::FCW, 2),
    ("fsw", fx::FSW, 2),
    ("ftw", fx::FTW, 2),
    ("fop", fx::FOP, 2),
    ("fip", fx::FIP, 8),
    ("fdp", fx::FDP, 8),
    ("mxcsr", fx::MXCSR, 4),
];

/// Segments that a case begins with.
const SEGMENTS: [(&str, usize); 4] = [("es", ES), ("ds", DS), ("fs", FS), ("gs", GS)];
/// The bases, as they lie in the state.
const BASES: [&str; 2] = ["fsbase", "gsbase"];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A number as wide as `width` bytes, from an image.
fn field(state: &State, at: usize, width: usize) -> u64 {
    state.fx.u64(at) & (u64::MAX >> (64 - width * 8))
}

/// Writes a case down.
pub fn write(input: &Input) -> String {
    let (state, base) = (&input.state, plain());
    let mut text = format!("bits={} rip={:x} code={}", input.bits, state.rip, hex(input.code()));
    for (i, name) in REGISTERS.iter().enumerate() {
        if state.regs[i] != base.regs[i] {
            let _ = write!(text, " {name}={:x}", state.regs[i]);
        }
    }
    if state.rflags != base.rflags {
        let _ = write!(text, " rflags={:x}", state.rflags);
    }
    for (name, which) in SEGMENTS {
        if state.selectors[which] != base.selectors[which] {
            let _ = write!(text, " {name}={:x}", state.selectors[which]);
        }
    }
    for (name, value) in BASES.iter().zip(state.bases) {
        if value != 0 {
            let _ = write!(text, " {name}={value:x}");
        }
    }
    for (name, at, width) in FIELDS {
        let value = field(state, at, width);
        if value != field(&base, at, width) {
            let _ = write!(text, " {name}={value:x}");
        }
    }
    for i in 0..8 {
        let (exponent, significand) = state.fx.st(i);
        if (exponent, significand) != (0, 0) {
            let _ = write!(text, " st{i}={exponent:04x}{significand:016x}");
        }
    }
    for i in 0..16 {
        if state.fx.xmm(i) != 0 {
            let _ = write!(text, " xmm{i}={:x}", state.fx.xmm(i));
        }
    }
    let mut at = 0;
    for (address, len) in input.patches {
        let bytes = &input.patch_bytes[at..at + len as usize];
        at += len as usize;
        if len != 0 {
            let _ = write!(text, " [{address:x}]={}", hex(bytes));
        }
    }
    text
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}

/// Reads a case.
pub fn read(line: &str) -> Result<Input, String> {
    let mut input = Input { state: plain(), ..Input::ZERO };
    for word in line.split_whitespace() {
        let error = || format!("not understood: {word}");
        let (name, value) = word.split_once('=').ok_or_else(error)?;
        set(&mut input, name, value).ok_or_else(error)?;
    }
    if input.code_len == 0 || !matches!(input.bits, 32 | 64) {
        return Err("a case has code=, and bits= is 32 or 64".into());
    }
    Ok(input)
}

fn set(input: &mut Input, name: &str, value: &str) -> Option<()> {
    let number = u128::from_str_radix(value, 16);
    let state = &mut input.state;
    if let Some(i) = REGISTERS.iter().position(|r| *r == name) {
        state.regs[i] = number.ok()? as u64;
    } else if let Some((_, which)) = SEGMENTS.iter().find(|s| s.0 == name) {
        // Others cannot be loaded.
        let selector = number.ok()? as u16;
        state.selectors[*which] =
            Some(selector).filter(|s| matches!(*s, 0 | selector::DATA | selector::CODE32))?;
    } else if let Some(i) = BASES.iter().position(|b| *b == name) {
        state.bases[i] = number.ok()? as u64;
    } else if let Some((_, at, width)) = FIELDS.iter().find(|f| f.0 == name) {
        state.fx.set(*at, &number.ok()?.to_le_bytes()[..*width]);
    } else if let Some(i) = name.strip_prefix("xmm") {
        state.fx.set_xmm(i.parse().ok().filter(|i| *i < 16)?, number.ok()?);
    } else if let Some(i) = name.strip_prefix("st") {
        let value = number.ok()?;
        state.fx.set_st(i.parse().ok().filter(|i| *i < 8)?, ((value >> 64) as u16, value as u64));
    } else if let Some(address) = name.strip_prefix('[') {
        let address = u64::from_str_radix(address.strip_suffix(']')?, 16).ok()?;
        input.patch(address, &parse_hex(value)?);
    } else {
        match name {
            "bits" => input.bits = value.parse().ok()?,
            "rip" => state.rip = number.ok()? as u64,
            "rflags" => state.rflags = number.ok()? as u64,
            "code" => {
                let bytes = parse_hex(value).filter(|b| b.len() <= MAX_CODE)?;
                input.code[..bytes.len()].copy_from_slice(&bytes);
                input.code_len = bytes.len() as u32;
            }
            _ => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_case_reads_as_it_was() {
        let line = "bits=64 rip=10000010 code=0fa3c3 rax=12 rflags=203 fs=0 gsbase=10010800 \
                    fsw=3800 st1=3fff8000000000000000 xmm15=1234567890abcdef00 [10010ffe]=0102 [10020000]=03";
        let input = read(line).unwrap();
        assert_eq!(write(&input), line);
        assert_eq!(input.patched().count(), 3);
        assert!(read("bits=64").is_err());
        assert!(read("bits=64 code=90 nonsense=1").is_err());
    }
}
