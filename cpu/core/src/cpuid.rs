//! Processor models and their CPUID.

/// A processor model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuModel {
    /// Its name in machine files.
    pub name: &'static str,
    /// Leaf 1, EAX; also EDX after reset.
    pub signature: u32,
    /// Time-stamp counter frequency in Hz.
    pub tsc_hz: u64,
    /// Processors of the machine, all cores of one package.
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

impl CpuModel {
    /// Names of all models, the default first.
    pub const NAMES: &'static [&'static str] = &["westmere"];

    /// The model of this name.
    pub fn named(name: &str) -> Option<Self> {
        (name == "westmere").then_some(Self {
            name: "westmere",
            signature: 0x206c1,
            tsc_hz: 2_500_000_000,
            cpus: 1,
        })
    }
}
