//! The 8259A pair alone, register by register.

use aero_bus::{BusDevice, Device, IrqLine, IrqPin, Snapshot};
use aero_pic::{ELCR, MASTER, Pic, PicHandle, SLAVE};
use aero_testbed::{Access, IrqEvent, Testbed, assert_round_trip};

/// The recorder's input for INTR.
const INTR: u32 = 100;

const M_CMD: u64 = MASTER.offset;
const M_DATA: u64 = MASTER.offset + 1;
const S_CMD: u64 = SLAVE.offset;
const S_DATA: u64 = SLAVE.offset + 1;

const EOI: u8 = 0x20;
const READ_IRR: u8 = 0x0a;
const READ_ISR: u8 = 0x0b;
const POLL: u8 = 0x0c;

struct Rig {
    bed: Testbed,
    pic: Pic,
    handle: PicHandle,
    pins: Vec<IrqPin>,
}

impl Rig {
    /// A pair as it is at power-on.
    fn cold() -> Self {
        let bed = Testbed::new();
        let pic = Pic::new(bed.pin(INTR));
        let handle = pic.handle();
        let sink = std::sync::Arc::new(handle.clone());
        let pins = (0..16).map(|n| IrqLine::new(sink.clone(), n).pin()).collect();
        Self { bed, pic, handle, pins }
    }

    /// A pair as a PC's firmware leaves it, vectors 0x08 and 0x70, nothing masked.
    fn new() -> Self {
        Self::with_icw4(0x01, 0x01)
    }

    fn with_icw4(master: u8, slave: u8) -> Self {
        let mut rig = Self::cold();
        for (offset, value) in [
            (M_CMD, 0x11),
            (M_DATA, 0x08),
            (M_DATA, 0x04),
            (M_DATA, master),
            (S_CMD, 0x11),
            (S_DATA, 0x70),
            (S_DATA, 0x02),
            (S_DATA, slave),
        ] {
            rig.pic.write8(offset, value);
        }
        rig
    }

    fn intr(&self) -> bool {
        self.bed.level(INTR)
    }

    fn irr(&mut self, command: u64) -> u8 {
        self.pic.write8(command, READ_IRR);
        self.pic.read8(command)
    }

    fn isr(&mut self, command: u64) -> u8 {
        self.pic.write8(command, READ_ISR);
        self.pic.read8(command)
    }
}

#[test]
fn a_request_raises_intr_and_acknowledging_puts_it_into_service() {
    let mut rig = Rig::new();
    rig.pins[3].assert();
    assert!(rig.intr());
    assert_eq!(rig.irr(M_CMD), 1 << 3);
    assert_eq!(rig.handle.acknowledge(), 0x0b);
    assert!(!rig.intr());
    assert_eq!((rig.irr(M_CMD), rig.isr(M_CMD)), (0, 1 << 3));
    rig.pic.write8(M_CMD, EOI);
    assert_eq!(rig.isr(M_CMD), 0);
    assert!(!rig.intr(), "an edge-triggered input that stays high asks once");
}

#[test]
fn an_edge_is_kept_until_it_is_acknowledged() {
    let rig = Rig::new();
    rig.pins[4].pulse();
    assert!(rig.intr());
    assert_eq!(rig.handle.acknowledge(), 0x0c);
}

#[test]
fn lower_inputs_have_higher_priority_and_interrupt_higher_ones() {
    let mut rig = Rig::new();
    rig.pins[5].pulse();
    rig.pins[6].pulse();
    assert_eq!(rig.handle.acknowledge(), 0x0d);
    assert!(!rig.intr(), "6 waits for the end of 5");
    rig.pins[1].pulse();
    assert!(rig.intr());
    assert_eq!(rig.handle.acknowledge(), 0x09);
    assert_eq!(rig.isr(M_CMD), 1 << 5 | 1 << 1);
    rig.pic.write8(M_CMD, EOI);
    assert_eq!(rig.isr(M_CMD), 1 << 5, "non-specific EOI ends the highest priority");
    rig.pic.write8(M_CMD, EOI);
    assert_eq!(rig.handle.acknowledge(), 0x0e);
}

#[test]
fn the_slave_comes_in_at_input_2() {
    let mut rig = Rig::new();
    rig.pins[12].assert();
    assert_eq!((rig.irr(M_CMD), rig.irr(S_CMD)), (1 << 2, 1 << 4));
    assert_eq!(rig.handle.acknowledge(), 0x74);
    assert_eq!((rig.isr(M_CMD), rig.isr(S_CMD)), (1 << 2, 1 << 4));
    assert_eq!((rig.irr(M_CMD), rig.irr(S_CMD)), (0, 0));
    rig.pins[9].pulse();
    assert!(!rig.intr(), "in fully nested mode the slave waits for the master's EOI");
    rig.pic.write8(M_CMD, EOI);
    assert!(rig.intr(), "9 is above 12, which is still in service");
    assert_eq!(rig.handle.acknowledge(), 0x71);
}

#[test]
fn special_fully_nested_mode_lets_a_better_request_of_the_same_slave_through() {
    let mut rig = Rig::with_icw4(0x11, 0x01);
    rig.pins[12].pulse();
    assert_eq!(rig.handle.acknowledge(), 0x74);
    rig.pins[14].pulse();
    assert!(!rig.intr());
    rig.pins[8].pulse();
    assert!(rig.intr());
    assert_eq!(rig.handle.acknowledge(), 0x70);
    rig.pins[5].pulse();
    assert!(!rig.intr(), "5 is below the cascade");
    assert_eq!(rig.isr(S_CMD), 1 << 0 | 1 << 4);
}

#[test]
fn the_mask_holds_requests_back_without_losing_them() {
    let mut rig = Rig::new();
    rig.pic.write8(M_DATA, 0x10);
    assert_eq!(rig.pic.read8(M_DATA), 0x10);
    rig.pins[4].pulse();
    assert!(!rig.intr());
    assert_eq!(rig.irr(M_CMD), 0x10);
    rig.pic.write8(M_DATA, 0);
    assert!(rig.intr());
}

#[test]
fn a_request_that_has_gone_away_is_reported_as_input_7_with_no_service_bit() {
    let mut rig = Rig::new();
    rig.pins[4].pulse();
    rig.pic.write8(M_DATA, 0xff);
    assert!(!rig.intr());
    assert_eq!(rig.handle.acknowledge(), 0x0f);
    assert_eq!(rig.isr(M_CMD), 0);
    // A level-triggered input of the slave that falls takes the cascade with it.
    rig.pic.write8(M_DATA, 0xef);
    rig.handle.acknowledge();
    rig.pic.write8(M_DATA, 0x00);
    rig.pic.write8(M_CMD, EOI);
    rig.pic.write8(ELCR.offset + 1, 1 << 2);
    rig.pins[10].assert();
    assert!(rig.intr());
    rig.pins[10].deassert();
    assert!(!rig.intr());
    assert_eq!(rig.handle.acknowledge(), 0x0f);
    assert_eq!((rig.isr(M_CMD), rig.isr(S_CMD)), (0, 0));
}

#[test]
fn a_level_triggered_input_asks_as_long_as_it_is_high() {
    let mut rig = Rig::new();
    rig.pic.write8(ELCR.offset + 1, 0b1000);
    rig.pins[11].assert();
    assert_eq!(rig.handle.acknowledge(), 0x73);
    rig.pic.write8(S_CMD, EOI);
    rig.pic.write8(M_CMD, EOI);
    assert!(rig.intr(), "nobody has served the device yet");
    assert_eq!(rig.handle.acknowledge(), 0x73);
    rig.pins[11].deassert();
    rig.pic.write8(S_CMD, EOI);
    rig.pic.write8(M_CMD, EOI);
    assert!(!rig.intr());
    rig.pins[11].assert();
    rig.pins[11].deassert();
    assert!(!rig.intr(), "a level that has gone leaves nothing behind");
}

#[test]
fn elcr_keeps_the_inputs_of_the_board_edge_triggered() {
    let mut rig = Rig::cold();
    rig.pic.write16(ELCR.offset, 0xffff);
    assert_eq!(rig.pic.read16(ELCR.offset), 0xdef8);
}

#[test]
fn specific_eoi_ends_the_level_it_names() {
    let mut rig = Rig::new();
    rig.pins[5].pulse();
    rig.handle.acknowledge();
    rig.pins[1].pulse();
    rig.handle.acknowledge();
    rig.pic.write8(M_CMD, 0x65);
    assert_eq!(rig.isr(M_CMD), 1 << 1);
}

#[test]
fn rotating_eois_and_set_priority_move_the_lowest_priority() {
    let mut rig = Rig::new();
    rig.pins[3].pulse();
    rig.handle.acknowledge();
    rig.pic.write8(M_CMD, 0xa0); // rotate on non-specific EOI: 3 is lowest, 4 highest
    rig.pins[3].pulse();
    rig.pins[0].pulse();
    rig.pins[4].pulse();
    assert_eq!(rig.handle.acknowledge(), 0x0c);
    rig.pic.write8(M_CMD, 0xe4); // rotate on specific EOI of 4: 5 is highest
    assert_eq!(rig.handle.acknowledge(), 0x08);
    rig.pic.write8(M_CMD, 0x20);
    assert_eq!(rig.handle.acknowledge(), 0x0b);
    rig.pic.write8(M_CMD, 0x20);
    rig.pic.write8(M_CMD, 0xc6); // set priority: 6 lowest, 7 highest
    rig.pins[0].pulse();
    rig.pins[7].pulse();
    assert_eq!(rig.handle.acknowledge(), 0x0f);
    assert_eq!(rig.isr(M_CMD), 1 << 7, "7 was a real request");
}

#[test]
fn automatic_eoi_leaves_nothing_in_service_and_may_rotate() {
    let mut rig = Rig::with_icw4(0x03, 0x01);
    rig.pins[1].pulse();
    rig.pins[0].pulse();
    assert_eq!(rig.handle.acknowledge(), 0x08);
    assert_eq!(rig.isr(M_CMD), 0);
    assert!(rig.intr(), "the next request follows at once");
    assert_eq!(rig.handle.acknowledge(), 0x09);
    rig.pic.write8(M_CMD, 0x80); // rotate in automatic EOI mode
    rig.pins[0].pulse();
    assert_eq!(rig.handle.acknowledge(), 0x08);
    rig.pins[0].pulse();
    rig.pins[7].pulse();
    assert_eq!(rig.handle.acknowledge(), 0x0f, "0 was served last and is lowest now");
}

#[test]
fn special_mask_mode_lets_lower_priorities_in_over_a_masked_service() {
    let mut rig = Rig::new();
    rig.pins[3].pulse();
    rig.handle.acknowledge();
    rig.pins[6].pulse();
    assert!(!rig.intr());
    rig.pic.write8(M_DATA, 1 << 3);
    rig.pic.write8(M_CMD, 0x68);
    assert!(rig.intr());
    assert_eq!(rig.handle.acknowledge(), 0x0e);
    rig.pic.write8(M_CMD, EOI);
    assert_eq!(rig.isr(M_CMD), 1 << 3, "the masked service is not ended by a non-specific EOI");
    rig.pic.write8(M_CMD, EOI);
    assert_eq!(rig.isr(M_CMD), 1 << 3);
    rig.pic.write8(M_CMD, 0x48); // leave special mask mode
    rig.pins[6].pulse();
    assert!(!rig.intr());
}

#[test]
fn a_poll_command_makes_the_next_read_an_acknowledgement() {
    let mut rig = Rig::new();
    rig.pic.write8(M_CMD, POLL);
    assert_eq!(rig.pic.read8(M_CMD), 0);
    rig.pins[6].pulse();
    rig.pic.write8(M_CMD, POLL);
    assert_eq!(rig.pic.read8(M_CMD), 0x86);
    assert!(!rig.intr());
    assert_eq!(rig.isr(M_CMD), 1 << 6);
    rig.pins[10].pulse();
    rig.pic.write8(M_CMD, POLL);
    assert_eq!(rig.pic.read8(M_DATA), 0x82, "the data port answers a poll too");
    rig.pic.write8(S_CMD, POLL);
    assert_eq!(rig.pic.read8(S_CMD), 0x82);
    assert_eq!(rig.isr(S_CMD), 1 << 2);
}

#[test]
fn icw1_forgets_edges_masks_and_services_but_not_the_elcr() {
    let mut rig = Rig::new();
    rig.pic.write8(ELCR.offset, 0x20);
    rig.pins[5].assert();
    rig.pins[3].assert();
    rig.handle.acknowledge();
    rig.pic.write8(M_DATA, 0x40);
    rig.pic.write8(M_CMD, READ_ISR);
    rig.pic.write8(M_CMD, 0x11);
    assert_eq!(rig.pic.read8(M_CMD), 1 << 5, "status reads give the IRR again");
    assert!(!rig.intr(), "no requests during the initialization");
    rig.pic.write8(M_DATA, 0x20);
    rig.pic.write8(M_DATA, 0x04);
    rig.pic.write8(M_DATA, 0x01);
    assert_eq!(rig.pic.read8(M_DATA), 0);
    assert_eq!(rig.isr(M_CMD), 0);
    assert!(rig.intr());
    assert_eq!(rig.handle.acknowledge(), 0x25);
    assert!(!rig.intr(), "input 3 must fall and rise before it counts again");
}

#[test]
fn icw1_may_skip_icw3_and_icw4() {
    let mut rig = Rig::with_icw4(0x03, 0x01);
    rig.pic.write8(M_CMD, 0x12); // single, no ICW4: automatic EOI is off again
    rig.pic.write8(M_DATA, 0x47);
    rig.pic.write8(M_DATA, 0xfe);
    assert_eq!(rig.pic.read8(M_DATA), 0xfe, "already the mask");
    rig.pins[0].pulse();
    assert_eq!(rig.handle.acknowledge(), 0x40, "the low bits of ICW2 do not count");
    assert_eq!(rig.isr(M_CMD), 1);
}

#[test]
fn intr_falls_between_two_requests_that_follow_at_once() {
    let rig = Rig::with_icw4(0x03, 0x01);
    rig.pins[0].pulse();
    rig.pins[1].pulse();
    rig.bed.take_events();
    rig.handle.acknowledge();
    let events = rig.bed.take_events();
    assert_eq!(events, [IrqEvent::Level(INTR, false), IrqEvent::Level(INTR, true)]);
}

#[test]
fn no_input_beyond_the_pins_and_no_offset_beyond_the_windows_does_anything() {
    let mut rig = Rig::new();
    use aero_bus::IrqSink;
    for input in [2, 16, 255, u32::MAX] {
        rig.handle.set_level(input, true);
    }
    assert!(!rig.intr());
    assert_eq!(rig.pic.read16(u64::MAX - 1), 0xffff);
    assert_eq!(rig.pic.read8(6), 0xff);
    rig.pic.write(u64::MAX, &[0xff; 8]);
}

#[test]
fn any_bytes_in_any_order_are_survived() {
    let mut rig = Rig::cold();
    let mut seed = 1u32;
    for _ in 0..200_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (what, value) = (seed >> 24, (seed >> 16) as u8);
        match what % 5 {
            0 | 1 => rig.pic.write8(u64::from(what / 5 % 8), value),
            2 => _ = rig.pic.read8(u64::from(what / 5 % 8)),
            3 => rig.pins[usize::from(value % 16)].set(what & 0x80 != 0),
            _ => {
                rig.handle.acknowledge();
            }
        }
        assert_eq!(rig.intr(), rig.handle.intr());
    }
}

#[test]
fn a_snapshot_holds_everything_that_software_can_see() {
    let mut rig = Rig::new();
    rig.pic.write8(ELCR.offset + 1, 0x08);
    rig.pic.write8(M_DATA, 0x10);
    rig.pins[11].assert();
    rig.pins[4].pulse();
    rig.handle.acknowledge();
    rig.pins[1].pulse();
    rig.pic.write8(S_CMD, 0x11); // in the middle of an initialization
    let mut other = Rig::cold();
    let saved = assert_round_trip(&rig.pic, &mut other.pic);
    assert!(other.intr());
    // A pin that imports its saved level is no new edge.
    other.pins[11].import_state(true);
    assert_eq!(other.pic.save(), saved);
    assert_eq!(other.handle.acknowledge(), 0x09);
}

#[test]
fn a_damaged_snapshot_is_refused_and_changes_nothing() {
    let mut rig = Rig::new();
    let saved = rig.pic.save();
    let text = format!("{:?}", saved.fields);
    assert!(text.contains("lowest_priority"));
    let mut bad = saved.clone();
    damage(&mut bad, "lowest_priority", 8);
    assert!(rig.pic.restore(&bad).unwrap_err().to_string().contains("lowest_priority"));
    let mut bad = saved.clone();
    damage(&mut bad, "vector_base", 0x0b);
    assert!(rig.pic.restore(&bad).is_err());
    assert_eq!(rig.pic.save(), saved);
}

/// Puts `value` into field `name` of the master's state.
fn damage(snapshot: &mut Snapshot, name: &str, value: u8) {
    let master = snapshot.fields.as_map_mut().unwrap();
    let master = master.iter_mut().find(|(k, _)| k.as_text() == Some("master")).unwrap();
    let fields = master.1.as_map_mut().unwrap();
    let field = fields.iter_mut().find(|(k, _)| k.as_text() == Some(name)).unwrap();
    field.1 = value.into();
}

#[test]
fn reset_is_power_on_except_for_the_levels_of_the_inputs() {
    let mut rig = Rig::new();
    rig.pic.write16(ELCR.offset, 0xffff);
    rig.pins[11].assert();
    rig.pins[3].pulse();
    rig.handle.acknowledge();
    rig.pic.reset();
    assert!(!rig.intr());
    assert_eq!(rig.pic.read16(ELCR.offset), 0);
    rig.pins[11].deassert();
    assert_eq!(rig.pic.save(), Rig::cold().pic.save());
}
