use aero_cpu::{F80, vector};
use iced_x86::code_asm::*;

use crate::asm;
use crate::machine::*;

const C1: u16 = 1 << 9;
const C2: u16 = 1 << 10;

#[test]
fn a_stack_underflow_clears_c2_of_fptan_and_fprem() {
    for code in [[0xd9, 0xf2], [0xd9, 0xf8], [0xd9, 0xfe]] {
        let mut m = Machine::long().with_bytes(&[code[0], code[1], 0xf4]);
        m.cpu.fpu.control = 0x37f;
        m.cpu.fpu.tags = 0;
        m.cpu.fpu.status = C2;
        m.run();
        assert_eq!(m.cpu.fpu.status & 0x6ff, 0x41, "{code:x?}");
    }
}

#[test]
fn fld_of_an_empty_register_is_an_underflow_even_if_the_stack_is_full_elsewhere() {
    let mut m = Machine::long().with_bytes(&[0xd9, 0xc0, 0xf4]);
    m.cpu.fpu.control = 0x37f;
    // ST(0) is empty, ST(7) is not.
    m.cpu.fpu.tags = 0xfe;
    m.run();
    assert_eq!(m.cpu.fpu.status & C1, 0);
    assert_eq!(m.cpu.fpu.top, 7);
    assert_eq!(m.cpu.fpu.regs[7], F80::INDEFINITE);
}

#[test]
fn a_quiet_nan_in_st0_wins_over_a_signaling_one_in_memory() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(ebx, DATA as u32); fadd(dword_ptr(rbx)); hlt(););
    });
    m.write(DATA, &0x7f80_0001_u32.to_le_bytes());
    m.cpu.fpu.control = 0x37f;
    m.cpu.fpu.tags = 1;
    m.cpu.fpu.regs[0] = F80::INDEFINITE;
    m.run();
    assert_eq!(m.cpu.fpu.regs[0], F80::INDEFINITE);
    assert_eq!(m.cpu.fpu.status & 0x3f, 1);
}

#[test]
fn a_store_of_an_empty_register_looks_at_its_address_even_if_nothing_is_stored() {
    for code in [[0xd9, 0x1b], [0xdd, 0x1b], [0xdb, 0x3b], [0xdf, 0x33]] {
        let mut m = Machine::long().with_bytes(&code);
        m.cpu.regs[RBX] = DATA;
        m.cpu.fpu.control = 0x37e;
        m.set_present(DATA, false);
        m.expect_fault(vector::PF);
        assert_eq!(m.cpu.fpu.status & 0x3f, 0, "{code:x?}");
    }
}

#[test]
fn fyl2x_of_zero_divides_by_zero_whatever_y_is() {
    let mut m = Machine::long().with_bytes(&[0xd9, 0xf1, 0xf4]);
    m.cpu.fpu.control = 0x37f;
    m.cpu.fpu.tags = 3;
    m.cpu.fpu.regs[1] = F80 { mantissa: 1, sign_exponent: 0 };
    m.run();
    assert_eq!(m.cpu.fpu.status & 0x3f, 4);
}

#[test]
fn fprem_wraps_the_exponent_of_a_result_that_is_too_small_if_underflow_is_not_masked() {
    let mut m = Machine::long().with_bytes(&[0xd9, 0xf8, 0xf4]);
    m.cpu.fpu.control = 0x36f;
    m.cpu.fpu.tags = 3;
    m.cpu.fpu.regs[0] = F80 { mantissa: 1, sign_exponent: 0 };
    m.cpu.fpu.regs[1] = F80::ONE;
    m.run();
    assert_eq!(m.cpu.fpu.regs[0], F80 { mantissa: 1 << 63, sign_exponent: 0x5fc2 });
    assert_eq!(m.cpu.fpu.status & 0x3f, 0x12);
}
