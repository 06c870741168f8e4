//! The commonest instructions, which the run loop has inline.
//!
//! A call through a pointer for each instruction costs more than most of them do, above all in
//! WebAssembly. The handlers here are the ordinary ones; a number in the [`Op`] lets the run loop's
//! `match` find them without a call.

use std::collections::HashMap;
use std::sync::OnceLock;

use aero_cpu::{Exception, Exec};

use crate::lower::called;
use crate::op::{Handler, Op, OpFlags};
use crate::{control, integer, moves, stack, system};

/// How a row of ops ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// By its last op, and nothing happened that concerns the next instruction: no event can have
    /// come from here, and code is translated as before.
    Plain,
    /// In another way: what comes next is to be looked at.
    Boundary,
}

macro_rules! fast {
    (
        registers { $($register:ident = $on_registers:expr;)* }
        memory { $($memory:ident = $on_memory:expr;)* }
        branches { $($branch:ident = $branching:expr;)* }
    ) => {
        /// How the run loop executes an [`Op`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Fast {
            /// By a call of its handler.
            Called,
            $(#[doc = "Inline."] $register,)*
            $(#[doc = "Inline."] $memory,)*
            $(#[doc = "Inline."] $branch,)*
        }

        fn handlers() -> Vec<(Handler, Fast)> {
            vec![
            $((called($on_registers), Fast::$register),)*
            $((called($on_memory), Fast::$memory),)*
            $((called($branching), Fast::$branch),)*
            ]
        }

        /// Executes ops in a row from RIP on. A fault ends them, and is delivered.
        #[inline(always)]
        pub(crate) fn run_ops(exec: &mut Exec<'_>, ops: &[Op]) -> Row {
            let mut rip = exec.cpu.rip;
            let mut retired = exec.retired;
            exec.look = false;
            for op in ops {
                let start = rip;
                rip = rip.wrapping_add(op.len.into());
                let outcome = match op.fast {
                    // What cannot fault, nor reach memory, need not know where it is.
                    $(Fast::$register => {
                        let _ = $on_registers(exec, op);
                        retired += 1;
                        continue;
                    })*
                    $(Fast::$memory => {
                        exec.retired = retired;
                        exec.next_rip = rip;
                        $on_memory(exec, op)
                    })*
                    // These end their block.
                    $(Fast::$branch => {
                        exec.retired = retired;
                        exec.next_rip = rip;
                        let outcome = $branching(exec, op);
                        return match outcome {
                            Ok(()) => finish(exec, retired + 1),
                            Err(fault) => deliver(exec, start, *fault),
                        };
                    })*
                    Fast::Called => {
                        exec.retired = retired;
                        exec.cpu.rip = start;
                        exec.next_rip = rip;
                        let outcome = (op.handler)(exec, op);
                        if outcome.is_ok() && op.flags.contains(OpFlags::END) {
                            let row = finish(exec, retired + 1);
                            let plain = op.flags.contains(OpFlags::BRANCH);
                            return if plain { row } else { Row::Boundary };
                        }
                        if let Err(fault) = outcome {
                            // After a task switch the fault is at the new task's instruction.
                            return deliver(exec, exec.cpu.rip, *fault);
                        }
                        outcome
                    }
                };
                if let Err(fault) = outcome {
                    return deliver(exec, start, *fault);
                }
                retired += 1;
                if exec.look {
                    exec.next_rip = rip;
                    finish(exec, retired);
                    return Row::Boundary;
                }
            }
            exec.next_rip = rip;
            finish(exec, retired)
        }
    };
}

/// Goes on at the next instruction.
#[inline(always)]
fn finish(exec: &mut Exec<'_>, retired: u64) -> Row {
    exec.retired = retired;
    exec.cpu.rip = exec.next_rip & exec.cpu.linear_mask();
    if exec.look { Row::Boundary } else { Row::Plain }
}

/// Delivers a fault of the instruction at `rip`.
#[cold]
#[inline(never)]
fn deliver(exec: &mut Exec<'_>, rip: u64, fault: Exception) -> Row {
    exec.cpu.rip = rip;
    exec.raise(fault);
    Row::Boundary
}

fast! {
    registers {
        Nop = system::nop;
        MovRr32 = moves::mov_rr::<u32>;
        MovRi32 = moves::mov_ri::<u32>;
        MovRr64 = moves::mov_rr::<u64>;
        MovRi64 = moves::mov_ri::<u64>;
        LeaBase = moves::lea_base;
        LeaIndex = moves::lea_index;
        LeaBase32 = moves::lea_base32;
        ZxRr8To32 = moves::extend_rr::<u8, u32, false>;
        ZxRr16To32 = moves::extend_rr::<u16, u32, false>;
        SxRr8To32 = moves::extend_rr::<u8, u32, true>;
        SxRr32To64 = moves::extend_rr::<u32, u64, true>;
        Cdqe = moves::cdqe;
        AddRr32 = integer::binary_rr::<integer::Add, u32>;
        AddRi32 = integer::binary_ri::<integer::Add, u32>;
        AddRr64 = integer::binary_rr::<integer::Add, u64>;
        AddRi64 = integer::binary_ri::<integer::Add, u64>;
        SubRr32 = integer::binary_rr::<integer::Sub, u32>;
        SubRi32 = integer::binary_ri::<integer::Sub, u32>;
        SubRr64 = integer::binary_rr::<integer::Sub, u64>;
        SubRi64 = integer::binary_ri::<integer::Sub, u64>;
        AndRr32 = integer::binary_rr::<integer::And, u32>;
        AndRi32 = integer::binary_ri::<integer::And, u32>;
        AndRr64 = integer::binary_rr::<integer::And, u64>;
        AndRi64 = integer::binary_ri::<integer::And, u64>;
        OrRr32 = integer::binary_rr::<integer::Or, u32>;
        OrRi32 = integer::binary_ri::<integer::Or, u32>;
        OrRr64 = integer::binary_rr::<integer::Or, u64>;
        OrRi64 = integer::binary_ri::<integer::Or, u64>;
        XorRr32 = integer::binary_rr::<integer::Xor, u32>;
        XorRi32 = integer::binary_ri::<integer::Xor, u32>;
        XorRr64 = integer::binary_rr::<integer::Xor, u64>;
        XorRi64 = integer::binary_ri::<integer::Xor, u64>;
        CmpRr8 = integer::compare_rr::<integer::Cmp, u8>;
        CmpRi8 = integer::compare_ri::<integer::Cmp, u8>;
        CmpRr32 = integer::compare_rr::<integer::Cmp, u32>;
        CmpRi32 = integer::compare_ri::<integer::Cmp, u32>;
        CmpRr64 = integer::compare_rr::<integer::Cmp, u64>;
        CmpRi64 = integer::compare_ri::<integer::Cmp, u64>;
        TestRr8 = integer::compare_rr::<integer::Test, u8>;
        TestRi8 = integer::compare_ri::<integer::Test, u8>;
        TestRr32 = integer::compare_rr::<integer::Test, u32>;
        TestRi32 = integer::compare_ri::<integer::Test, u32>;
        TestRr64 = integer::compare_rr::<integer::Test, u64>;
        TestRi64 = integer::compare_ri::<integer::Test, u64>;
        IncR32 = integer::unary_r::<integer::Inc, u32>;
        IncR64 = integer::unary_r::<integer::Inc, u64>;
        DecR32 = integer::unary_r::<integer::Dec, u32>;
        DecR64 = integer::unary_r::<integer::Dec, u64>;
        NegR32 = integer::unary_r::<integer::Neg, u32>;
        NegR64 = integer::unary_r::<integer::Neg, u64>;
        NotR32 = integer::unary_r::<integer::Not, u32>;
        NotR64 = integer::unary_r::<integer::Not, u64>;
        ShlRi32 = integer::shift_ri::<integer::Shl, u32>;
        ShlRi64 = integer::shift_ri::<integer::Shl, u64>;
        ShrRi32 = integer::shift_ri::<integer::Shr, u32>;
        ShrRi64 = integer::shift_ri::<integer::Shr, u64>;
        SarRi32 = integer::shift_ri::<integer::Sar, u32>;
        SarRi64 = integer::shift_ri::<integer::Sar, u64>;
    }
    memory {
        MovRm32 = moves::mov_rm::<u32>;
        MovMr32 = moves::mov_mr::<u32>;
        MovRmBase32 = moves::mov_rm_base::<u32>;
        MovMrBase32 = moves::mov_mr_base::<u32>;
        MovMi32 = moves::mov_mi::<u32>;
        MovRm64 = moves::mov_rm::<u64>;
        MovMr64 = moves::mov_mr::<u64>;
        MovRmBase64 = moves::mov_rm_base::<u64>;
        MovMrBase64 = moves::mov_mr_base::<u64>;
        MovMi64 = moves::mov_mi::<u64>;
        MovRm8 = moves::mov_rm::<u8>;
        MovMr8 = moves::mov_mr::<u8>;
        MovMi8 = moves::mov_mi::<u8>;
        Lea32 = moves::lea::<u32>;
        Lea64 = moves::lea::<u64>;
        ZxRm8To32 = moves::extend_rm::<u8, u32, false>;
        ZxRm16To32 = moves::extend_rm::<u16, u32, false>;
        SxRm8To32 = moves::extend_rm::<u8, u32, true>;
        SxRm32To64 = moves::extend_rm::<u32, u64, true>;
        AddRm32 = integer::binary_rm::<integer::Add, u32>;
        AddRm64 = integer::binary_rm::<integer::Add, u64>;
        SubRm32 = integer::binary_rm::<integer::Sub, u32>;
        SubRm64 = integer::binary_rm::<integer::Sub, u64>;
        AndRm32 = integer::binary_rm::<integer::And, u32>;
        AndRm64 = integer::binary_rm::<integer::And, u64>;
        OrRm32 = integer::binary_rm::<integer::Or, u32>;
        OrRm64 = integer::binary_rm::<integer::Or, u64>;
        XorRm32 = integer::binary_rm::<integer::Xor, u32>;
        XorRm64 = integer::binary_rm::<integer::Xor, u64>;
        AddMr32 = integer::binary_mr::<integer::Add, u32>;
        AddMr64 = integer::binary_mr::<integer::Add, u64>;
        SubMr32 = integer::binary_mr::<integer::Sub, u32>;
        SubMr64 = integer::binary_mr::<integer::Sub, u64>;
        AndMr32 = integer::binary_mr::<integer::And, u32>;
        AndMr64 = integer::binary_mr::<integer::And, u64>;
        OrMr32 = integer::binary_mr::<integer::Or, u32>;
        OrMr64 = integer::binary_mr::<integer::Or, u64>;
        CmpRm8 = integer::compare_rm::<integer::Cmp, u8>;
        CmpMr8 = integer::compare_mr::<integer::Cmp, u8>;
        CmpMi8 = integer::compare_mi::<integer::Cmp, u8>;
        CmpRm32 = integer::compare_rm::<integer::Cmp, u32>;
        CmpMr32 = integer::compare_mr::<integer::Cmp, u32>;
        CmpMi32 = integer::compare_mi::<integer::Cmp, u32>;
        CmpRm64 = integer::compare_rm::<integer::Cmp, u64>;
        CmpMr64 = integer::compare_mr::<integer::Cmp, u64>;
        CmpMi64 = integer::compare_mi::<integer::Cmp, u64>;
        TestMr8 = integer::compare_mr::<integer::Test, u8>;
        TestMi8 = integer::compare_mi::<integer::Test, u8>;
        TestMr32 = integer::compare_mr::<integer::Test, u32>;
        TestMi32 = integer::compare_mi::<integer::Test, u32>;
        TestMr64 = integer::compare_mr::<integer::Test, u64>;
        TestMi64 = integer::compare_mi::<integer::Test, u64>;
        Imul32 = integer::imul_two::<u32>;
        Imul64 = integer::imul_two::<u64>;
        PushR32 = stack::push_r::<u32>;
        PopR32 = stack::pop_r::<u32>;
        PushR64 = stack::push_r::<u64>;
        PopR64 = stack::pop_r::<u64>;
    }
    branches {
        Jump32 = control::jump::<u32>;
        Call32 = control::call::<u32>;
        Ret32 = control::ret::<u32>;
        JumpIndirect32 = control::jump_indirect::<u32>;
        CallIndirect32 = control::call_indirect::<u32>;
        Jump64 = control::jump::<u64>;
        Call64 = control::call::<u64>;
        Ret64 = control::ret::<u64>;
        JumpIndirect64 = control::jump_indirect::<u64>;
        CallIndirect64 = control::call_indirect::<u64>;
        JB32 = control::jump_if::<2, u32>;
        JAe32 = control::jump_if::<3, u32>;
        JE32 = control::jump_if::<4, u32>;
        JNe32 = control::jump_if::<5, u32>;
        JBe32 = control::jump_if::<6, u32>;
        JA32 = control::jump_if::<7, u32>;
        JS32 = control::jump_if::<8, u32>;
        JNs32 = control::jump_if::<9, u32>;
        JL32 = control::jump_if::<12, u32>;
        JGe32 = control::jump_if::<13, u32>;
        JLe32 = control::jump_if::<14, u32>;
        JG32 = control::jump_if::<15, u32>;
        JB64 = control::jump_if::<2, u64>;
        JAe64 = control::jump_if::<3, u64>;
        JE64 = control::jump_if::<4, u64>;
        JNe64 = control::jump_if::<5, u64>;
        JBe64 = control::jump_if::<6, u64>;
        JA64 = control::jump_if::<7, u64>;
        JS64 = control::jump_if::<8, u64>;
        JNs64 = control::jump_if::<9, u64>;
        JL64 = control::jump_if::<12, u64>;
        JGe64 = control::jump_if::<13, u64>;
        JLe64 = control::jump_if::<14, u64>;
        JG64 = control::jump_if::<15, u64>;
    }
}

impl Fast {
    /// The inline form of a handler, if there is one.
    pub fn of(handler: Handler) -> Self {
        static NUMBERS: OnceLock<HashMap<usize, Fast>> = OnceLock::new();
        // Handlers that are equal in their code may share an address; either number will do then.
        let numbers = NUMBERS.get_or_init(|| {
            handlers().iter().map(|(handler, fast)| (*handler as usize, *fast)).collect()
        });
        numbers.get(&(handler as usize)).copied().unwrap_or(Self::Called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::decode_one;
    use aero_cpu::Features;

    #[test]
    fn the_common_instructions_are_inline() {
        for (code, fast) in [
            (&[0x89, 0xd8][..], Fast::MovRr32),
            (&[0x48, 0x8b, 0x47, 0x08], Fast::MovRmBase64),
            (&[0x88, 0x0a], Fast::MovMr8),
            (&[0x48, 0x8d, 0x04, 0x0f], Fast::LeaIndex),
            (&[0x0f, 0xb6, 0x06], Fast::ZxRm8To32),
            (&[0x48, 0x83, 0xc0, 0x01], Fast::AddRi64),
            (&[0x85, 0xc0], Fast::TestRr32),
            (&[0x75, 0x10], Fast::JNe64),
            (&[0x55], Fast::PushR64),
            (&[0xc3], Fast::Ret64),
            (&[0x90], Fast::Nop),
            (&[0x0f, 0xa2], Fast::Called),
        ] {
            let op = decode_one(code, 64, Features::empty()).expect("all of it is there");
            assert_eq!(op.fast, fast, "{code:x?}");
        }
    }
}
