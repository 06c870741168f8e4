//! Ways to make a case smaller.

use crate::case::{DS, ES, FS, FxImage, GS, Input, PATCH_BYTES, State, fx};
use crate::generate::decode;
use crate::layout::{CODE, selector};
use crate::text;

/// Gives a smaller case, if it applies.
pub type Change = Box<dyn Fn(&Input) -> Option<Input>>;

/// What may make a case smaller, one change at a time.
pub fn candidates(input: &Input) -> Vec<Change> {
    let mut list: Vec<Change> = Vec::new();
    let mut edit = |f: Box<dyn Fn(&mut State)>| {
        list.push(Box::new(move |input: &Input| {
            let mut smaller = *input;
            f(&mut smaller.state);
            Some(smaller)
        }));
    };
    let base = text::plain();
    for i in 0..16 {
        edit(Box::new(move |s| s.regs[i] = base.regs[i]));
        edit(Box::new(move |s| s.regs[i] &= 0xffff_ffff));
        edit(Box::new(move |s| s.fx.set_xmm(i, 0)));
    }
    for i in 0..8 {
        edit(Box::new(move |s| s.fx.set_st(i, (0, 0))));
    }
    edit(Box::new(move |s| s.rflags = base.rflags));
    for bit in [0_u64, 2, 4, 6, 7, 8, 10, 11, 18] {
        edit(Box::new(move |s| s.rflags &= !(1 << bit)));
    }
    let copy = |to: &mut FxImage, at: usize, len: usize| {
        to.0[at..at + len].copy_from_slice(&text::plain().fx.0[at..at + len]);
    };
    for (at, len) in [
        (fx::FCW, 2),
        (fx::FSW, 2),
        (fx::FTW, 2),
        (fx::MXCSR, 4),
        (fx::FOP, 2),
        (fx::FIP, 8),
        (fx::FDP, 8),
    ] {
        edit(Box::new(move |s| copy(&mut s.fx, at, len)));
    }
    edit(Box::new(|s| s.fx.0[fx::MXCSR] &= 0xc0));
    edit(Box::new(|s| s.fx.0[fx::FSW] = 0));
    for which in [ES, DS, FS, GS] {
        edit(Box::new(move |s| s.selectors[which] = selector::DATA));
    }
    edit(Box::new(|s| s.bases[0] = 0));
    edit(Box::new(|s| s.bases[1] = 0));
    edit(Box::new(|s| s.rip = CODE + 0x100));
    // What follows the instruction.
    list.push(Box::new(|input| {
        let len = decode(input).len() as u32;
        (len < input.code_len).then(|| {
            let mut smaller = *input;
            smaller.code[len as usize..].fill(0);
            smaller.code_len = len;
            smaller
        })
    }));
    // Prefixes.
    list.push(Box::new(|input| {
        let prefix = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
        let removable = prefix.contains(&input.code[0]) || input.code[0] >> 4 == 4;
        (removable && input.code_len > 1).then(|| {
            let mut smaller = *input;
            smaller.code.copy_within(1.., 0);
            smaller.code_len -= 1;
            smaller.code[smaller.code_len as usize] = 0;
            smaller
        })
    }));
    for i in 0..input.patches.len() {
        list.push(Box::new(move |input| {
            let used: Vec<usize> = input.patches.iter().map(|p| p.1 as usize).collect();
            (used[i] != 0).then(|| {
                let mut smaller = *input;
                let start: usize = used[..i].iter().sum();
                smaller.patch_bytes.copy_within(start + used[i]..PATCH_BYTES, start);
                smaller.patches.copy_within(i + 1.., i);
                smaller.patches[input.patches.len() - 1] = (0, 0);
                smaller
            })
        }));
    }
    let total: usize = input.patches.iter().map(|p| p.1 as usize).sum();
    let mut step = 64;
    while step >= 8 {
        for start in (0..total).step_by(step) {
            list.push(Box::new(move |input| {
                let mut smaller = *input;
                smaller.patch_bytes[start..(start + step).min(total)].fill(0);
                Some(smaller)
            }));
        }
        step /= 2;
    }
    list
}
