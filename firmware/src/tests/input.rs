//! Keyboard and mouse.

use super::*;
use crate::rom::service;

fn keys(bench: &mut Bench, codes: &[u8]) {
    for code in codes {
        bench.call(service::KEY, |f| f.set_al(*code));
    }
}

fn next(bench: &mut Bench, function: u16) -> u16 {
    bench.call(0x16, |f| f.set_ax(function << 8)).ax()
}

#[test]
fn keys_come_out_in_the_order_they_went_in() {
    let mut bench = Bench::new();
    bench.power_on();
    keys(&mut bench, &[0x1e, 0x9e, 0x30, 0xb0]);
    assert_eq!(next(&mut bench, 0x00), 0x1e61);
    let f = bench.call(0x16, |f| f.set_ax(0x0100));
    assert_eq!((f.ax(), f.flags & 0x40), (0x3062, 0), "looked at, not taken");
    assert_eq!(next(&mut bench, 0x00), 0x3062);
    assert_ne!(bench.call(0x16, |f| f.set_ax(0x0100)).flags & 0x40, 0);
    assert_eq!(bench.ask(0x16, |f| f.set_ax(0)), None, "waits for a key");
}

#[test]
fn shift_ctrl_alt_and_caps_lock_change_keys() {
    let mut bench = Bench::new();
    bench.power_on();
    keys(&mut bench, &[0x2a, 0x1e, 0x9e, 0xaa]);
    assert_eq!(next(&mut bench, 0), 0x1e41);
    keys(&mut bench, &[0x1d, 0x2e, 0xae, 0x9d]);
    assert_eq!(next(&mut bench, 0), 0x2e03);
    keys(&mut bench, &[0x38, 0x3b, 0xbb, 0xb8]);
    assert_eq!(next(&mut bench, 0), 0x6800);
    keys(&mut bench, &[0x3a, 0xba, 0x1e, 0x9e, 0x02, 0x82]);
    assert_eq!((next(&mut bench, 0), next(&mut bench, 0)), (0x1e41, 0x0231));
    assert_eq!(bench.call(0x16, |f| f.set_ax(0x0200)).al() & 0x40, 0x40);
}

#[test]
fn enhanced_keys_look_old_to_the_old_functions() {
    let mut bench = Bench::new();
    bench.power_on();
    keys(&mut bench, &[0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x1c, 0xe0, 0x48]);
    assert_eq!(next(&mut bench, 0x10), 0x48e0);
    assert_eq!(next(&mut bench, 0x00), 0x1c0d);
    assert_eq!(next(&mut bench, 0x00), 0x4800);
    keys(&mut bench, &[0x57, 0x1e]);
    assert_eq!(next(&mut bench, 0x00), 0x1e61, "F11 is not seen");
}

#[test]
fn num_lock_and_alt_with_the_keypad() {
    let mut bench = Bench::new();
    bench.power_on();
    keys(&mut bench, &[0x4f]);
    assert_eq!(next(&mut bench, 0), 0x4f00, "Num Lock is off at first");
    keys(&mut bench, &[0x45, 0xc5, 0x4f]);
    assert_eq!(next(&mut bench, 0), 0x4f31);
    keys(&mut bench, &[0x38, 0x4d, 0xcd, 0x4c, 0xcc, 0xb8]);
    assert_eq!(next(&mut bench, 0), 65, "Alt and 65");
}

#[test]
fn ctrl_break_empties_the_buffer_and_is_raised() {
    let mut bench = Bench::new();
    bench.power_on();
    keys(&mut bench, &[0x1e, 0x1d, 0xe0]);
    let f = bench.call(service::KEY, |f| f.set_al(0x46));
    assert_eq!(f.ax(), 0x1b);
    assert_eq!(next(&mut bench, 0), 0);
    assert_eq!(bench.machine.read8(0x471), 0x80);
    let f = bench.call(service::KEY, |f| f.set_al(0x2a));
    assert_eq!(f.ax(), 0);
}

#[test]
fn the_buffer_holds_fifteen_keys_and_takes_stuffed_ones() {
    let mut bench = Bench::new();
    bench.power_on();
    for _ in 0..15 {
        assert_eq!(bench.call(0x16, |f| (f.eax, f.ecx) = (0x0500, 0x1e61)).al(), 0);
    }
    assert_eq!(bench.call(0x16, |f| (f.eax, f.ecx) = (0x0500, 0x1e61)).al(), 1);
    for _ in 0..15 {
        assert_eq!(next(&mut bench, 0x10), 0x1e61);
    }
}

#[test]
fn the_mouse_calls_its_handler_with_each_packet() {
    let mut bench = Bench::new();
    bench.power_on();
    let ask = |bench: &mut Bench, ax: u32, bx: u32| {
        let f = bench.call(0x15, |f| (f.eax, f.ebx, f.es) = (ax, bx, 0x1234));
        (f.carry(), f.ah(), f.bx())
    };
    assert_eq!(ask(&mut bench, 0xc205, 0x0300), (false, 0, 0x0300));
    assert_eq!(ask(&mut bench, 0xc200, 0x0100).1, 5, "there is no handler");
    assert_eq!(ask(&mut bench, 0xc207, 0x5678), (false, 0, 0x5678));
    assert_eq!(ask(&mut bench, 0xc200, 0x0100), (false, 0, 0x0100));
    assert_eq!(ask(&mut bench, 0xc201, 0x0000), (false, 0, 0x00aa));
    assert_eq!(ask(&mut bench, 0xc202, 0x0500), (false, 0, 0x0500));
    assert_eq!(*bench.kbc.sent.lock().unwrap(), [0xff, 0xf4, 0xff, 0xf3, 100]);
    for (byte, last) in [(0x09, false), (0x05, false), (0xfb, true)] {
        bench.kbc.output.lock().unwrap().push_back(byte);
        let f = bench.call(service::MOUSE, |_| {});
        assert_eq!(f.ax() == 1, last);
        if last {
            assert_eq!((f.es, f.di()), (0x1234, 0x5678));
            assert_eq!((f.bx(), f.cx(), f.dx(), f.si()), (0x09, 0x05, 0xfb, 0));
        }
    }
    let f = bench.call(0x15, |f| (f.eax, f.ebx) = (0xc206, 0));
    assert_eq!((f.bl(), f.cl(), f.dl()), (0x20, 0x02, 0x64));
    assert_eq!(ask(&mut bench, 0xc203, 0x0900).1, 2, "there is no such resolution");
}
