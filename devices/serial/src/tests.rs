use aero_bus::{Device, Snapshot};
use aero_testbed::{Access, MemoryChar, Testbed, assert_round_trip};

use crate::Serial;

const DATA: u64 = 0;
const IER: u64 = 1;
const IIR: u64 = 2;
const FCR: u64 = 2;
const LCR: u64 = 3;
const MCR: u64 = 4;
const LSR: u64 = 5;
const MSR: u64 = 6;
const SCR: u64 = 7;

struct Rig {
    bed: Testbed,
    line: MemoryChar,
    port: Serial,
}

/// A port with 8N1, 115200, DTR, RTS and OUT2.
fn rig() -> Rig {
    let bed = Testbed::new();
    let line = MemoryChar::default();
    let mut port = Serial::new(bed.pin(4), Box::new(line.clone()), &bed.clock);
    port.write8(LCR, 0x80);
    port.write8(DATA, 1);
    port.write8(IER, 0);
    port.write8(LCR, 3);
    port.write8(MCR, 0x0b);
    Rig { bed, line, port }
}

/// One character at 115200, 8N1.
const CHARACTER: u64 = 10 * 1_000_000_000 / 115_200;

#[test]
fn master_reset_leaves_the_registers_of_table_iii() {
    let Rig { mut port, .. } = rig();
    port.write8(IER, 0xff);
    port.write8(FCR, 0xc1);
    port.reset();
    assert_eq!(port.read8(IER), 0);
    assert_eq!(port.read8(IIR), 0x01);
    assert_eq!(port.read8(LCR), 0);
    assert_eq!(port.read8(MCR), 0);
    assert_eq!(port.read8(LSR), 0x60);
    assert_eq!(port.read8(MSR), 0xb0);
}

#[test]
fn reserved_bits_read_as_zero_and_scratch_holds_a_byte() {
    let Rig { mut port, .. } = rig();
    port.write8(IER, 0xff);
    port.write8(MCR, 0xff);
    port.write8(SCR, 0xa5);
    assert_eq!(port.read8(IER), 0x0f);
    assert_eq!(port.read8(MCR), 0x1f);
    assert_eq!(port.read8(SCR), 0xa5);
}

#[test]
fn the_divisor_latch_lies_over_data_and_interrupt_enable() {
    let Rig { mut port, line, .. } = rig();
    port.write8(IER, 0x01);
    port.write8(LCR, 0x83);
    port.write16(DATA, 0x0180);
    assert_eq!(port.read16(DATA), 0x0180);
    port.write8(LCR, 0x03);
    assert_eq!(port.read8(IER), 0x01);
    assert_eq!(line.take_sent(), b"");
}

#[test]
fn a_written_byte_is_sent_and_the_transmitter_is_empty_again() {
    let Rig { mut port, line, .. } = rig();
    port.write8(DATA, b'A');
    assert_eq!(line.take_sent(), b"A");
    assert_eq!(port.read8(LSR), 0x60);
}

#[test]
fn a_word_of_seven_bits_has_no_eighth() {
    let Rig { mut port, line, .. } = rig();
    port.write8(LCR, 0x02);
    port.write8(DATA, 0xc1);
    line.feed(&[0xc2]);
    assert_eq!(line.take_sent(), b"A");
    assert_eq!(port.read8(DATA), b'B');
}

#[test]
fn enabling_the_transmitter_interrupt_raises_it_and_reading_iir_clears_it() {
    let Rig { bed, mut port, .. } = rig();
    port.write8(IER, 0x02);
    assert!(bed.level(4));
    assert_eq!(port.read8(IIR), 0x02);
    assert!(!bed.level(4));
    assert_eq!(port.read8(IIR), 0x01);
    // Once more, as Linux tests for a broken transmitter interrupt.
    port.write8(IER, 0x00);
    port.write8(IER, 0x02);
    assert_eq!(port.read8(IIR), 0x02);
    port.write8(DATA, b'x');
    assert!(bed.level(4));
}

#[test]
fn each_transmitted_byte_gives_an_edge() {
    let Rig { bed, mut port, .. } = rig();
    port.write8(IER, 0x02);
    bed.take_events();
    port.write8(DATA, b'x');
    port.write8(DATA, b'y');
    assert_eq!(bed.take_events().len(), 4);
}

#[test]
fn out2_gates_the_interrupt() {
    let Rig { bed, mut port, .. } = rig();
    port.write8(MCR, 0x03);
    port.write8(IER, 0x02);
    assert!(!bed.level(4));
    port.write8(MCR, 0x0b);
    assert!(bed.level(4));
    port.write8(MCR, 0x1b);
    assert!(!bed.level(4), "in loopback the output is inactive");
}

#[test]
fn without_fifos_one_character_is_held_and_the_next_stays_with_the_back_end() {
    let Rig { bed, mut port, line } = rig();
    port.write8(IER, 0x01);
    line.feed(b"ab");
    port.tick();
    assert!(bed.level(4));
    assert_eq!(port.read8(IIR), 0x04);
    assert_eq!(port.read8(LSR), 0x61);
    assert_eq!(port.read8(DATA), b'a');
    assert_eq!(port.read8(LSR), 0x61);
    assert_eq!(port.read8(DATA), b'b');
    assert_eq!(port.read8(LSR), 0x60);
    assert!(!bed.level(4));
}

#[test]
fn nothing_is_lost_however_much_the_back_end_holds() {
    let Rig { mut port, line, .. } = rig();
    let sent: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
    line.feed(&sent);
    port.write8(FCR, 0xc1);
    let mut got = Vec::new();
    while port.read8(LSR) & 1 != 0 {
        got.push(port.read8(DATA));
    }
    assert_eq!(got, sent);
}

#[test]
fn the_fifo_interrupts_at_its_trigger_level() {
    for (fcr, level) in [(0x01, 1), (0x41, 4), (0x81, 8), (0xc1, 14)] {
        let Rig { bed, mut port, line } = rig();
        port.write8(FCR, fcr);
        port.write8(IER, 0x01);
        line.feed(&vec![7; level - 1]);
        port.tick();
        assert!(!bed.level(4));
        line.feed(&[8]);
        port.tick();
        assert_eq!(port.read8(IIR), 0xc4);
        port.read8(DATA);
        assert!(!bed.level(4), "below the trigger level again");
    }
}

#[test]
fn characters_below_the_trigger_level_time_out_after_four_character_times() {
    let Rig { bed, mut port, line } = rig();
    port.write8(FCR, 0xc1);
    port.write8(IER, 0x01);
    line.feed(b"ab");
    port.tick();
    bed.run(&mut port, 4 * CHARACTER - 1000);
    assert_eq!(port.read8(IIR), 0xc1);
    bed.run(&mut port, 2000);
    assert!(bed.level(4));
    assert_eq!(port.read8(IIR), 0xcc);
    assert_eq!(port.read8(DATA), b'a');
    assert!(!bed.level(4), "a read starts the timeout anew");
    bed.run(&mut port, 5 * CHARACTER);
    assert_eq!(port.read8(IIR), 0xcc);
    assert_eq!(port.read8(DATA), b'b');
    bed.run(&mut port, 5 * CHARACTER);
    assert_eq!(port.read8(IIR), 0xc1);
}

#[test]
fn interrupts_are_told_in_the_order_of_their_priority() {
    let Rig { mut port, line, .. } = rig();
    port.write8(IER, 0x0f);
    // Loopback changes the modem inputs; back, and they change again.
    port.write8(MCR, 0x10);
    port.write8(MCR, 0x0b);
    port.receive_break();
    line.feed(b"z");
    assert_eq!(port.read8(IIR), 0x06);
    assert_eq!(port.read8(LSR), 0x71);
    assert_eq!(port.read8(IIR), 0x04);
    assert_eq!(port.read8(DATA), 0);
    assert_eq!(port.read8(DATA), b'z');
    assert_eq!(port.read8(IIR), 0x02);
    assert_eq!(port.read8(IIR), 0x00);
    assert_ne!(port.read8(MSR) & 0x0f, 0);
    assert_eq!(port.read8(IIR), 0x01);
}

#[test]
fn an_error_shows_when_its_character_is_at_the_top_of_the_fifo() {
    let Rig { mut port, line, .. } = rig();
    port.write8(FCR, 0x01);
    line.feed(b"a");
    port.tick();
    port.receive_break();
    assert_eq!(port.read8(LSR), 0xe1, "only bit 7 tells of it yet");
    port.read8(DATA);
    assert_eq!(port.read8(LSR), 0xf1);
    assert_eq!(port.read8(LSR), 0x61, "reading cleared it");
}

#[test]
fn loopback_returns_bytes_and_control_outputs() {
    let Rig { mut port, line, .. } = rig();
    port.write8(MCR, 0x1a);
    assert_eq!(port.read8(MSR) & 0xf0, 0x90, "RTS to CTS, OUT2 to DCD");
    port.write8(DATA, 0x5a);
    assert_eq!(port.read8(LSR), 0x61);
    assert_eq!(port.read8(DATA), 0x5a);
    assert_eq!(line.take_sent(), b"");
    port.write8(MCR, 0x14);
    assert_eq!(port.read8(MSR), 0x49, "RI is up; CTS and DCD changed");
    port.write8(MCR, 0x10);
    assert_eq!(port.read8(MSR), 0x04, "the trailing edge of RI");
}

#[test]
fn a_full_fifo_keeps_its_sixteen_and_tells_of_the_overrun() {
    let Rig { mut port, .. } = rig();
    port.write8(FCR, 0x01);
    port.write8(MCR, 0x10);
    for i in 0..20 {
        port.write8(DATA, i);
    }
    assert_eq!(port.read8(LSR), 0x63);
    assert_eq!(port.read8(LSR), 0x61);
    let got: Vec<u8> =
        std::iter::from_fn(|| (port.read8(LSR) & 1 != 0).then(|| port.read8(DATA))).collect();
    assert_eq!(got, (0..16).collect::<Vec<u8>>());
}

#[test]
fn without_fifos_an_overrun_replaces_the_character() {
    let Rig { mut port, .. } = rig();
    port.write8(MCR, 0x10);
    port.write8(DATA, 1);
    port.write8(DATA, 2);
    assert_eq!(port.read8(LSR), 0x63);
    assert_eq!(port.read8(DATA), 2);
}

#[test]
fn fifo_control_needs_its_enable_bit_and_clears_the_receiver() {
    let Rig { mut port, line, .. } = rig();
    port.write8(FCR, 0xc0);
    assert_eq!(port.read8(IIR), 0x01);
    port.write8(FCR, 0x01);
    assert_eq!(port.read8(IIR), 0xc1);
    line.feed(b"abc");
    port.tick();
    port.write8(FCR, 0x03);
    assert_eq!(port.read8(LSR), 0x60);
}

#[test]
fn any_write_and_any_length_is_survived() {
    let Rig { bed, mut port, line } = rig();
    let mut x = 1u32;
    for i in 0..20_000u64 {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        line.feed(&[x as u8]);
        port.write8(u64::from(x >> 24) % 9, (x >> 8) as u8);
        port.read8(u64::from(x >> 16) % 9);
        port.read64(i % 12);
        if i % 100 == 0 {
            bed.run(&mut port, u64::from(x));
        }
    }
}

#[test]
fn a_snapshot_keeps_fifo_timeout_and_pin() {
    let Rig { bed, mut port, line } = rig();
    port.write8(FCR, 0xc1);
    port.write8(IER, 0x01);
    line.feed(b"ab");
    port.tick();
    let other = Testbed::new();
    let mut copy = Serial::new(other.pin(4), Box::new(MemoryChar::default()), &other.clock);
    assert_round_trip(&port, &mut copy);
    other.run(&mut copy, 5 * CHARACTER);
    bed.run(&mut port, 5 * CHARACTER);
    assert!(other.level(4));
    let saved = assert_round_trip(&port, &mut copy);
    assert_eq!(copy.read8(DATA), b'a');

    let mut state: crate::state::State = saved.open("serial", 1).unwrap();
    state.receiver.extend(std::iter::repeat_n(state.receiver[0].clone(), 20));
    assert!(copy.restore(&Snapshot::new("serial", 1, &state)).is_err());
}
