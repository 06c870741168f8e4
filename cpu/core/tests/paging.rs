//! Paging, the software TLB and memory accesses.

mod common;

use aero_bus::{DirectMapping, Window};
use aero_cpu::bits::{cr0, cr4, efer};
use aero_cpu::testing::Seen;
use aero_cpu::{Access, CpuModel, Dropped, Exception, Peeked, SegReg, vector};
use common::*;
use std::sync::Arc;

const DS: SegReg = SegReg::Ds;

/// 32-bit paging with a directory at 0x10_0000 whose first table, at 0x10_1000, maps the low 4 MiB.
fn paged32() -> Machine {
    let mut m = Machine::protected();
    m.platform.load_u32(0x10_0000, 0x10_1007);
    for page in 0..1024 {
        m.platform.load_u32(0x10_1000 + page * 4, (page << 12) as u32 | 7);
    }
    m.cpu.cr3 = 0x10_0000;
    m.exec().write_cr(0, cr0::PE | cr0::PG | cr0::WP).unwrap();
    m
}

#[test]
fn without_paging_linear_is_physical_and_devices_are_reached() {
    let mut m = Machine::protected();
    m.platform.load(0x5000, &[1, 2, 3, 4]);
    m.platform.input = 0x1122_3344;
    let mut e = m.exec();
    assert_eq!(e.read_u32(DS, 0x5000), Ok(0x0403_0201));
    e.write_u16(DS, 0x5002, 0xbeef).unwrap();
    assert_eq!(e.read_u32(DS, 0x5000), Ok(0xbeef_0201));
    assert_eq!(e.read_u32(DS, 0xfee0_0020), Ok(0x1122_3344));
    e.write_u8(DS, 0xfee0_00b0, 5).unwrap();
    assert!(e.look);
    drop(e);
    assert_eq!(
        m.platform.seen,
        [Seen::MmioRead(0xfee0_0020, 4), Seen::MmioWrite(0xfee0_00b0, vec![5])]
    );
}

#[test]
fn two_level_paging_maps_and_sets_accessed_and_dirty() {
    let mut m = paged32();
    m.platform.load_u32(0x10_1000 + 5 * 4, 0x9000 | 7);
    m.platform.load_u32(0x9010, 0x1234);
    let mut e = m.exec();
    assert_eq!(e.read_u32(DS, 0x5010), Ok(0x1234));
    drop(e);
    assert_eq!(m.platform.u32_at(0x10_0000), 0x10_1027);
    assert_eq!(m.platform.u32_at(0x10_1014), 0x9027);
    m.exec().write_u32(DS, 0x5010, 7).unwrap();
    assert_eq!(m.platform.u32_at(0x10_1014), 0x9067);
    assert_eq!(m.platform.u32_at(0x9010), 7);
}

#[test]
fn page_fault_error_codes_tell_what_was_wrong() {
    let mut m = paged32();
    m.platform.load_u32(0x10_1000 + 5 * 4, 0); // not present
    m.platform.load_u32(0x10_1000 + 6 * 4, 0x6000 | 1); // supervisor, read-only
    m.platform.load_u32(0x10_1000 + 7 * 4, 0x7000 | 5); // user, read-only
    let mut e = m.exec();
    assert_eq!(e.read_u8(DS, 0x5123), Err(Exception::pf(0x5123, 0)));
    assert_eq!(e.write_u8(DS, 0x5123, 0), Err(Exception::pf(0x5123, 2)));
    assert_eq!(e.write_u8(DS, 0x6000, 0), Err(Exception::pf(0x6000, 3)));
    assert!(e.read_u8(DS, 0x6000).is_ok());
    drop(e);
    m.go_user();
    let mut e = m.exec();
    assert_eq!(e.read_u8(DS, 0x5fff), Err(Exception::pf(0x5fff, 4)));
    assert_eq!(e.read_u8(DS, 0x6000), Err(Exception::pf(0x6000, 5)));
    assert_eq!(e.write_u8(DS, 0x7000, 0), Err(Exception::pf(0x7000, 7)));
    assert!(e.read_u8(DS, 0x7000).is_ok());
}

#[test]
fn without_wp_the_supervisor_writes_to_read_only_pages() {
    let mut m = paged32();
    m.platform.load_u32(0x10_1000 + 6 * 4, 0x6000 | 1);
    let mut e = m.exec();
    e.write_cr(0, cr0::PE | cr0::PG).unwrap();
    e.write_u8(DS, 0x6000, 9).unwrap();
    e.write_cr(0, cr0::PE | cr0::PG | cr0::WP).unwrap();
    assert_eq!(fault(e.write_u8(DS, 0x6000, 9)), (vector::PF, Some(3)));
}

#[test]
fn four_megabyte_pages_take_bits_39_to_32_from_20_to_13() {
    let mut m = paged32();
    let mut e = m.exec();
    e.write_cr(4, cr4::PSE).unwrap();
    drop(e);
    m.platform.load_u32(0x10_0004, 0x87); // 4 MiB linear -> 0
    m.platform.load_u32(0x10_0008, 0x1 << 13 | 0x87); // 8 MiB linear -> 4 GiB
    m.platform.load_u32(0x10_000c, 1 << 21 | 0x87);
    let mut e = m.exec();
    assert_eq!(e.translate(0x40_5678, Access::Read), Ok(0x5678));
    assert_eq!(e.translate(0x80_5678, Access::Read), Ok(0x1_0000_5678));
    assert_eq!(fault(e.translate(0xc0_0000, Access::Read)), (vector::PF, Some(9)));
}

#[test]
fn pae_loads_its_four_pointers_with_cr3_and_checks_them() {
    let mut m = Machine::protected();
    m.platform.load_u64(0x10_0000, 0x10_1000 | 1);
    m.platform.load_u64(0x10_1000, 0x10_2000 | 7);
    m.platform.load_u64(0x10_1008, 0x20_0000 | 0x87);
    for page in 0..512 {
        m.platform.load_u64(0x10_2000 + page * 8, page << 12 | 7);
    }
    let mut e = m.exec();
    e.write_cr(4, cr4::PAE).unwrap();
    e.write_cr(3, 0x10_0000).unwrap();
    e.write_cr(0, cr0::PE | cr0::PG).unwrap();
    assert_eq!(e.translate(0x1234, Access::Read), Ok(0x1234));
    assert_eq!(e.translate(0x21_2345, Access::Write), Ok(0x21_2345));
    // A pointer that is changed in memory is not seen before CR3 is loaded again.
    e.platform.memory().write(0x10_0000, &[0]);
    assert!(e.translate(0x5000, Access::Read).is_ok());
    e.write_cr(3, 0x10_0000).unwrap();
    assert_eq!(fault(e.translate(0x5000, Access::Read)), (vector::PF, Some(0)));
    // Bit 1 is reserved.
    e.platform.memory().write(0x10_0000, &[3]);
    assert_eq!(e.write_cr(3, 0x10_0000), Err(Exception::gp(0)));
}

#[test]
fn four_level_paging_with_no_execute_and_reserved_bits() {
    let mut m = Machine::long();
    m.platform.load_u64(Machine::pte(0x5000), 1 << 63 | 0x5000 | 7);
    m.platform.load_u64(Machine::pte(0x6000), 1 << 45 | 0x6000 | 7);
    let mut e = m.exec();
    assert!(e.read_u64(DS, 0x5000).is_ok());
    assert_eq!(e.fetch_code_page(0x5000), Err(Exception::pf(0x5000, 0x11)));
    assert_eq!(e.read_u64(DS, 0x6000), Err(Exception::pf(0x6000, 9)));
    assert!(e.fetch_code_page(0x7000).unwrap().host_offset.is_some());
    // Without NXE bit 63 is reserved.
    e.cpu.efer &= !efer::NXE;
    e.cpu.flush_tlb();
    assert_eq!(e.read_u64(DS, 0x5000), Err(Exception::pf(0x5000, 9)));
    assert_eq!(fault(e.translate(0x40_0000, Access::Read)), (vector::PF, Some(0)));
}

#[test]
fn one_gibibyte_pages_need_the_model_to_have_them() {
    let mut m = Machine::long();
    m.platform.load_u64(TABLES + 0x1008, 0x83);
    assert_eq!(fault(m.exec().translate(0x4000_0000, Access::Read)), (vector::PF, Some(9)));
    m.cpu.model.features |= aero_cpu::Features::PAGE_1GIB;
    let mut e = m.exec();
    assert_eq!(e.translate(0x4123_4567, Access::Read), Ok(0x0123_4567));
    // INVLPG of any address in it drops every part.
    assert!(e.read_u8(DS, 0x4000_1000).is_ok());
    e.write_system(TABLES + 0x1008, 0u64).unwrap();
    assert!(e.read_u8(DS, 0x4000_1000).is_ok());
    e.invlpg(DS, 0x4020_0000).unwrap();
    assert!(e.read_u8(DS, 0x4000_1000).is_err());
}

#[test]
fn addresses_that_are_not_canonical_are_gp_or_ss() {
    let mut m = Machine::long();
    let mut e = m.exec();
    for address in [0x8000_0000_0000, 0xffff_7fff_ffff_ffff, 1 << 63, 0x7fff_ffff_ffff] {
        assert_eq!(e.read_u16(DS, address), Err(Exception::gp(0)), "{address:#x}");
        assert_eq!(e.write_u16(SegReg::Ss, address, 0), Err(Exception::ss(0)));
    }
    assert_eq!(e.fetch_code_page(1 << 47), Err(Exception::gp(0)));
}

#[test]
fn the_tlb_keeps_a_translation_until_it_is_told() {
    let mut m = Machine::long();
    m.platform.load_u64(0x9000, 9);
    m.platform.load_u64(0xa000, 10);
    m.platform.load_u64(Machine::pte(0x5000), 0x9000 | 7);
    let mut e = m.exec();
    assert_eq!(e.read_u64(DS, 0x5000), Ok(9));
    e.write_system(Machine::pte(0x5000), 0xa007u64).unwrap();
    assert_eq!(e.read_u64(DS, 0x5000), Ok(9));
    e.invlpg(DS, 0x6000).unwrap();
    assert_eq!(e.read_u64(DS, 0x5000), Ok(9));
    e.invlpg(DS, 0x5fff).unwrap();
    assert_eq!(e.read_u64(DS, 0x5000), Ok(10));
    e.write_system(Machine::pte(0x5000), 0x9007u64).unwrap();
    e.write_cr(3, TABLES).unwrap();
    assert_eq!(e.read_u64(DS, 0x5000), Ok(9));
}

#[test]
fn global_pages_survive_a_load_of_cr3_but_not_of_cr4_pge() {
    let mut m = Machine::long();
    m.platform.load_u64(0x9000, 9);
    m.platform.load_u64(Machine::pte(0x5000), 0x9000 | 0x107);
    let mut e = m.exec();
    e.write_cr(4, cr4::PAE | cr4::PGE).unwrap();
    assert_eq!(e.read_u64(DS, 0x5000), Ok(9));
    e.write_system(Machine::pte(0x5000), 0u64).unwrap();
    e.write_cr(3, TABLES).unwrap();
    assert_eq!(e.read_u64(DS, 0x5000), Ok(9));
    e.write_cr(4, cr4::PAE).unwrap();
    assert_eq!(fault(e.read_u64(DS, 0x5000)), (vector::PF, Some(0)));
}

#[test]
fn invlpg_drops_all_of_a_large_page() {
    let mut m = Machine::long();
    let mut e = m.exec();
    for page in 0..4 {
        assert!(e.read_u8(DS, 0x20_0000 + page * 0x1000).is_ok());
    }
    e.write_system(TABLES + 0x2008, 0u64).unwrap();
    assert!(e.read_u8(DS, 0x20_0000).is_ok());
    e.invlpg(DS, 0x20_9000).unwrap();
    for page in 0..4 {
        assert!(e.read_u8(DS, 0x20_0000 + page * 0x1000).is_err());
    }
}

#[test]
fn user_and_supervisor_translations_are_apart() {
    let mut m = Machine::long();
    m.platform.load_u64(Machine::pte(0x5000), 0x5000 | 3);
    assert!(m.exec().read_u8(DS, 0x5000).is_ok());
    m.go_user();
    let mut e = m.exec();
    assert_eq!(fault(e.read_u8(DS, 0x5000)), (vector::PF, Some(5)));
    // Descriptor tables and the like are read with the supervisor's rights all the same.
    assert!(e.read_system::<u8>(0x5000).is_ok());
    assert_eq!(fault(e.read_u8(DS, 0x5000)), (vector::PF, Some(5)));
}

#[test]
fn an_access_over_a_page_edge_is_whole_or_not_at_all() {
    let mut m = Machine::long();
    m.platform.load_u64(Machine::pte(0x5000), 0x9000 | 7);
    m.platform.load_u64(Machine::pte(0x6000), 0xb000 | 5);
    m.platform.load(0x9ffe, &[1, 2]);
    m.platform.load(0xb000, &[3, 4]);
    m.go_user();
    let mut e = m.exec();
    assert_eq!(e.read_u32(DS, 0x5ffe), Ok(0x0403_0201));
    assert_eq!(e.write_u32(DS, 0x5ffe, 0), Err(Exception::pf(0x6000, 7)));
    assert_eq!(e.rmw::<u32>(DS, 0x5ffe, false, |_| 0), Err(Exception::pf(0x6000, 7)));
    assert_eq!(e.read_u32(DS, 0x5ffe), Ok(0x0403_0201));
    e.write_u128(DS, 0x4ff8, u128::MAX / 3).unwrap();
    assert_eq!(e.read_u128(DS, 0x4ff8), Ok(u128::MAX / 3));
}

#[test]
fn read_modify_write_returns_the_old_value() {
    let mut m = Machine::long();
    m.platform.load_u64(0x5000, 40);
    let mut e = m.exec();
    for locked in [false, true] {
        assert!(e.rmw::<u64>(DS, 0x5000, locked, |v| v + 1).is_ok());
        assert!(e.rmw::<u16>(DS, 0x5003, locked, |v| v | 0x100).is_ok());
    }
    assert_eq!(e.rmw::<u64>(DS, 0x5000, true, |v| v), Ok(0x0000_0001_0000_002a));
    assert_eq!(e.rmw::<u128>(DS, 0x5000, true, |v| v << 64), Ok(0x0000_0001_0000_002a));
    assert_eq!(e.read_u64(DS, 0x5008), Ok(0x0000_0001_0000_002a));
}

#[test]
fn rom_over_ram_reads_one_and_writes_the_other() {
    let mut m = Machine::protected();
    let rom = m.platform.map.ram().allocate_aux(4096).unwrap();
    let direct = DirectMapping { read: Some(rom.host_offset), write: Some(0xf_0000) };
    let id = m.platform.map.map_direct("shadow", 0xf_0000, 4096, direct).unwrap();
    let mut e = m.exec();
    e.write_u32(DS, 0xf_0000, 5).unwrap();
    assert_eq!(e.read_u32(DS, 0xf_0000), Ok(0));
    assert_eq!(e.rmw::<u32>(DS, 0xf_0000, true, |v| v + 1), Ok(0));
    drop(e);
    assert!(m.platform.map.unmap(id));
    assert_eq!(m.exec().read_u32(DS, 0xf_0000), Ok(1));
    let none = DirectMapping { read: Some(rom.host_offset), write: None };
    m.platform.map.map_direct("rom", 0xf_0000, 4096, none).unwrap();
    let mut e = m.exec();
    e.write_u32(DS, 0xf_0000, 5).unwrap();
    assert_eq!(e.read_u32(DS, 0xf_0000), Ok(0));
}

#[test]
fn a_change_of_the_memory_map_during_a_run_is_seen_after_the_access_that_made_it() {
    struct Nothing;
    impl aero_bus::BusTarget for Nothing {
        fn read(&self, _: u64, data: &mut [u8]) {
            data.fill(0);
        }
        fn write(&self, _: u64, _: &[u8]) {}
    }
    let mut m = Machine::protected();
    let mut e = m.exec();
    assert_eq!(e.read_u8(DS, 0xa_0000), Ok(0));
    let map = e.platform.memory();
    map.map_device("vga", 0xa_0000, Window::new(0, 0x1000), Arc::new(Nothing)).unwrap();
    e.port_out(0x3ce, 1, 6).unwrap();
    assert_eq!(e.read_u8(DS, 0xa_0000), Ok(0xff));
}

#[test]
fn a_closed_a20_gate_folds_the_odd_megabytes() {
    let mut m = Machine::protected();
    m.platform.load(0x1_0000, &[0x55]);
    m.platform.map.set_a20(false);
    let mut e = m.exec();
    assert_eq!(e.read_u8(DS, 0x11_0000), Ok(0x55));
    e.write_u8(DS, 0x11_0001, 0xaa).unwrap();
    assert_eq!(e.read_u8(DS, 0x1_0001), Ok(0xaa));
}

#[test]
fn stores_to_pages_with_code_bump_their_version_on_every_processor() {
    let mut m = Machine::protected();
    let mut other = aero_cpu::Vcpu::new(1, CpuModel::default());
    other.set_flat_protected(0, KERNEL_CODE, KERNEL_DATA);
    let mut e = m.exec();
    e.write_u8(DS, 0x5000, 1).unwrap();
    let page = e.fetch_code_page(0x5000).unwrap();
    let version = e.mark_code_page(page.host_offset.unwrap());
    assert_eq!(e.code_bytes(page.host_offset.unwrap())[0], 1);
    e.look = false;
    e.write_u8(DS, 0x5001, 1).unwrap();
    assert!(e.look);
    let changed = e.fetch_code_page(0x5000).unwrap().version;
    assert_ne!(changed, version);
    drop(e);

    let mut e = aero_cpu::Exec::new(&mut other, &m.signals, &mut m.platform);
    e.write_u8(DS, 0x5002, 1).unwrap();
    drop(e);
    let kept = m.exec().mark_code_page(0x5000);
    let mut e = aero_cpu::Exec::new(&mut other, &m.signals, &mut m.platform);
    e.write_u8(DS, 0x5002, 2).unwrap();
    assert_ne!(e.fetch_code_page(0x5000).unwrap().version, kept);
}

#[test]
fn setting_accessed_bits_in_a_page_with_code_bumps_it_too() {
    let mut m = Machine::long();
    let mut e = m.exec();
    let version = e.mark_code_page(TABLES + 0x3000);
    e.read_u8(DS, 0x9000).unwrap();
    drop(e);
    assert_ne!(m.platform.map.ram().versions().version(TABLES + 0x3000), version);
}

#[test]
fn direct_pointers_stay_in_one_page_and_need_a_known_translation() {
    let mut m = Machine::long();
    let mut e = m.exec();
    assert!(e.direct(DS, 0x5000, 16, Access::Write).is_none());
    e.write_u8(DS, 0x5000, 1).unwrap();
    assert!(e.direct(DS, 0x5000, 4096, Access::Write).is_some());
    assert!(e.direct(DS, 0x5001, 4096, Access::Write).is_none());
    assert!(e.direct(DS, 0x5000, 4097, Access::Read).is_none());
    assert!(e.direct(DS, 0x5000, 0, Access::Read).is_none());
}

#[test]
fn code_is_fetched_over_page_edges_up_to_a_fault_or_the_limit() {
    let mut m = Machine::long();
    m.platform.load(0x5ffd, &[1, 2, 3, 4, 5, 6]);
    m.platform.load_u64(Machine::pte(0x7000), 0);
    let mut e = m.exec();
    let mut buffer = [0; 15];
    assert_eq!(e.fetch_bytes(0x5ffd, &mut buffer), Ok(15));
    assert_eq!(buffer[..6], [1, 2, 3, 4, 5, 6]);
    assert_eq!(e.fetch_bytes(0x6ffd, &mut buffer), Ok(3));
    assert_eq!(e.fetch_bytes(0x7000, &mut buffer), Err(Exception::pf(0x7000, 0x10)));
    assert_eq!(e.code_bytes_left(0x6ffd), u64::MAX);
    let mut m = Machine::new();
    let mut e = m.exec();
    assert_eq!(e.code_bytes_left(0xfff0), 16);
    assert_eq!(e.fetch_bytes(0xfffe, &mut buffer), Ok(2));
    assert_eq!(e.fetch_bytes(0x1_0000, &mut buffer), Err(Exception::gp(0)));
    // The reset vector lies just below 4 GiB, where here is nothing.
    assert_eq!(e.fetch_code_page(0xffff_fff0).unwrap().host_offset, None);
    drop(e);
    assert_eq!(m.platform.seen, [Seen::MmioRead(0xffff_fffe, 2)]);
}

#[test]
fn a_debugger_translates_without_leaving_traces() {
    let mut m = Machine::long();
    let mut e = m.exec();
    assert_eq!(e.translate_debug(0x5123), Some(0x5123));
    assert_eq!(e.translate_debug(0x4000_0000_0000), None);
    assert_eq!(e.translate_debug(1 << 47), None);
    drop(e);
    assert_eq!(m.platform.u64_at(Machine::pte(0x5000)), 0x5007);
}

#[test]
fn alignment_checks_hold_at_cpl_3_with_am_and_ac() {
    let mut m = Machine::protected();
    m.cpu.cr0 |= cr0::AM;
    m.go_user();
    let mut e = m.exec();
    assert!(e.read_u32(DS, 0x5001).is_ok());
    e.push(0x4_0002u32).unwrap();
    e.popf(aero_cpu::OperandSize::Dword).unwrap();
    assert_eq!(e.read_u32(DS, 0x5002), Err(Exception::ac()));
    assert!(e.read_u32(DS, 0x5004).is_ok());
    assert!(e.read_u8(DS, 0x5001).is_ok());
    assert_eq!(e.write_u16(DS, 0x5001, 0), Err(Exception::ac()));
}

#[test]
fn the_page_that_the_local_apic_is_moved_to_is_a_device_until_it_moves_on() {
    const APIC_BASE: u64 = 0x1b;
    let mut m = paged32();
    let move_to = |m: &mut Machine, base: u64| {
        m.cpu.regs[0] = base;
        m.cpu.regs[1] = APIC_BASE;
        m.cpu.regs[2] = 0;
        m.exec().wrmsr().unwrap();
    };
    m.platform.load_u32(0x5000, 0x1234);
    m.platform.input = 0x5005_0014;
    assert_eq!(m.exec().read_u32(DS, 0x5000), Ok(0x1234), "translated once, as RAM");
    move_to(&mut m, 0x5900);
    assert_eq!(m.exec().read_u32(DS, 0x5000), Ok(0x5005_0014));
    m.exec().write_u32(DS, 0x5080, 0x20).unwrap();
    let seen = [Seen::MmioRead(0x5000, 4), Seen::MmioWrite(0x5080, vec![0x20, 0, 0, 0])];
    assert_eq!(m.platform.seen, seen);
    assert_eq!(m.exec().read_u32(DS, 0x6000), Ok(0), "the page beside it is RAM");
    move_to(&mut m, 0xfee0_0900);
    assert_eq!(m.exec().read_u32(DS, 0x5000), Ok(0x1234), "what was below is there again");
    assert_eq!(m.platform.u32_at(0x5080), 0);
    // Disabled, and in x2APIC mode, nothing is in memory.
    for base in [0x5100, 0x5d00] {
        move_to(&mut m, base);
        assert_eq!(m.exec().read_u32(DS, 0x5000), Ok(0x1234));
    }
}

#[test]
fn a_look_ahead_at_code_leaves_no_trace() {
    let mut m = paged32();
    assert_eq!(m.exec().peek_code_page(0x5010), None, "the accessed bits are clear");
    assert_eq!(m.platform.u32_at(0x10_0000), 0x10_1007);
    assert_eq!(m.platform.u32_at(0x10_1014), 0x5007);
    m.exec().fetch_code_page(0x5010).unwrap();
    m.platform.load_u32(0x10_1018, 0x6027);
    // A page with its bits set that was never fetched from, one that was, and one that is not there.
    let peeked = |host_offset| Some(Peeked { host_offset, global: false, large: false });
    assert_eq!(m.exec().peek_code_page(0x6fff), peeked(0x6000));
    assert_eq!(m.exec().peek_code_page(0x5fff), peeked(0x5000));
    assert_eq!(m.exec().peek_code_page(0x40_0000), None);
    // A table in a device is not asked for.
    m.platform.load_u32(0x10_0004, 0xfee0_0027);
    assert_eq!(m.exec().peek_code_page(0x40_0000), None);
    assert_eq!(m.platform.seen, []);
}

#[test]
fn an_address_for_generated_code_is_declined_where_tables_are_more_than_memory() {
    let mut m = paged32();
    // A table in a device.
    m.platform.load_u32(0x10_0004, 0xfee0_0007);
    assert_eq!(m.exec().host_address(0x40_0000, 4, Access::Read), None);
    assert_eq!(m.platform.seen, []);
    // A table in a page with code, in which a bit would have to be set.
    m.exec().mark_code_page(0x10_1000);
    assert_eq!(m.exec().host_address(0x5010, 4, Access::Read), None);
    assert_eq!(m.platform.u32_at(0x10_1014), 0x5007);
    m.platform.load_u32(0x10_0000, 0x10_1027);
    m.platform.load_u32(0x10_1018, 0x6027);
    m.exec().mark_code_page(0x10_1000);
    assert_eq!(m.exec().host_address(0x6010, 4, Access::Read), Some(0x6010));
    assert_eq!(m.exec().host_address(0x6010, 4, Access::Write), None);
}

#[test]
fn who_keeps_what_addresses_led_to_is_told_what_was_dropped() {
    let mut m = Machine::long();
    m.exec().write_cr(4, cr4::PAE | cr4::PGE).unwrap();
    let start = *m.cpu.dropped_translations();
    let mut e = m.exec();
    let cr3 = e.cpu.cr3;
    e.write_cr(3, cr3).unwrap();
    e.invlpg(DS, 0x12_3456_7890).unwrap_or_else(|fault| panic!("{fault:?}"));
    let now = *e.cpu.dropped_translations();
    assert_eq!((now.all, now.not_global), (start.all, start.not_global + 1));
    assert_eq!(now.pages, start.pages + 1);
    assert_eq!(now.last[start.pages as usize % Dropped::LAST], 0x12_3456_7890);
    e.write_cr(4, cr4::PAE).unwrap();
    assert_eq!(e.cpu.dropped_translations().all, start.all + 1);
    drop(e);
    m.platform.load_u64(Machine::pte(0x5000), 0x5000 | 0x123);
    m.exec().fetch_code_page(0x5000).unwrap();
    let global = |m: &mut Machine| m.exec().peek_code_page(0x5000).map(|page| page.global);
    assert_eq!(global(&mut m), Some(false), "CR4.PGE is clear");
    m.exec().write_cr(4, cr4::PAE | cr4::PGE).unwrap();
    assert_eq!(global(&mut m), Some(true));
    m.exec().fetch_code_page(0x5000).unwrap();
    assert_eq!(global(&mut m), Some(true), "from the TLB");
}
