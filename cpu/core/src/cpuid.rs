//! Processor models and their CPUID (SDM Vol. 2, CPUID).

use crate::bits::cr4;
use crate::paging::PHYSICAL_BITS;
use crate::state::{Mode, Vcpu};

bitflags::bitflags! {
    /// Features that CPUID shows: bits 31:0 are leaf 1 EDX, 63:32 leaf 1 ECX, 95:64 leaf 8000_0001H
    /// EDX and 127:96 its ECX. What no model has is not named.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u128 {
        /// x87.
        const FPU = 1;
        /// Debugging extensions.
        const DE = 1 << 2;
        /// 4 MiB pages.
        const PSE = 1 << 3;
        /// RDTSC.
        const TSC = 1 << 4;
        /// RDMSR and WRMSR.
        const MSR = 1 << 5;
        /// PAE paging.
        const PAE = 1 << 6;
        /// Machine check exception.
        const MCE = 1 << 7;
        /// CMPXCHG8B.
        const CX8 = 1 << 8;
        /// Local APIC.
        const APIC = 1 << 9;
        /// SYSENTER.
        const SEP = 1 << 11;
        /// Memory type range registers.
        const MTRR = 1 << 12;
        /// Global pages.
        const PGE = 1 << 13;
        /// Machine check architecture.
        const MCA = 1 << 14;
        /// CMOVcc, and with the x87 FCMOVcc and FCOMI.
        const CMOV = 1 << 15;
        /// Page attribute table.
        const PAT = 1 << 16;
        /// 40-bit addresses in 4 MiB pages.
        const PSE36 = 1 << 17;
        /// CLFLUSH.
        const CLFLUSH = 1 << 19;
        /// MMX.
        const MMX = 1 << 23;
        /// FXSAVE.
        const FXSR = 1 << 24;
        /// SSE.
        const SSE = 1 << 25;
        /// SSE2.
        const SSE2 = 1 << 26;
        /// The package has several logical processors. Set by the machine, not by the model.
        const HTT = 1 << 28;
        /// SSE3.
        const SSE3 = 1 << 32;
        /// PCLMULQDQ.
        const PCLMULQDQ = 1 << 33;
        /// SSSE3.
        const SSSE3 = 1 << 41;
        /// CMPXCHG16B.
        const CX16 = 1 << 45;
        /// SSE4.1.
        const SSE4_1 = 1 << 51;
        /// SSE4.2.
        const SSE4_2 = 1 << 52;
        /// x2APIC.
        const X2APIC = 1 << 53;
        /// POPCNT.
        const POPCNT = 1 << 55;
        /// AES.
        const AES = 1 << 57;
        /// SYSCALL in 64-bit mode.
        const SYSCALL = 1 << 75;
        /// Execute disable.
        const NX = 1 << 84;
        /// 1 GiB pages.
        const PAGE_1GIB = 1 << 90;
        /// RDTSCP.
        const RDTSCP = 1 << 91;
        /// Long mode.
        const LM = 1 << 93;
        /// LAHF and SAHF in 64-bit mode.
        const LAHF64 = 1 << 96;
        /// PREFETCHW.
        const PREFETCHW = 1 << 104;
    }
}

/// A cache, as leaf 4 describes it. Lines are 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    level: u32,
    /// 1 data, 2 instruction, 3 unified.
    kind: u32,
    kib: u32,
    ways: u32,
    /// Shared by all cores of the package.
    shared: bool,
}

/// A processor model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuModel {
    /// Its name in machine files.
    pub name: &'static str,
    /// Leaf 1, EAX; also EDX after reset.
    pub signature: u32,
    /// The brand string, at most 47 bytes; empty if the model has none.
    pub brand: &'static str,
    /// What it can do.
    pub features: Features,
    /// Highest basic leaf.
    pub max_leaf: u32,
    /// Highest extended leaf; 0 if there are none.
    pub max_extended_leaf: u32,
    /// The caches, for leaf 4.
    pub caches: &'static [Cache],
    /// The register values of leaf 2.
    pub cache_descriptors: [u32; 4],
    /// Time-stamp counter frequency in Hz. It never changes with power states.
    pub tsc_hz: u64,
    /// Processors of the machine, all cores of one package; at least 1.
    pub cpus: u32,
}

/// What CPUID returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuidResult {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

const fn cache(level: u32, kind: u32, kib: u32, ways: u32, shared: bool) -> Cache {
    Cache { level, kind, kib, ways, shared }
}

const NEHALEM_CACHES: &[Cache] = &[
    cache(1, 1, 32, 8, false),
    cache(1, 2, 32, 4, false),
    cache(2, 3, 256, 8, false),
    cache(3, 3, 8192, 16, true),
];
const WESTMERE_CACHES: &[Cache] = &[
    cache(1, 1, 32, 8, false),
    cache(1, 2, 32, 4, false),
    cache(2, 3, 256, 8, false),
    cache(3, 3, 12288, 16, true),
];
const CORE2_CACHES: &[Cache] =
    &[cache(1, 1, 32, 8, false), cache(1, 2, 32, 8, false), cache(2, 3, 4096, 16, true)];

/// Descriptors: TLBs, 32 KiB L1 caches, 256 KiB L2, 64-byte prefetch, and "see leaf 4".
const NEHALEM_DESCRIPTORS: [u32; 4] = [0x5503_5a01, 0x00f0_b2ff, 0, 0x09ca_212c];
const CORE2_DESCRIPTORS: [u32; 4] = [0x05b0_b101, 0x0056_57f0, 0, 0x2cb4_3049];
const PENTIUM4_DESCRIPTORS: [u32; 4] = [0x665b_5101, 0, 0, 0x007b_7040];
const PENTIUM3_DESCRIPTORS: [u32; 4] = [0x0302_0101, 0, 0, 0x0c04_0882];

const I486: Features = Features::FPU;
const PENTIUM3: Features = I486
    .union(Features::DE)
    .union(Features::PSE)
    .union(Features::TSC)
    .union(Features::MSR)
    .union(Features::PAE)
    .union(Features::MCE)
    .union(Features::CX8)
    .union(Features::APIC)
    .union(Features::SEP)
    .union(Features::MTRR)
    .union(Features::PGE)
    .union(Features::MCA)
    .union(Features::CMOV)
    .union(Features::PAT)
    .union(Features::PSE36)
    .union(Features::MMX)
    .union(Features::FXSR)
    .union(Features::SSE);
const PENTIUM4: Features = PENTIUM3.union(Features::CLFLUSH).union(Features::SSE2);
const CORE2: Features = PENTIUM4
    .union(Features::SSE3)
    .union(Features::SSSE3)
    .union(Features::CX16)
    .union(Features::SYSCALL)
    .union(Features::NX)
    .union(Features::LM)
    .union(Features::LAHF64);
const NEHALEM: Features = CORE2
    .union(Features::SSE4_1)
    .union(Features::SSE4_2)
    .union(Features::POPCNT)
    .union(Features::RDTSCP)
    .union(Features::PREFETCHW)
    .union(Features::X2APIC);
const WESTMERE: Features = NEHALEM.union(Features::PCLMULQDQ).union(Features::AES);

const DEFAULT_TSC_HZ: u64 = 2_500_000_000;

static MODELS: [CpuModel; 6] = [
    CpuModel {
        name: "westmere",
        // Family 6, model 44, stepping 1.
        signature: 0x206c1,
        brand: "Intel(R) Xeon(R) CPU           X5650  @ 2.50GHz",
        features: WESTMERE,
        max_leaf: 0xb,
        max_extended_leaf: 0x8000_0008,
        caches: WESTMERE_CACHES,
        cache_descriptors: NEHALEM_DESCRIPTORS,
        tsc_hz: DEFAULT_TSC_HZ,
        cpus: 1,
    },
    CpuModel {
        name: "nehalem",
        // Family 6, model 26, stepping 5.
        signature: 0x106a5,
        brand: "Intel(R) Core(TM) i7 CPU         920  @ 2.50GHz",
        features: NEHALEM,
        max_leaf: 0xb,
        max_extended_leaf: 0x8000_0008,
        caches: NEHALEM_CACHES,
        cache_descriptors: NEHALEM_DESCRIPTORS,
        tsc_hz: DEFAULT_TSC_HZ,
        cpus: 1,
    },
    CpuModel {
        name: "core2duo",
        // Family 6, model 15, stepping 11.
        signature: 0x6fb,
        brand: "Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.50GHz",
        features: CORE2,
        max_leaf: 0xa,
        max_extended_leaf: 0x8000_0008,
        caches: CORE2_CACHES,
        cache_descriptors: CORE2_DESCRIPTORS,
        tsc_hz: DEFAULT_TSC_HZ,
        cpus: 1,
    },
    CpuModel {
        name: "pentium4",
        // Family 15, model 2, stepping 9.
        signature: 0xf29,
        brand: "Intel(R) Pentium(R) 4 CPU 2.50GHz",
        features: PENTIUM4,
        max_leaf: 2,
        max_extended_leaf: 0x8000_0004,
        caches: &[],
        cache_descriptors: PENTIUM4_DESCRIPTORS,
        tsc_hz: DEFAULT_TSC_HZ,
        cpus: 1,
    },
    CpuModel {
        name: "pentium3",
        // Family 6, model 8, stepping 6.
        signature: 0x686,
        brand: "",
        features: PENTIUM3,
        max_leaf: 2,
        max_extended_leaf: 0,
        caches: &[],
        cache_descriptors: PENTIUM3_DESCRIPTORS,
        tsc_hz: 1_000_000_000,
        cpus: 1,
    },
    CpuModel {
        name: "486",
        // An IntelDX4.
        signature: 0x480,
        brand: "",
        features: I486,
        max_leaf: 1,
        max_extended_leaf: 0,
        caches: &[],
        cache_descriptors: [0; 4],
        tsc_hz: 100_000_000,
        cpus: 1,
    },
];

impl CpuModel {
    /// Names of all models, the default first.
    pub const NAMES: &'static [&'static str] =
        &["westmere", "nehalem", "core2duo", "pentium4", "pentium3", "486"];

    /// The model of this name, for a machine with one processor; set
    /// [`cpus`](Self::cpus) for more.
    pub fn named(name: &str) -> Option<Self> {
        MODELS.iter().find(|model| model.name == name).cloned()
    }

    /// Whether it has all of `features`.
    #[inline]
    pub fn has(&self, features: Features) -> bool {
        self.features.contains(features)
    }

    pub(crate) fn has_1gib_pages(&self) -> bool {
        self.has(Features::PAGE_1GIB)
    }

    /// CR4 bits that can be set.
    pub(crate) fn cr4_bits(&self) -> u64 {
        [
            (Features::TSC, cr4::TSD),
            (Features::DE, cr4::DE),
            (Features::PSE, cr4::PSE),
            (Features::PAE, cr4::PAE),
            (Features::MCE, cr4::MCE),
            (Features::PGE, cr4::PGE),
            (Features::MMX, cr4::PCE),
            (Features::FXSR, cr4::OSFXSR),
            (Features::SSE, cr4::OSXMMEXCPT),
        ]
        .into_iter()
        .filter(|(feature, _)| self.has(*feature))
        .fold(0, |bits, (_, bit)| bits | bit)
    }

    /// Bits of the APIC id that number the cores.
    fn core_bits(&self) -> u32 {
        self.cpus.max(1).next_power_of_two().trailing_zeros()
    }
}

impl Default for CpuModel {
    fn default() -> Self {
        MODELS[0].clone()
    }
}

impl Vcpu {
    /// What CPUID returns for a leaf and subleaf in the current state.
    pub fn cpuid(&self, leaf: u32, subleaf: u32) -> CpuidResult {
        let model = &self.model;
        let leaf = match leaf {
            0x8000_0000.. if leaf <= model.max_extended_leaf => leaf,
            _ if leaf <= model.max_leaf => leaf,
            // Past the end, the highest basic leaf answers.
            _ => model.max_leaf,
        };
        match leaf {
            0 => CpuidResult {
                eax: self.max_basic_leaf(),
                ebx: u32::from_le_bytes(*b"Genu"),
                edx: u32::from_le_bytes(*b"ineI"),
                ecx: u32::from_le_bytes(*b"ntel"),
            },
            1 => self.cpuid_features(),
            2 => {
                let [eax, ebx, ecx, edx] = model.cache_descriptors;
                CpuidResult { eax, ebx, ecx, edx }
            }
            4 => self.cpuid_cache(subleaf),
            // The local APIC's timer never stops.
            6 => CpuidResult { eax: 1 << 2, ..CpuidResult::default() },
            0xb => self.cpuid_topology(subleaf),
            0x8000_0000 => CpuidResult { eax: model.max_extended_leaf, ..CpuidResult::default() },
            0x8000_0001 => {
                let mut edx = (model.features.bits() >> 64) as u32;
                let ecx = (model.features.bits() >> 96) as u32;
                // On Intel's processors SYSCALL shows in 64-bit mode only.
                if self.mode() != Mode::Long64 {
                    edx &= !((Features::SYSCALL.bits() >> 64) as u32);
                }
                if self.msrs.hides_nx() {
                    edx &= !((Features::NX.bits() >> 64) as u32);
                }
                CpuidResult { eax: 0, ebx: 0, ecx, edx }
            }
            0x8000_0002..=0x8000_0004 => brand_part(model.brand, leaf - 0x8000_0002),
            0x8000_0006 => self.cpuid_l2(),
            // Invariant TSC.
            0x8000_0007 => CpuidResult { edx: 1 << 8, ..CpuidResult::default() },
            0x8000_0008 => {
                let linear = if model.has(Features::LM) { 48 } else { 32 };
                CpuidResult { eax: linear << 8 | PHYSICAL_BITS, ..CpuidResult::default() }
            }
            _ => CpuidResult::default(),
        }
    }

    fn max_basic_leaf(&self) -> u32 {
        if self.msrs.limits_cpuid() { self.model.max_leaf.min(3) } else { self.model.max_leaf }
    }

    fn cpuid_features(&self) -> CpuidResult {
        let model = &self.model;
        let mut edx = model.features.bits() as u32;
        let ecx = (model.features.bits() >> 32) as u32;
        if model.cpus > 1 {
            edx |= Features::HTT.bits() as u32;
        }
        if !self.msrs.apic_visible {
            edx &= !(Features::APIC.bits() as u32);
        }
        let clflush = if model.has(Features::CLFLUSH) { 8 << 8 } else { 0 };
        let ids = 1u32 << model.core_bits().min(7);
        let ebx = self.index << 24 | (ids & 0xff) << 16 | clflush;
        CpuidResult { eax: model.signature, ebx, ecx, edx }
    }

    fn cpuid_cache(&self, subleaf: u32) -> CpuidResult {
        let Some(cache) = self.model.caches.get(subleaf as usize) else {
            return CpuidResult::default();
        };
        let cores = (1u32 << self.model.core_bits()) - 1;
        let sharing = if cache.shared { cores } else { 0 };
        let sets = cache.kib * 1024 / (cache.ways * 64);
        CpuidResult {
            eax: cache.kind
                | cache.level << 5
                | 1 << 8
                | (sharing & 0xfff) << 14
                | (cores & 0x3f) << 26,
            ebx: 63 | (cache.ways - 1) << 22,
            ecx: sets - 1,
            // The shared last level is inclusive.
            edx: if cache.level == 3 { 2 } else { 0 },
        }
    }

    fn cpuid_topology(&self, subleaf: u32) -> CpuidResult {
        const LEVEL_THREAD: u32 = 1 << 8;
        const LEVEL_CORE: u32 = 2 << 8;
        let (eax, ebx, kind) = match subleaf {
            0 => (0, 1, LEVEL_THREAD),
            1 => (self.model.core_bits(), self.model.cpus, LEVEL_CORE),
            _ => (0, 0, 0),
        };
        CpuidResult { eax, ebx, ecx: subleaf & 0xff | kind, edx: self.index }
    }

    /// The second-level cache, whose ways are coded in a way of their own.
    fn cpuid_l2(&self) -> CpuidResult {
        let l2 = self.model.caches.iter().find(|cache| cache.level == 2);
        let ecx = l2.map_or(0, |cache| {
            let ways = if cache.ways == 16 { 8 } else { 6 };
            cache.kib << 16 | ways << 12 | 64
        });
        CpuidResult { ecx, ..CpuidResult::default() }
    }
}

/// 16 of the 48 bytes of the brand string.
fn brand_part(brand: &str, part: u32) -> CpuidResult {
    let mut bytes = [0; 48];
    bytes[..brand.len()].copy_from_slice(brand.as_bytes());
    let word = |i: usize| {
        let at = part as usize * 16 + i * 4;
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    CpuidResult { eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(index: u32, cpus: u32, name: &str) -> Vcpu {
        let model = CpuModel { cpus, ..CpuModel::named(name).unwrap() };
        Vcpu::new(index, model)
    }

    #[test]
    fn every_name_is_a_model_and_its_brand_fits() {
        for name in CpuModel::NAMES {
            let model = CpuModel::named(name).unwrap();
            assert_eq!(model.name, *name);
            assert!(model.brand.len() < 48);
        }
        assert_eq!(CpuModel::NAMES.len(), MODELS.len());
        assert_eq!(CpuModel::named("z80"), None);
    }

    #[test]
    fn westmere_is_family_6_model_44() {
        let cpu = cpu(0, 1, "westmere");
        let leaf1 = cpu.cpuid(1, 0);
        assert_eq!((leaf1.eax >> 8 & 0xf, leaf1.eax >> 16 & 0xf, leaf1.eax >> 4 & 0xf), (6, 2, 12));
        // SSE3, PCLMULQDQ, SSSE3, CX16, SSE4.1, SSE4.2, x2APIC, POPCNT, AES and no more.
        assert_eq!(leaf1.ecx, 0x02b8_2203);
        assert_eq!(leaf1.edx & 1 << 28, 0);
        assert_eq!(cpu.cpuid(0x8000_0008, 0).eax, 0x3028);
    }

    #[test]
    fn several_processors_are_cores_of_one_package() {
        let cpu = cpu(2, 3, "westmere");
        let leaf1 = cpu.cpuid(1, 0);
        assert_eq!(leaf1.ebx >> 16, 2 << 8 | 4);
        assert_ne!(leaf1.edx & 1 << 28, 0);
        assert_eq!(cpu.cpuid(4, 0).eax >> 26, 3);
        assert_eq!(cpu.cpuid(4, 3).eax >> 14 & 0xfff, 3);
        let core = cpu.cpuid(0xb, 1);
        assert_eq!((core.eax, core.ebx, core.ecx, core.edx), (2, 3, 0x201, 2));
    }

    #[test]
    fn a_leaf_past_the_end_reads_as_the_highest_basic_one() {
        let cpu = cpu(0, 1, "westmere");
        assert_eq!(cpu.cpuid(0x4000_0000, 0), cpu.cpuid(0xb, 0));
        assert_eq!(cpu.cpuid(0x8000_0009, 1), cpu.cpuid(0xb, 1));
    }
}
