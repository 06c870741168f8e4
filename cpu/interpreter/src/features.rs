//! Which feature of a processor model an instruction came with.

use aero_cpu::Features;
use iced_x86::{Code, Instruction, Mnemonic as M, OpKind, Register};

/// The feature that CPUID shows where this instruction exists; empty if all models have it, or if what
/// executes it checks by itself.
pub(crate) fn required(instr: &Instruction) -> Features {
    match instr.mnemonic() {
        M::Cmova
        | M::Cmovae
        | M::Cmovb
        | M::Cmovbe
        | M::Cmove
        | M::Cmovg
        | M::Cmovge
        | M::Cmovl
        | M::Cmovle
        | M::Cmovne
        | M::Cmovno
        | M::Cmovnp
        | M::Cmovns
        | M::Cmovo
        | M::Cmovp
        | M::Cmovs
        | M::Fcmovb
        | M::Fcmovbe
        | M::Fcmove
        | M::Fcmovnb
        | M::Fcmovnbe
        | M::Fcmovne
        | M::Fcmovnu
        | M::Fcmovu
        | M::Fcomi
        | M::Fcomip
        | M::Fucomi
        | M::Fucomip => Features::CMOV,
        M::Cmpxchg8b => Features::CX8,
        M::Cmpxchg16b => Features::CX16,
        M::Rdtsc => Features::TSC,
        M::Sysenter | M::Sysexit | M::Sysexitq => Features::SEP,
        M::Popcnt => Features::POPCNT,
        M::Crc32 => Features::SSE4_2,
        M::Fisttp => Features::SSE3,
        M::Clflush => Features::CLFLUSH,
        M::Prefetchnta | M::Prefetcht0 | M::Prefetcht1 | M::Prefetcht2 => Features::SSE,
        M::Movnti => Features::SSE2,
        M::Ldmxcsr | M::Stmxcsr | M::Sfence => Features::SSE,
        M::Cvtps2pi | M::Cvttps2pi | M::Cvtss2si | M::Cvttss2si => Features::SSE,
        M::Lfence | M::Mfence => Features::SSE2,
        M::Cvtpd2pi | M::Cvttpd2pi | M::Cvtsd2si | M::Cvttsd2si => Features::SSE2,
        M::Movsldup
        | M::Movddup
        | M::Movshdup
        | M::Haddpd
        | M::Haddps
        | M::Hsubpd
        | M::Hsubps
        | M::Addsubpd
        | M::Addsubps
        | M::Lddqu => Features::SSE3,
        M::Pshufb
        | M::Phaddw
        | M::Phaddd
        | M::Phaddsw
        | M::Pmaddubsw
        | M::Phsubw
        | M::Phsubd
        | M::Phsubsw
        | M::Psignb
        | M::Psignw
        | M::Psignd
        | M::Pmulhrsw
        | M::Pabsb
        | M::Pabsw
        | M::Pabsd
        | M::Palignr => Features::SSSE3,
        M::Pblendvb
        | M::Blendvps
        | M::Blendvpd
        | M::Ptest
        | M::Pmovsxbw
        | M::Pmovsxbd
        | M::Pmovsxbq
        | M::Pmovsxwd
        | M::Pmovsxwq
        | M::Pmovsxdq
        | M::Pmuldq
        | M::Pcmpeqq
        | M::Movntdqa
        | M::Packusdw
        | M::Pmovzxbw
        | M::Pmovzxbd
        | M::Pmovzxbq
        | M::Pmovzxwd
        | M::Pmovzxwq
        | M::Pmovzxdq
        | M::Pminsb
        | M::Pminsd
        | M::Pminuw
        | M::Pminud
        | M::Pmaxsb
        | M::Pmaxsd
        | M::Pmaxuw
        | M::Pmaxud
        | M::Pmulld
        | M::Phminposuw
        | M::Roundps
        | M::Roundpd
        | M::Roundss
        | M::Roundsd
        | M::Blendps
        | M::Blendpd
        | M::Pblendw
        | M::Pextrb
        | M::Pextrd
        | M::Pextrq
        | M::Extractps
        | M::Pinsrb
        | M::Insertps
        | M::Pinsrd
        | M::Pinsrq
        | M::Dpps
        | M::Dppd
        | M::Mpsadbw => Features::SSE4_1,
        M::Pcmpgtq
        | M::Pcmpestrm
        | M::Pcmpestrm64
        | M::Pcmpestri
        | M::Pcmpestri64
        | M::Pcmpistrm
        | M::Pcmpistri => Features::SSE4_2,
        M::Aesimc | M::Aesenc | M::Aesenclast | M::Aesdec | M::Aesdeclast | M::Aeskeygenassist => {
            Features::AES
        }
        M::Pclmulqdq => Features::PCLMULQDQ,
        mnemonic if has_operand(instr, Register::XMM0, Register::XMM15) => {
            with_xmm(instr, mnemonic)
        }
        M::Emms => Features::MMX,
        _ if !has_operand(instr, Register::MM0, Register::MM7) => Features::empty(),
        M::Paddq | M::Psubq | M::Pmuludq => Features::SSE2,
        M::Pshufw
        | M::Pinsrw
        | M::Pextrw
        | M::Pmovmskb
        | M::Pminub
        | M::Pmaxub
        | M::Pavgb
        | M::Pavgw
        | M::Pmulhuw
        | M::Movntq
        | M::Pminsw
        | M::Pmaxsw
        | M::Psadbw
        | M::Maskmovq => Features::SSE,
        _ => Features::MMX,
    }
}

/// Whether one of the registers from `first` to `last` is an operand.
fn has_operand(instr: &Instruction, first: Register, last: Register) -> bool {
    (0..instr.op_count()).any(|i| {
        instr.op_kind(i) == OpKind::Register && (first..=last).contains(&instr.op_register(i))
    })
}

/// SSE has single precision only; SSE2 the rest.
fn with_xmm(instr: &Instruction, mnemonic: M) -> Features {
    match mnemonic {
        M::Movups
        | M::Movss
        | M::Movhlps
        | M::Movlps
        | M::Unpcklps
        | M::Unpckhps
        | M::Movlhps
        | M::Movhps
        | M::Movaps
        | M::Cvtpi2ps
        | M::Cvtsi2ss
        | M::Movntps
        | M::Ucomiss
        | M::Comiss
        | M::Movmskps
        | M::Sqrtps
        | M::Sqrtss
        | M::Rsqrtps
        | M::Rsqrtss
        | M::Rcpps
        | M::Rcpss
        | M::Andps
        | M::Andnps
        | M::Orps
        | M::Xorps
        | M::Addps
        | M::Addss
        | M::Mulps
        | M::Mulss
        | M::Subps
        | M::Subss
        | M::Minps
        | M::Minss
        | M::Divps
        | M::Divss
        | M::Maxps
        | M::Maxss
        | M::Cmpps
        | M::Cmpss
        | M::Shufps => Features::SSE,
        // The form that can store is in another place of the opcode map, and newer.
        M::Pextrw
            if matches!(
                instr.code(),
                Code::Pextrw_r32m16_xmm_imm8 | Code::Pextrw_r64m16_xmm_imm8
            ) =>
        {
            Features::SSE4_1
        }
        _ => Features::SSE2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{CpuidFeature, Decoder, DecoderOptions};

    fn ours(feature: CpuidFeature) -> Features {
        use CpuidFeature as F;
        match feature {
            F::CMOV => Features::CMOV,
            F::CX8 => Features::CX8,
            F::CMPXCHG16B => Features::CX16,
            F::TSC => Features::TSC,
            F::SEP => Features::SEP,
            F::POPCNT => Features::POPCNT,
            F::CLFSH => Features::CLFLUSH,
            F::MMX => Features::MMX,
            F::SSE => Features::SSE,
            F::SSE2 => Features::SSE2,
            F::SSE3 => Features::SSE3,
            F::SSSE3 => Features::SSSE3,
            F::SSE4_1 => Features::SSE4_1,
            F::SSE4_2 => Features::SSE4_2,
            F::AES => Features::AES,
            F::PCLMULQDQ => Features::PCLMULQDQ,
            _ => Features::empty(),
        }
    }

    #[test]
    fn instructions_of_the_two_byte_maps_need_what_the_manual_says() {
        let prefixes = [None, Some(0x66), Some(0xf3), Some(0xf2)];
        let maps = [&[0x0f][..], &[0x0f, 0x38], &[0x0f, 0x3a]];
        let modrms = (0..8).flat_map(|reg| [reg << 3 | 7, 0xc0 | reg << 3]);
        let mut with_features = 0;
        for modrm in modrms {
            for (prefix, map) in prefixes.iter().flat_map(|p| maps.map(|m| (p, m))) {
                for (opcode, rex) in (0..=255).flat_map(|o| [(o, None), (o, Some(0x48))]) {
                    let bytes: Vec<u8> = prefix
                        .iter()
                        .copied()
                        .chain(rex)
                        .chain(map.iter().copied())
                        .chain([opcode, modrm, 0, 0, 0, 0])
                        .collect();
                    let instr = Decoder::new(64, &bytes, DecoderOptions::NONE).decode();
                    let expected = match instr.mnemonic() {
                        // In the manual PADDQ came with SSE2, and PREFETCHW is a feature by itself.
                        M::Paddq => Features::SSE2,
                        M::Prefetchw | M::Prefetchwt1 => Features::empty(),
                        _ if instr.is_invalid() => continue,
                        // Later vector extensions are not implemented, so it does not matter.
                        _ if instr.cpuid_features().iter().all(|f| ours(*f).is_empty())
                            && has_operand(&instr, Register::XMM0, Register::MM7) =>
                        {
                            continue;
                        }
                        _ => instr
                            .cpuid_features()
                            .iter()
                            .fold(Features::empty(), |all, feature| all | ours(*feature)),
                    };
                    assert_eq!(required(&instr), expected, "{:?}", instr.code());
                    with_features += usize::from(!expected.is_empty());
                }
            }
        }
        assert!(with_features > 5000, "{with_features}");
    }
}
