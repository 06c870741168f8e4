//! Which instruction forms are tested, and why others are not.

use iced_x86::{Code, CpuidFeature, EncodingKind, Mnemonic, OpCodeOperandKind as Kind};

/// Features of the `westmere` model, in iced's names.
const FEATURES: &[CpuidFeature] = &[
    CpuidFeature::INTEL8086,
    CpuidFeature::INTEL186,
    CpuidFeature::INTEL286,
    CpuidFeature::INTEL386,
    CpuidFeature::INTEL486,
    CpuidFeature::X64,
    CpuidFeature::FPU,
    CpuidFeature::FPU287,
    CpuidFeature::FPU387,
    CpuidFeature::CMOV,
    CpuidFeature::CX8,
    CpuidFeature::CMPXCHG16B,
    CpuidFeature::CLFSH,
    CpuidFeature::CPUID,
    CpuidFeature::FXSR,
    CpuidFeature::MMX,
    CpuidFeature::MSR,
    CpuidFeature::MULTIBYTENOP,
    CpuidFeature::PAUSE,
    CpuidFeature::PCLMULQDQ,
    CpuidFeature::POPCNT,
    CpuidFeature::PREFETCHW,
    CpuidFeature::RDTSCP,
    CpuidFeature::SEP,
    CpuidFeature::SSE,
    CpuidFeature::SSE2,
    CpuidFeature::SSE3,
    CpuidFeature::SSSE3,
    CpuidFeature::SSE4_1,
    CpuidFeature::SSE4_2,
    CpuidFeature::AES,
    CpuidFeature::SYSCALL,
    CpuidFeature::TSC,
];

/// Whether the model has the form at all.
pub fn is_advertised(code: Code) -> bool {
    let op = code.op_code();
    let features = code.cpuid_features();
    op.is_instruction()
        && op.encoding() == EncodingKind::Legacy
        && features.iter().all(|f| FEATURES.contains(f))
}

/// Why a form that the model has is not compared with the host, or `None` if it is.
pub fn excluded(code: Code, bits: u32) -> Option<&'static str> {
    use Code as C;
    use Mnemonic as M;
    let op = code.op_code();
    if bits == 64 {
        let short = |kind: &Kind| matches!(kind, Kind::br16_1 | Kind::br16_2);
        if op.op_kinds().iter().any(short)
            || matches!(code, C::Call_rm16 | C::Jmp_rm16 | C::Retnw | C::Retnw_imm16)
        {
            return Some("Intel ignores the operand size prefix of near branches, AMD does not");
        }
        if let C::Call_m1664
        | C::Jmp_m1664
        | C::Lss_r64_m1664
        | C::Lfs_r64_m1664
        | C::Lgs_r64_m1664 = code
        {
            return Some("AMD has no far pointers with 64-bit offsets");
        }
    }
    Some(match code.mnemonic() {
        M::Rdtsc | M::Rdtscp | M::Cpuid | M::Rdpmc => "tells what differs between processors",
        M::Sgdt | M::Sidt | M::Sldt | M::Str | M::Smsw => {
            "shows the kernel's state, and UMIP hides it on the host"
        }
        M::Syscall | M::Sysenter => "enters the kernel",
        M::Int1 => "a hypervisor under the host reports it before the instruction, not after",
        M::Finit
        | M::Fclex
        | M::Fsave
        | M::Fstenv
        | M::Fstcw
        | M::Fstsw
        | M::Feni
        | M::Fdisi
        | M::Fsetpm => "WAIT and another instruction, both of which are tested",
        M::Jmpe | M::Umov => "was on one processor only",
        _ => match code {
            C::Reservednop_rm16_r16_0F0D
            | C::Reservednop_rm32_r32_0F0D
            | C::Reservednop_rm64_r64_0F0D => "AMD has it for memory only",
            C::Sysretd if bits == 32 => "AMD has it outside of 64-bit mode",
            C::Movsxd_r16_rm16 => "AMD's reads 32 bits of memory",
            C::Popw_CS => "was on one processor only",
            _ => return None,
        },
    })
}

/// The forms tested in this mode.
pub fn tested(bits: u32) -> Vec<Code> {
    Code::values()
        .filter(|code| {
            is_advertised(*code) && is_in_mode(*code, bits) && excluded(*code, bits).is_none()
        })
        .collect()
}

/// The forms that the model has in this mode but that are not tested, with the reason.
pub fn untested(bits: u32) -> Vec<(Code, &'static str)> {
    Code::values()
        .filter(|code| is_advertised(*code) && is_in_mode(*code, bits))
        .filter_map(|code| Some((code, excluded(code, bits)?)))
        .collect()
}

fn is_in_mode(code: Code, bits: u32) -> bool {
    if bits == 64 { code.op_code().mode64() } else { code.op_code().mode32() }
}
