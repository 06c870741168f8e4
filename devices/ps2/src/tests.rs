use std::sync::Arc;

use aero_bus::{Device, MemoryMap, PowerRequest, Snapshot};
use aero_testbed::{Access, IrqEvent, Testbed, assert_round_trip};

use crate::{BYTE_NANOS, KeyCode, Leds, MouseButtons, Ps2};

const DATA: u64 = 0;
const COMMAND: u64 = 4;
const STATUS: u64 = 4;
const OBF: u8 = 0x01;
const AUX: u8 = 0x20;

struct Rig {
    bed: Testbed,
    map: Arc<MemoryMap>,
    dev: Ps2,
}

fn power_on() -> Rig {
    let bed = Testbed::new();
    let map = Arc::new(MemoryMap::new(bed.ram.clone()));
    let dev = Ps2::new(bed.pin(1), bed.pin(12), map.clone(), bed.power.clone(), &bed.clock);
    Rig { bed, map, dev }
}

/// With translation, interrupts and both devices enabled, as firmware leaves it.
fn rig() -> Rig {
    let mut rig = power_on();
    rig.command_with(0x60, 0x47);
    rig
}

impl Rig {
    fn command(&mut self, command: u8) {
        self.dev.write8(COMMAND, command);
    }

    fn command_with(&mut self, command: u8, parameter: u8) {
        self.dev.write8(COMMAND, command);
        self.dev.write8(DATA, parameter);
    }

    fn ask(&mut self, command: u8) -> u8 {
        self.command(command);
        assert_eq!(self.dev.read8(STATUS) & (OBF | AUX), OBF);
        self.dev.read8(DATA)
    }

    /// All bytes that come within a second, with true for the mouse's.
    fn drain(&mut self) -> Vec<(bool, u8)> {
        let mut got = Vec::new();
        for _ in 0..1000 {
            let status = self.dev.read8(STATUS);
            if status & OBF != 0 {
                got.push((status & AUX != 0, self.dev.read8(DATA)));
            }
            self.bed.run(&mut self.dev, BYTE_NANOS);
        }
        got
    }

    fn bytes(&mut self) -> Vec<u8> {
        self.drain().into_iter().map(|(_, byte)| byte).collect()
    }

    /// Sends bytes to the keyboard and returns all it says.
    fn keyboard(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut got = Vec::new();
        for byte in bytes {
            self.dev.write8(DATA, *byte);
            got.extend(self.bytes());
        }
        got
    }

    /// Sends bytes to the mouse and returns all it says.
    fn mouse(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut got = Vec::new();
        for byte in bytes {
            self.command_with(0xd4, *byte);
            let answer = self.drain();
            assert!(answer.iter().all(|(aux, _)| *aux));
            got.extend(answer.iter().map(|(_, byte)| *byte));
        }
        got
    }

    fn type_key(&mut self, key: KeyCode) -> Vec<u8> {
        self.dev.key(key, true);
        self.dev.key(key, false);
        self.bytes()
    }
}

#[test]
fn status_tells_of_the_last_write_and_the_self_test() {
    let mut rig = power_on();
    assert_eq!(rig.dev.read8(STATUS), 0x18);
    rig.dev.write8(DATA, 0xee);
    assert_eq!(rig.dev.read8(STATUS), 0x11);
    rig.dev.read8(DATA);
    assert_eq!(rig.ask(0xaa), 0x55);
    assert_eq!(rig.dev.read8(STATUS), 0x1c);
    assert_eq!(rig.ask(0xab), 0x00);
    assert_eq!(rig.ask(0xa9), 0x00);
    assert_eq!(rig.ask(0xa4), 0xf1);
    assert_eq!(rig.ask(0xc0), 0x80);
}

#[test]
fn the_command_byte_and_ram_are_read_and_written() {
    let mut rig = power_on();
    assert_eq!(rig.ask(0x20), 0x03);
    rig.command_with(0x60, 0x65);
    assert_eq!(rig.ask(0x20), 0x65);
    rig.command_with(0x7f, 0xa5);
    assert_eq!(rig.ask(0x3f), 0xa5);
    rig.command(0xa7);
    rig.command(0xad);
    assert_eq!(rig.ask(0x20), 0x75);
    rig.command(0xa8);
    rig.command(0xae);
    assert_eq!(rig.ask(0x20), 0x45);
}

#[test]
fn the_output_port_drives_a20_and_reset() {
    let mut rig = rig();
    assert_eq!(rig.ask(0xd0), 0xcf);
    rig.command_with(0xd1, 0x4d);
    assert!(!rig.map.a20());
    assert_eq!(rig.ask(0xd0), 0x4d);
    rig.command_with(0xd1, 0xdf);
    assert!(rig.map.a20());
    rig.command(0xdd);
    assert!(!rig.map.a20());
    rig.command(0xdf);
    assert!(rig.map.a20());
    assert_eq!(rig.bed.power.take(), None);
    rig.command_with(0xd1, 0xde);
    assert_eq!(rig.bed.power.take(), Some(PowerRequest::Reset));
}

#[test]
fn a_pulse_of_line_0_resets_and_of_no_line_does_nothing() {
    let mut rig = rig();
    rig.command(0xff);
    assert_eq!(rig.bed.power.take(), None);
    rig.command(0xfe);
    assert_eq!(rig.bed.power.take(), Some(PowerRequest::Reset));
}

#[test]
fn bytes_written_to_a_buffer_come_back_as_its_devices() {
    let mut rig = rig();
    rig.bed.take_events();
    rig.command_with(0xd2, 0x1c);
    assert_eq!(rig.dev.read8(STATUS) & (OBF | AUX), OBF);
    assert_eq!(rig.dev.read8(DATA), 0x1c, "not translated");
    rig.command_with(0xd3, 0x5a);
    assert_eq!(rig.dev.read8(STATUS) & (OBF | AUX), OBF | AUX);
    assert_eq!(rig.dev.read8(DATA), 0x5a);
    let level = IrqEvent::Level;
    let expected = [level(1, true), level(1, false), level(12, true), level(12, false)];
    assert_eq!(rig.bed.take_events(), expected);
}

#[test]
fn interrupts_follow_the_command_byte() {
    let mut rig = rig();
    rig.command_with(0x60, 0x44);
    rig.dev.key(KeyCode::KeyA, true);
    assert!(!rig.bed.level(1));
    rig.command_with(0x60, 0x45);
    assert!(rig.bed.level(1));
    rig.dev.read8(DATA);
    assert!(!rig.bed.level(1));
}

#[test]
fn each_byte_has_an_interrupt_of_its_own_a_millisecond_apart() {
    let mut rig = rig();
    rig.bed.take_events();
    rig.dev.key(KeyCode::ArrowUp, true);
    assert_eq!(rig.bed.take_events(), [IrqEvent::Level(1, true)]);
    assert_eq!(rig.dev.read8(DATA), 0xe0);
    assert_eq!(rig.dev.read8(DATA), 0xe0, "the next byte is still on the wire");
    assert_eq!(rig.bed.take_events(), [IrqEvent::Level(1, false)]);
    rig.bed.run(&mut rig.dev, BYTE_NANOS);
    assert_eq!(rig.bed.take_events(), [IrqEvent::Level(1, true)]);
    assert_eq!(rig.dev.read8(DATA), 0x48);
}

#[test]
fn a_disabled_keyboard_holds_its_codes_and_a_command_enables_it() {
    let mut rig = rig();
    rig.command(0xad);
    assert_eq!(rig.type_key(KeyCode::KeyA), []);
    rig.command(0xae);
    assert_eq!(rig.bytes(), [0x1e, 0x9e]);
    rig.command(0xad);
    assert_eq!(rig.keyboard(&[0xee]), [0xee]);
    assert_eq!(rig.ask(0x20) & 0x10, 0);
}

#[test]
fn keys_in_all_three_sets() {
    type Codes = &'static [u8];
    let table: [(KeyCode, Codes, Codes, Codes); 6] = [
        (KeyCode::KeyA, &[0x1e, 0x9e], &[0x1c, 0xf0, 0x1c], &[0x1c, 0xf0, 0x1c]),
        (
            KeyCode::NumpadEnter,
            &[0xe0, 0x1c, 0xe0, 0x9c],
            &[0xe0, 0x5a, 0xe0, 0xf0, 0x5a],
            &[0x79, 0xf0, 0x79],
        ),
        (
            KeyCode::Pause,
            &[0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5],
            &[0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77],
            &[0x62, 0xf0, 0x62],
        ),
        (
            KeyCode::PrintScreen,
            &[0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa],
            &[0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12],
            &[0x57, 0xf0, 0x57],
        ),
        (KeyCode::F7, &[0x41, 0xc1], &[0x83, 0xf0, 0x83], &[0x37, 0xf0, 0x37]),
        (
            KeyCode::MetaLeft,
            &[0xe0, 0x5b, 0xe0, 0xdb],
            &[0xe0, 0x1f, 0xe0, 0xf0, 0x1f],
            &[0x8b, 0xf0, 0x8b],
        ),
    ];
    let mut rig = rig();
    for (key, translated, set2, set3) in table {
        rig.command_with(0x60, 0x47);
        rig.keyboard(&[0xf0, 2]);
        assert_eq!(rig.type_key(key), translated, "{key:?} translated");
        rig.command_with(0x60, 0x07);
        assert_eq!(rig.type_key(key), set2, "{key:?} in set 2");
        rig.keyboard(&[0xf0, 1]);
        assert_eq!(rig.type_key(key), translated, "{key:?} in set 1");
        rig.keyboard(&[0xf0, 3, 0xfa]);
        assert_eq!(rig.type_key(key), set3, "{key:?} in set 3");
    }
}

#[test]
fn print_screen_and_pause_change_with_modifiers() {
    let mut rig = rig();
    rig.dev.key(KeyCode::AltLeft, true);
    rig.bytes();
    assert_eq!(rig.type_key(KeyCode::PrintScreen), [0x54, 0xd4]);
    rig.dev.key(KeyCode::AltLeft, false);
    rig.dev.key(KeyCode::ControlLeft, true);
    rig.bytes();
    assert_eq!(rig.type_key(KeyCode::Pause), [0xe0, 0x46, 0xe0, 0xc6]);
    assert_eq!(rig.type_key(KeyCode::PrintScreen), [0xe0, 0x37, 0xe0, 0xb7]);
}

#[test]
fn set_3_keys_get_types_of_their_own() {
    let mut rig = rig();
    rig.command_with(0x60, 0x07);
    rig.keyboard(&[0xf0, 3]);
    assert_eq!(rig.type_key(KeyCode::F1), [0x07], "press only after power-on");
    assert_eq!(rig.type_key(KeyCode::ShiftLeft), [0x12, 0xf0, 0x12]);
    assert_eq!(rig.keyboard(&[0xfc, 0x07, 0xf4]), [0xfa; 3]);
    assert_eq!(rig.type_key(KeyCode::F1), [0x07, 0xf0, 0x07]);
    assert_eq!(rig.keyboard(&[0xf0, 0]), [0xfa, 0xfa, 3]);
}

#[test]
fn the_keyboard_identifies_itself_and_passes_its_test() {
    let mut rig = rig();
    assert_eq!(rig.keyboard(&[0xf2]), [0xfa, 0xab, 0x41], "translated as all its bytes");
    assert_eq!(rig.keyboard(&[0xff]), [0xfa, 0xaa]);
    assert_eq!(rig.keyboard(&[0xfe]), [0xaa], "the last byte once more");
    assert_eq!(rig.keyboard(&[0x55]), [0xfe]);
    rig.command_with(0x60, 0x07);
    assert_eq!(rig.keyboard(&[0xf2]), [0xfa, 0xab, 0x83]);
}

#[test]
fn leds_are_set_and_a_command_in_place_of_a_parameter_is_a_command() {
    let mut rig = rig();
    assert_eq!(rig.keyboard(&[0xed, 0x06]), [0xfa, 0xfa]);
    assert_eq!(rig.dev.leds(), Leds::NUM_LOCK | Leds::CAPS_LOCK);
    assert_eq!(rig.keyboard(&[0xed, 0xf4]), [0xfa, 0xfa]);
    assert_eq!(rig.dev.leds(), Leds::NUM_LOCK | Leds::CAPS_LOCK);
    assert_eq!(rig.type_key(KeyCode::KeyA), [0x1e, 0x9e]);
}

#[test]
fn a_keyboard_that_does_not_scan_says_nothing() {
    let mut rig = rig();
    assert_eq!(rig.keyboard(&[0xf5]), [0xfa]);
    assert_eq!(rig.type_key(KeyCode::KeyA), []);
    assert_eq!(rig.keyboard(&[0xf4]), [0xfa]);
    assert_eq!(rig.type_key(KeyCode::KeyA), [0x1e, 0x9e]);
}

#[test]
fn a_key_that_is_held_repeats_at_the_typematic_rate() {
    let mut rig = rig();
    // 250 ms, then 30 a second.
    rig.keyboard(&[0xf3, 0x00]);
    rig.dev.key(KeyCode::KeyA, true);
    rig.dev.key(KeyCode::KeyA, true);
    let held = rig.bytes();
    assert!((22..=24).contains(&held.len()), "{} in a second", held.len());
    assert!(held.iter().all(|b| *b == 0x1e));
    rig.dev.key(KeyCode::KeyA, false);
    assert_eq!(rig.bytes(), [0x9e]);
    rig.dev.key(KeyCode::ShiftLeft, true);
    rig.dev.key(KeyCode::KeyB, true);
    rig.dev.key(KeyCode::ShiftLeft, false);
    assert!(rig.bytes().iter().filter(|b| **b == 0x30).count() > 10, "B still repeats");
    rig.dev.release_all_keys();
    assert_eq!(rig.bytes(), [0xb0]);
}

#[test]
fn too_many_presses_are_lost_whole_and_no_key_sticks() {
    let mut rig = rig();
    rig.command(0xad);
    for _ in 0..10 {
        for key in KeyCode::ALL {
            rig.dev.key(*key, true);
        }
        for key in KeyCode::ALL {
            rig.dev.key(*key, false);
        }
    }
    rig.command(0xae);
    rig.command_with(0x60, 0x07);
    let codes = rig.bytes();
    let breaks = codes.iter().filter(|b| **b == 0xf0).count();
    let prefixes = codes.iter().filter(|b| **b == 0xe0 || **b == 0xe1).count();
    assert!(breaks > 20);
    let codes_alone = codes.len() - breaks - prefixes;
    assert_eq!(codes_alone, 2 * breaks, "each make has its break");
}

#[test]
fn a_mouse_reports_movement_with_y_upwards() {
    let mut rig = rig();
    assert_eq!(rig.mouse(&[0xf4]), [0xfa]);
    rig.dev.mouse_move(5, 3, 0);
    rig.dev.mouse_buttons(MouseButtons::LEFT | MouseButtons::MIDDLE);
    assert_eq!(rig.drain().len(), 6);
    rig.dev.mouse_move(-5, -3, 1);
    let packet = rig.bytes();
    assert_eq!(packet, [0x08 | 0x10 | 0x05, 0xfb, 0x03]);
    rig.dev.mouse_move(300, 0, 0);
    assert_eq!(rig.bytes(), [0x0d, 255, 0, 0x0d, 45, 0], "what does not fit comes next");
}

#[test]
fn irq_12_is_raised_for_each_byte_of_a_packet() {
    let mut rig = rig();
    rig.mouse(&[0xf4]);
    rig.bed.take_events();
    rig.dev.mouse_move(1, 0, 0);
    assert!(rig.bed.level(12));
    rig.drain();
    assert_eq!(rig.bed.take_events().len(), 6);
}

#[test]
fn sample_rates_turn_the_mouse_into_one_with_a_wheel_or_five_buttons() {
    let mut rig = rig();
    assert_eq!(rig.mouse(&[0xf2]), [0xfa, 0x00]);
    rig.mouse(&[0xf3, 200, 0xf3, 100, 0xf3, 80]);
    assert_eq!(rig.mouse(&[0xf2]), [0xfa, 0x03]);
    rig.mouse(&[0xf4]);
    rig.dev.mouse_move(0, 0, -1);
    assert_eq!(rig.bytes(), [0x08, 0, 0, 0xff]);
    rig.mouse(&[0xf3, 200, 0xf3, 200, 0xf3, 80]);
    assert_eq!(rig.mouse(&[0xf2]), [0xfa, 0x04]);
    rig.dev.mouse_buttons(MouseButtons::BACK);
    assert_eq!(rig.bytes(), [0x08, 0, 0, 0x10]);
    rig.dev.mouse_move(0, 0, -1);
    assert_eq!(rig.bytes(), [0x08, 0, 0, 0x1f]);
    assert_eq!(rig.mouse(&[0xff]), [0xfa, 0xaa, 0x00]);
    assert_eq!(rig.mouse(&[0xf2]), [0xfa, 0x00]);
}

#[test]
fn quick_clicks_are_not_lost_between_samples() {
    let mut rig = rig();
    rig.mouse(&[0xf4]);
    for _ in 0..3 {
        rig.dev.mouse_buttons(MouseButtons::LEFT);
        rig.dev.mouse_buttons(MouseButtons::empty());
    }
    let headers: Vec<u8> = rig.bytes().chunks(3).map(|packet| packet[0]).collect();
    assert_eq!(headers, [9, 8, 9, 8, 9, 8]);
}

#[test]
fn packets_keep_to_the_sample_rate() {
    let mut rig = rig();
    rig.mouse(&[0xf3, 20, 0xf4]);
    let mut packets = 0;
    for _ in 0..1000 {
        rig.dev.mouse_move(1, 0, 0);
        packets += usize::from(rig.dev.read8(STATUS) & OBF != 0);
        rig.dev.read8(DATA);
        rig.bed.run(&mut rig.dev, BYTE_NANOS);
    }
    assert!((57..=63).contains(&packets), "{packets} bytes at 20 packets a second");
}

#[test]
fn status_resolution_and_scaling() {
    let mut rig = rig();
    assert_eq!(rig.mouse(&[0xe9]), [0xfa, 0x00, 2, 100]);
    rig.mouse(&[0xe8, 3, 0xe7, 0xf4]);
    rig.dev.mouse_buttons(MouseButtons::RIGHT);
    rig.bytes();
    assert_eq!(rig.mouse(&[0xe9]), [0xfa, 0x31, 3, 100]);
    assert_eq!(rig.mouse(&[0xe8, 9]), [0xfa, 0xfe]);
    rig.dev.mouse_move(5, -10, 0);
    assert_eq!(rig.bytes(), [0x0a, 9, 20]);
    assert_eq!(rig.mouse(&[0xf6, 0xe9]), [0xfa, 0xfa, 0x01, 2, 100]);
}

#[test]
fn remote_and_wrap_mode() {
    let mut rig = rig();
    rig.mouse(&[0xf0]);
    rig.dev.mouse_move(7, 0, 0);
    assert_eq!(rig.bytes(), [], "only when asked");
    assert_eq!(rig.mouse(&[0xeb]), [0xfa, 0x08, 7, 0]);
    assert_eq!(rig.mouse(&[0xeb]), [0xfa, 0x08, 0, 0]);
    assert_eq!(rig.mouse(&[0xee, 0xf2, 0x12, 0xec, 0xf2]), [0xfa, 0xf2, 0x12, 0xfa, 0xfa, 0x00]);
}

#[test]
fn reset_is_as_power_on() {
    let mut rig = rig();
    rig.mouse(&[0xf4]);
    rig.dev.key(KeyCode::KeyA, true);
    rig.command(0xdd);
    rig.dev.reset();
    assert!(rig.map.a20() && !rig.bed.level(1));
    assert_eq!(rig.bed.clock.next_deadline(), None);
    assert_eq!(rig.dev.read8(STATUS), 0x18);
    assert_eq!(rig.dev.save(), power_on().dev.save());
}

#[test]
fn any_write_is_survived() {
    let mut rig = rig();
    let mut x = 1u32;
    for i in 0..30_000u32 {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        rig.dev.write8(if x & 0x100 == 0 { DATA } else { COMMAND }, (x >> 16) as u8);
        rig.dev.key(KeyCode::ALL[x as usize % KeyCode::ALL.len()], x & 0x200 != 0);
        rig.dev.mouse_move(x as i32, (x as i32).wrapping_mul(3), i32::MIN);
        rig.dev.mouse_buttons(MouseButtons::from_bits_truncate((x >> 8) as u8));
        rig.dev.read64(u64::from(i % 9));
        rig.bed.run(&mut rig.dev, u64::from(x >> 8));
        if i % 1000 == 0 {
            assert_round_trip(&rig.dev, &mut power_on().dev);
        }
    }
}

#[test]
fn a_snapshot_in_the_middle_of_a_code_goes_on_with_it() {
    let mut rig = rig();
    rig.mouse(&[0xf4]);
    rig.dev.key(KeyCode::ArrowUp, true);
    rig.dev.mouse_move(1, 2, 0);
    assert_eq!(rig.dev.read8(DATA), 0xe0);
    let mut other = power_on();
    other.bed.advance(rig.bed.clock.now());
    let saved = assert_round_trip(&rig.dev, &mut other.dev);
    assert_eq!(other.bed.clock.next_deadline(), rig.bed.clock.next_deadline());
    assert_eq!(other.bytes(), rig.bytes());

    let mut bad = saved.clone();
    bad.kind = "pic".into();
    assert!(other.dev.restore(&bad).is_err());
    assert!(other.dev.restore(&Snapshot { version: 2, ..saved }).is_err());
}
