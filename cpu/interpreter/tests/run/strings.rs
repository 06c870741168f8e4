use aero_cpu::bits::rflags;
use aero_cpu::{RSP, SegReg, vector};
use iced_x86::code_asm::*;

use crate::asm;
use crate::machine::*;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

#[test]
fn a_copy_over_several_pages_stops_at_a_fault_and_goes_on_after_it() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rsi, DATA + 5); mov(rdi, DATA + 0x8003); mov(ecx, 10_000););
        a.rep().movsb().unwrap();
        asm!(a: hlt(););
    });
    let data = pattern(10_000);
    m.write(DATA + 5, &data);
    m.set_present(DATA + 0x9000, false);
    let rip = m.expect_fault(vector::PF);
    let done = 0x1000 - 3;
    assert_eq!(m.cpu.cr2, DATA + 0x9000);
    assert_eq!(m.reg(RCX), 10_000 - done);
    assert_eq!(m.reg(RSI), DATA + 5 + done);
    assert_eq!(m.reg(RDI), DATA + 0x9000);
    m.set_present(DATA + 0x9000, true);
    m.cpu.rip = rip;
    m.cpu.set_activity(aero_cpu::Activity::Running);
    m.run();
    assert_eq!((m.reg(RCX), m.reg(RDI)), (0, DATA + 0x8003 + 10_000));
    assert_eq!(m.read(DATA + 0x8003, 10_000), data);
}

#[test]
fn an_overlapping_copy_spreads_its_start() {
    for (size, distance) in [(1_u32, 1), (1, 3), (4, 2), (8, 8)] {
        let mut m = Machine::long().with(|a| {
            asm!(a: mov(rsi, DATA); mov(rdi, DATA + distance); mov(ecx, 4000 / size););
            match size {
                1 => a.rep().movsb().unwrap(),
                4 => a.rep().movsd().unwrap(),
                _ => a.rep().movsq().unwrap(),
            }
            asm!(a: hlt(););
        });
        let mut expected = pattern(5000);
        m.write(DATA, &expected);
        m.run();
        let size = size as usize;
        for i in 0..4000 / size {
            let element = expected[i * size..][..size].to_vec();
            expected[i * size + distance as usize..][..size].copy_from_slice(&element);
        }
        assert_eq!(m.read(DATA, 5000), expected, "elements of {size}, distance {distance}");
    }
}

#[test]
fn a_copy_downwards_ends_below_its_start() {
    for (source, target) in [(DATA + 0x2ff0, DATA + 0x2f00), (DATA + 0x2000, DATA + 0x2010)] {
        let mut m = Machine::long().with(|a| {
            asm!(a: std(); mov(rsi, source); mov(rdi, target); mov(ecx, 2000););
            a.rep().movsd().unwrap();
            asm!(a: hlt(););
        });
        let all = pattern(0x4000);
        m.write(DATA, &all);
        let mut expected = all.clone();
        let (mut from, mut to) = ((source - DATA) as usize, (target - DATA) as usize);
        for i in 0..2000 {
            let element = expected[from..][..4].to_vec();
            expected[to..][..4].copy_from_slice(&element);
            if i < 1999 {
                from -= 4;
                to -= 4;
            }
        }
        m.run();
        assert_eq!(m.read(DATA, 0x4000), expected);
        assert_eq!(m.reg(RSI), source - 8000);
    }
}

#[test]
fn filling_over_pages_of_every_size() {
    for value in [0x5555_5555_5555_5555_u64, 0x0123_4567_89ab_cdef] {
        let mut m = Machine::long().with(|a| {
            asm!(a: mov(rax, value); mov(rdi, DATA + 1); mov(ecx, 1001););
            a.rep().stosq().unwrap();
            asm!(a: mov(ecx, 3););
            a.rep().stosw().unwrap();
            asm!(a: hlt(););
        });
        m.run();
        let mut expected = value.to_le_bytes().repeat(1001);
        expected.extend(value.to_le_bytes()[..2].repeat(3));
        assert_eq!(m.read(DATA + 1, expected.len()), expected);
        assert_eq!(m.read(DATA + 1 + expected.len() as u64, 1), [0]);
        assert_eq!(m.reg(RDI), DATA + 1 + 8014);
    }
}

#[test]
fn scans_and_comparisons_end_where_the_prefix_says() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rdi, DATA); mov(ecx, 10_000); xor(eax, eax););
        a.repne().scasb().unwrap();
        asm!(a: mov(rdx, rcx); mov(rsi, DATA); mov(rdi, DATA + 0x4000); mov(ecx, 10_000););
        a.repe().cmpsb().unwrap();
        asm!(a: setb(bl); mov(r8, rcx);
            // A count of zero compares nothing and leaves the flags.
            xor(ecx, ecx); stc(););
        a.repe().cmpsb().unwrap();
        asm!(a: setb(bh); hlt(););
    });
    m.write(DATA, &[1; 6000]);
    m.write(DATA + 0x4000, &[1; 6000]);
    m.write(DATA + 0x4000 + 5000, &[2]);
    m.run();
    assert_eq!(m.reg(RDX), 10_000 - 6001);
    assert_eq!(m.reg(8), 10_000 - 5001);
    assert_eq!(m.reg(RSI), DATA + 5001);
    assert_eq!(m.reg(RBX) & 0xffff, 0x0101);
}

#[test]
fn loads_repeat_to_the_last_element() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rsi, DATA); mov(ecx, 1025););
        a.rep().lodsd().unwrap();
        asm!(a: hlt(););
    });
    m.write(DATA + 4096, &[1, 2, 3, 4]);
    m.run();
    assert_eq!((m.reg(RAX), m.reg(RSI)), (0x0403_0201, DATA + 4100));
}

#[test]
fn sixteen_bit_indexes_wrap_within_the_segment() {
    let mut m = Machine::real().with(|a| {
        asm!(a: mov(si, 0xfffe); mov(di, 0x5000); mov(cx, 4););
        a.rep().movsb().unwrap();
        asm!(a: hlt(););
    });
    m.write(0xfffe, &[1, 2]);
    m.write(0, &[3, 4]);
    m.cpu.regs[RCX] = 0xabcd_0000;
    m.run();
    assert_eq!(m.read(0x5000, 4), [1, 2, 3, 4]);
    assert_eq!((m.reg(RSI), m.reg(RDI), m.reg(RCX)), (2, 0x5004, 0xabcd_0000));
}

#[test]
fn a_repeated_instruction_is_interrupted_between_elements_and_resumes() {
    let mut m = Machine::long().with(|a| {
        asm!(a: sti(); mov(rsi, DATA); mov(rdi, DEVICE); mov(ecx, 8););
        a.rep().movsd().unwrap();
        asm!(a: hlt(););
    });
    m.write(DATA, &pattern(32));
    m.world.vector = Some(0x30);
    m.world.raise = true;
    m.run();
    assert_eq!(m.vector(), 0x30);
    assert_eq!((m.reg(RCX), m.reg(RDI)), (7, DEVICE + 4), "one element is done");
    let frame = m.reg(RSP);
    let rip = m.read_u64(frame);
    assert_eq!(m.read(rip, 2), [0xf3, 0xa5]);
    m.world.raise = false;
    m.cpu.regs[RSP] = frame + 40;
    m.cpu.rip = rip;
    m.cpu.set_activity(aero_cpu::Activity::Running);
    m.run();
    assert_eq!(m.world.device_writes.len(), 8);
    let bytes: Vec<u8> = m.world.device_writes.iter().flat_map(|w| w.2.clone()).collect();
    assert_eq!(bytes, pattern(32));
}

#[test]
fn port_strings_move_between_ports_and_memory() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rdi, DATA + 0xffe); mov(edx, u32::from(COUNT_PORT)); mov(ecx, 5););
        a.rep().insb().unwrap();
        asm!(a: mov(rsi, DATA + 0xffe); mov(edx, 0x60); mov(ecx, 2););
        a.rep().outsw().unwrap();
        asm!(a: hlt(););
    });
    m.run();
    assert_eq!(m.read(DATA + 0xffe, 5), [1, 2, 3, 4, 5]);
    let values: Vec<_> = m.world.port_writes.iter().map(|w| (w.1, w.2)).collect();
    assert_eq!(values, [(0x60, 0x0201), (0x60, 0x0403)]);
}

#[test]
fn a_port_is_not_read_when_its_value_could_not_be_stored() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rdi, DATA); mov(edx, u32::from(COUNT_PORT)); insb(); hlt(););
    });
    m.set_present(DATA, false);
    m.expect_fault(vector::PF);
    assert_eq!(m.world.counted, 0);
}

#[test]
fn the_source_s_segment_can_be_overridden_and_the_destination_s_not() {
    let mut m = Machine::flat().with_bytes(&[
        0xb9, 4, 0, 0, 0, // mov ecx, 4
        0x64, 0xf3, 0xa4, // fs rep movsb
        0xf4,
    ]);
    m.set_segment(SegReg::Fs, Machine::data_segment(DATA, 0xfff));
    m.cpu.regs[RSI] = 0xffe;
    m.cpu.regs[RDI] = 0x5000;
    m.write(DATA + 0xffe, &[1, 2, 3, 4]);
    // The third element is beyond the limit.
    let mut stack = m.cpu.regs[RSP];
    m.run();
    assert_eq!(m.vector(), u64::from(vector::GP));
    stack -= 16;
    assert_eq!(u64::from(m.read_u32(stack + 4)), CODE + 5);
    assert_eq!((m.reg(RCX), m.read(0x5000, 3)), (2, vec![1, 2, 0]));
}

#[test]
fn single_steps_come_after_each_element() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rdi, DATA); mov(ecx, 3););
        a.rep().stosb().unwrap();
        asm!(a: hlt(););
    });
    m.run_for(2);
    m.cpu.flags.set(rflags::TF, true);
    m.cpu.mode_changed();
    let at = m.cpu.rip;
    m.run();
    assert_eq!(m.vector(), u64::from(vector::DB));
    assert_eq!((m.reg(RCX), m.read_u64(m.reg(RSP))), (2, at));
}

#[test]
fn a_copy_downwards_may_begin_with_an_element_that_crosses_a_page() {
    // REP MOVSW.
    let mut m = Machine::long().with_bytes(&[0xf3, 0x66, 0xa5, 0xf4]);
    m.write(DATA + 0x100, &[1, 2, 3, 4]);
    m.cpu.flags.set(rflags::DF, true);
    m.cpu.regs[RSI] = DATA + 0x102;
    m.cpu.regs[RDI] = DATA + 0xfff;
    m.cpu.regs[RCX] = 2;
    m.run();
    assert_eq!(m.read(DATA + 0xffd, 4), [1, 2, 3, 4]);
}

#[test]
fn a_repeated_instruction_lets_the_run_loop_in_where_a_multiple_of_a_million_elements_is_left() {
    let mut m = Machine::flat().with_bytes(&[0xf3, 0xac, 0xf4]); // REP LODSB, HLT
    m.cpu.regs[1] = (1 << 20) + 5;
    m.cpu.regs[6] = 0x20_0000;
    assert_eq!(m.run_for(1).retired, 1);
    assert_eq!((m.reg(1), m.reg(6), m.cpu.rip), (1 << 20, 0x20_0005, CODE));
    assert_eq!(m.run_for(1).retired, 1);
    assert_eq!((m.reg(1), m.cpu.rip), (0, CODE + 2));
}

#[test]
fn a_repeated_instruction_lets_the_run_loop_in_after_some_accesses_to_devices() {
    // REP OUTSB and REP LODSB of what is not there, HLT.
    for (opcode, source) in [(0x6e, 0x20_0000), (0xac, 0x8000_0000)] {
        let mut m = Machine::flat().with_bytes(&[0xf3, opcode, 0xf4]);
        m.cpu.regs[1] = 4096 + 5;
        m.cpu.regs[6] = source;
        assert_eq!(m.run_for(1).retired, 1);
        assert_eq!((m.reg(1), m.reg(6), m.cpu.rip), (4096, source + 5, CODE));
        assert_eq!(m.run_for(1).retired, 1);
        assert_eq!((m.reg(1), m.cpu.rip), (0, CODE + 2));
    }
}
