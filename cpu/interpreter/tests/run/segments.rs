use aero_cpu::{SegReg, vector};

use crate::machine::*;

/// Not canonical.
const NOWHERE: u64 = 0x8000_0000_0000_0000;

#[test]
fn segment_prefixes_but_fs_and_gs_mean_nothing_in_64_bit_code() {
    // The prefix asks for SS, the base is not the stack's.
    let mut m = Machine::long().with_bytes(&[0x36, 0x8b, 0x03]);
    m.cpu.regs[RBX] = NOWHERE;
    m.expect_fault(vector::GP);
    // The prefix asks for DS, the base is the stack's.
    let mut m = Machine::long().with_bytes(&[0x3e, 0x8b, 0x45, 0x00]);
    m.cpu.regs[RBP] = NOWHERE;
    m.expect_fault(vector::SS);
}

#[test]
fn arpl_writes_only_what_it_changes() {
    // ARPL [EBX], AX.
    let mut m = Machine::flat().with_bytes(&[0x63, 0x03, 0xf4]);
    m.set_segment(
        SegReg::Ds,
        aero_cpu::Segment {
            attributes: aero_cpu::SegmentAttributes(0xc91),
            ..Machine::data_segment(0, u32::MAX)
        },
    );
    m.write(DATA, &[3, 0]);
    m.cpu.regs[RBX] = DATA;
    m.cpu.regs[RAX] = 2;
    m.run();
    assert!(!m.cpu.flags.zf());
    assert_eq!(m.cpu.activity(), aero_cpu::Activity::Halted);
    assert!(m.cpu.code_linear(m.cpu.rip) < HANDLERS || m.cpu.rip > HANDLERS + 256);
}
