//! What instructions do when they cannot do what they are for.

use aero_cpu::bits::{cr0, cr4};
use aero_cpu::{CpuModel, DescriptorTable, Exception, FpuState, Vcpu, vector};
use iced_x86::{CpuidFeature, Mnemonic, OpKind};

use crate::{CODE, DATA, Machine, RAM, decode};

/// ADDPS XMM0, XMM1.
const ADDPS: [u8; 3] = [0x0f, 0x58, 0xc1];
/// DIVPS XMM0, XMM1.
const DIVPS: [u8; 3] = [0x0f, 0x5e, 0xc1];
/// PADDB MM0, MM1.
const PADDB_MM: [u8; 3] = [0x0f, 0xfc, 0xc1];
/// EMMS.
const EMMS: [u8; 2] = [0x0f, 0x77];
/// MOVDQ2Q MM0, XMM1.
const MOVDQ2Q: [u8; 4] = [0xf2, 0x0f, 0xd6, 0xc1];
/// MASKMOVDQU XMM1, XMM0: XMM1 where XMM0 says, at RDI.
const MASKMOVDQU: [u8; 4] = [0x66, 0x0f, 0xf7, 0xc8];
/// LDMXCSR [RDI].
const LDMXCSR: [u8; 3] = [0x0f, 0xae, 0x17];
/// STMXCSR [RDI].
const STMXCSR: [u8; 3] = [0x0f, 0xae, 0x1f];
/// LFENCE.
const LFENCE: [u8; 3] = [0x0f, 0xae, 0xe8];

const RDI: usize = 7;
/// The x87's ZE flag and mask.
const X87_ZERO_DIVIDE: u16 = 1 << 2;

fn vector_of(result: Result<(), Exception>) -> Option<u8> {
    result.err().map(|exception| exception.vector)
}

/// What SIMD instructions could change.
fn visible(cpu: &Vcpu) -> impl PartialEq + std::fmt::Debug + use<> {
    (cpu.xmm, cpu.fpu, cpu.mxcsr, cpu.regs, cpu.flags.rflags())
}

#[test]
fn sse_needs_cr4_osfxsr_and_cr0_em_clear() {
    let mut machine = Machine::new();
    assert_eq!(machine.run_bytes(&ADDPS), Ok(()));
    machine.cpu.cr4 &= !cr4::OSFXSR;
    assert_eq!(vector_of(machine.run_bytes(&ADDPS)), Some(vector::UD));
    machine.cpu.cr4 |= cr4::OSFXSR;
    machine.cpu.cr0 |= cr0::EM | cr0::TS;
    assert_eq!(vector_of(machine.run_bytes(&ADDPS)), Some(vector::UD));
    machine.cpu.cr0 &= !cr0::EM;
    assert_eq!(vector_of(machine.run_bytes(&ADDPS)), Some(vector::NM));
}

#[test]
fn mmx_needs_cr0_em_clear_but_not_osfxsr() {
    let mut machine = Machine::new();
    machine.cpu.cr4 &= !cr4::OSFXSR;
    assert_eq!(machine.run_bytes(&PADDB_MM), Ok(()));
    assert_eq!(vector_of(machine.run_bytes(&MOVDQ2Q)), Some(vector::UD));
    machine.cpu.cr0 |= cr0::EM | cr0::TS;
    assert_eq!(vector_of(machine.run_bytes(&PADDB_MM)), Some(vector::UD));
    machine.cpu.cr0 &= !cr0::EM;
    assert_eq!(vector_of(machine.run_bytes(&PADDB_MM)), Some(vector::NM));
    assert_eq!(vector_of(machine.run_bytes(&EMMS)), Some(vector::NM));
}

#[test]
fn fences_work_whatever_the_control_registers_say() {
    let mut machine = Machine::new();
    machine.cpu.cr4 &= !cr4::OSFXSR;
    machine.cpu.cr0 |= cr0::EM | cr0::TS;
    assert_eq!(machine.run_bytes(&LFENCE), Ok(()));
    // PREFETCHT0 of an address that is not mapped.
    machine.cpu.regs[RDI] = 1 << 40;
    assert_eq!(machine.run_bytes(&[0x0f, 0x18, 0x0f]), Ok(()));
}

#[test]
fn a_pending_x87_exception_is_reported_before_mmx_but_not_before_sse() {
    let mut machine = Machine::new();
    machine.cpu.cr0 |= cr0::NE;
    machine.cpu.fpu.top = 5;
    machine.cpu.fpu.tags = 0x60;
    machine.cpu.fpu.control &= !X87_ZERO_DIVIDE;
    machine.cpu.fpu.status |= X87_ZERO_DIVIDE;
    assert_eq!(machine.run_bytes(&ADDPS), Ok(()));
    for bytes in [&PADDB_MM[..], &EMMS, &MOVDQ2Q] {
        assert_eq!(vector_of(machine.run_bytes(bytes)), Some(vector::MF));
    }
    assert_eq!((machine.cpu.fpu.top, machine.cpu.fpu.tags), (5, 0x60));
}

#[test]
fn mmx_makes_all_registers_valid_and_emms_empties_them() {
    let mut machine = Machine::new();
    machine.cpu.fpu.top = 5;
    machine.cpu.fpu.tags = 0x60;
    machine.run_bytes(&PADDB_MM).unwrap();
    assert_eq!((machine.cpu.fpu.top, machine.cpu.fpu.tags), (0, 0xff));
    assert_eq!(machine.cpu.fpu.regs[0].sign_exponent, 0xffff);
    machine.cpu.fpu.top = 3;
    machine.run_bytes(&EMMS).unwrap();
    assert_eq!((machine.cpu.fpu.top, machine.cpu.fpu.tags), (0, 0));
}

#[test]
fn an_unmasked_exception_sets_its_flag_and_leaves_the_destination() {
    const ZM: u32 = 1 << 9;
    const ZE: u32 = 1 << 2;
    let mut machine = Machine::new();
    machine.cpu.xmm[0] = 0x3f80_0000_3f80_0000_3f80_0000_3f80_0000;
    machine.cpu.xmm[1] = 0;
    machine.cpu.mxcsr = 0x1f80 & !ZM;
    let before = machine.cpu.xmm;
    assert_eq!(vector_of(machine.run_bytes(&DIVPS)), Some(vector::XM));
    assert_eq!(machine.cpu.xmm, before);
    assert_eq!(machine.cpu.mxcsr, 0x1f80 & !ZM | ZE);
    machine.cpu.cr4 &= !cr4::OSXMMEXCPT;
    assert_eq!(vector_of(machine.run_bytes(&DIVPS)), Some(vector::UD));
}

#[test]
fn ldmxcsr_takes_no_reserved_bits() {
    let mut machine = Machine::new();
    machine.cpu.regs[RDI] = DATA;
    machine.write(DATA, &0xffff_u32.to_le_bytes());
    machine.run_bytes(&LDMXCSR).unwrap();
    assert_eq!(machine.cpu.mxcsr, 0xffff);
    machine.write(DATA, &0x1_1f80_u32.to_le_bytes());
    let result = machine.run_bytes(&LDMXCSR);
    assert_eq!(result, Err(Exception::gp(0)));
    assert_eq!(machine.cpu.mxcsr, 0xffff);
    machine.run_bytes(&STMXCSR).unwrap();
    let mut stored = [0; 4];
    machine.read(DATA, &mut stored);
    assert_eq!(u32::from_le_bytes(stored), 0xffff);
}

#[test]
fn masked_stores_touch_only_selected_bytes_and_all_of_them_or_none() {
    let mut machine = Machine::new();
    machine.cpu.xmm[0] = 0x80_0000_8000_0080;
    machine.cpu.xmm[1] = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
    machine.cpu.regs[RDI] = RAM - 7;
    machine.write(RAM - 16, &[0xaa; 16]);
    machine.run_bytes(&MASKMOVDQU).unwrap();
    let mut bytes = [0; 7];
    machine.read(RAM - 7, &mut bytes);
    assert_eq!(bytes, [0, 0xaa, 0xaa, 3, 0xaa, 0xaa, 6]);

    machine.write(RAM - 16, &[0xaa; 16]);
    machine.cpu.xmm[0] |= 0x80 << 56;
    assert_eq!(vector_of(machine.run_bytes(&MASKMOVDQU)), Some(vector::PF));
    machine.read(RAM - 7, &mut bytes);
    assert_eq!(bytes, [0xaa; 7]);
}

#[test]
fn clflush_faults_as_a_read_does() {
    const CLFLUSH: [u8; 3] = [0x0f, 0xae, 0x3f];
    let mut machine = Machine::new();
    machine.cpu.regs[RDI] = RAM - 1;
    assert_eq!(machine.run_bytes(&CLFLUSH), Ok(()));
    machine.cpu.regs[RDI] = RAM;
    assert_eq!(vector_of(machine.run_bytes(&CLFLUSH)), Some(vector::PF));
}

#[test]
fn fxsave_and_fxrstor_carry_everything_and_want_alignment() {
    const FXSAVE64: [u8; 4] = [0x48, 0x0f, 0xae, 0x07];
    const FXRSTOR64: [u8; 4] = [0x48, 0x0f, 0xae, 0x0f];
    let mut machine = Machine::new();
    machine.cpu.regs[RDI] = DATA;
    machine.cpu.xmm = std::array::from_fn(|i| (i as u128 + 1) * 0x0123_4567_89ab_cdef);
    machine.cpu.mxcsr = 0x3fa5;
    machine.run_bytes(&PADDB_MM).unwrap();
    let (xmm, fpu) = (machine.cpu.xmm, machine.cpu.fpu);
    machine.run_bytes(&FXSAVE64).unwrap();
    reset(&mut machine.cpu);
    machine.run_bytes(&FXRSTOR64).unwrap();
    assert_eq!((machine.cpu.xmm, machine.cpu.mxcsr), (xmm, 0x3fa5));
    assert_eq!((machine.cpu.fpu.regs, machine.cpu.fpu.tags), (fpu.regs, fpu.tags));
    machine.cpu.regs[RDI] = DATA + 8;
    assert_eq!(machine.run_bytes(&FXSAVE64), Err(Exception::gp(0)));
    assert_eq!(machine.run_bytes(&FXRSTOR64), Err(Exception::gp(0)));
}

/// As after power-on, more or less.
fn reset(cpu: &mut Vcpu) {
    cpu.xmm = [0; 16];
    cpu.mxcsr = 0x1f80;
    cpu.fpu = FpuState::initial();
}

/// Instructions that take 16 bytes at any address.
fn is_unaligned(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Movups
            | M::Movupd
            | M::Movdqu
            | M::Lddqu
            | M::Pcmpestri
            | M::Pcmpestrm
            | M::Pcmpestri64
            | M::Pcmpestrm64
            | M::Pcmpistri
            | M::Pcmpistrm
    )
}

/// Of every instruction with an operand in memory: the operand's exact width is accessed, 16 bytes have
/// to be aligned but for a few instructions, and a fault changes nothing.
#[test]
fn operands_in_memory_have_their_exact_width_and_alignment() {
    use CpuidFeature as F;
    let mut machine = Machine::new();
    let mut tested = 0;
    for prefix in [None, Some(0x66), Some(0xf3), Some(0xf2)] {
        for map in [&[0x0f][..], &[0x0f, 0x38], &[0x0f, 0x3a]] {
            for opcode in 0..=255 {
                if map.len() == 1 && matches!(opcode, 0x38 | 0x3a) {
                    continue;
                }
                for rex in [None, Some(0x48)] {
                    let bytes: Vec<u8> = prefix
                        .into_iter()
                        .chain(rex)
                        .chain(map.iter().copied())
                        // [RDI], and an immediate if there is one.
                        .chain([opcode, 0x07, 0])
                        .collect();
                    let instr = decode(&bytes);
                    let is_simd = instr.cpuid_features().iter().any(|feature| {
                        matches!(
                            feature,
                            F::MMX
                                | F::SSE
                                | F::SSE2
                                | F::SSE3
                                | F::SSSE3
                                | F::SSE4_1
                                | F::SSE4_2
                                | F::AES
                                | F::PCLMULQDQ
                        )
                    });
                    let is_memory =
                        (0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Memory);
                    let is_hint = matches!(
                        instr.mnemonic(),
                        Mnemonic::Prefetchnta
                            | Mnemonic::Ldmxcsr
                            | Mnemonic::Crc32
                            | Mnemonic::Movnti
                            | Mnemonic::Fisttp
                    );
                    if is_simd && is_memory && !is_hint {
                        check_width(&mut machine, &bytes[..instr.len()]);
                        tested += 1;
                    }
                }
            }
        }
    }
    assert!(tested > 400, "{tested}");
}

fn check_width(machine: &mut Machine, bytes: &[u8]) {
    let instr = decode(bytes);
    let size = instr.memory_size().size() as u64;
    assert!(matches!(size, 1 | 2 | 4 | 8 | 16), "{:?}", instr.code());
    machine.cpu.fpu.top = 1;
    machine.cpu.fpu.tags = 0x18;
    machine.cpu.xmm[1] = 0x0102_0304;
    machine.cpu.regs[RDI] = RAM - size;
    machine.write(RAM - 16, &[0; 16]);
    assert_eq!(machine.run_bytes(bytes), Ok(()), "{:?}", instr.code());

    machine.cpu.fpu.top = 1;
    machine.cpu.fpu.tags = 0x18;
    machine.cpu.regs[RDI] = RAM - size + 1;
    let before = visible(&machine.cpu);
    let aligned = size == 16 && !is_unaligned(instr.mnemonic());
    let expected = if aligned { vector::GP } else { vector::PF };
    assert_eq!(vector_of(machine.run_bytes(bytes)), Some(expected), "{:?}", instr.code());
    assert_eq!(visible(&machine.cpu), before, "{:?}", instr.code());
    machine.cpu.regs[RDI] = RAM;
    assert_eq!(vector_of(machine.run_bytes(bytes)), Some(vector::PF), "{:?}", instr.code());
}

/// A whole program: SSE code through the interpreter, with exceptions of models that lack it.
#[test]
fn a_model_without_the_feature_takes_ud() {
    // PSHUFB XMM0, XMM1 (SSSE3); UD2.
    const PROGRAM: [u8; 7] = [0x66, 0x0f, 0x38, 0x00, 0xc1, 0x0f, 0x0b];
    for (name, executes) in [("westmere", true), ("core2duo", true), ("pentium4", false)] {
        let mut machine = Machine::new();
        machine.cpu.model = CpuModel::named(name).unwrap();
        machine.write(CODE, &PROGRAM);
        machine.cpu.xmm[0] = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
        machine.cpu.xmm[1] = 0x8080_8080_8080_8080_0001_0203_0405_0607;
        // There is no IDT: #UD ends in shutdown, with RIP at the instruction.
        machine.cpu.idtr = DescriptorTable { base: 0, limit: 0 };
        machine.interpret();
        let (rip, low) =
            if executes { (5, 0x0001_0203_0405_0607) } else { (0, 0x0706_0504_0302_0100) };
        assert_eq!(machine.cpu.rip, CODE + rip, "{name}");
        assert_eq!(machine.cpu.xmm[0] as u64, low, "{name}");
    }
}
