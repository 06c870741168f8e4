//! What the backend has done so far.

use std::collections::BTreeMap;

use aero_cpu::Statistic;

/// Counters since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Instructions that the interpreter executed on its own.
    pub interpreted: u64,
    /// Instructions that generated code executed, those included that it had the interpreter execute.
    pub translated: u64,
    /// Of those, the ones that the interpreter executed.
    pub assisted: u64,
    /// Entries into generated code from outside.
    pub entries: u64,
    /// Exits by reason: code that is not translated, an instruction for the interpreter, a signal or
    /// the end of the budget, an instruction after which the processor is to be looked at, and one for
    /// the interpreter after an STI.
    pub exits: [u64; 5],
    /// Accesses that the inline look into the TLB did not find.
    pub tlb_misses: u64,
    /// Regions translated.
    pub regions: u64,
    /// Of those, the ones made in one piece because they take much of the time.
    pub optimized: u64,
    /// Instructions in all regions.
    pub region_instructions: u64,
    /// Regions that were given up because their code was written to.
    pub invalidations: u64,
    /// Regions that were given up to make room.
    pub evictions: u64,
    /// Regions that there are.
    pub live_regions: u64,
    /// Bytes of their modules.
    pub code_bytes: u64,
}

impl Stats {
    /// As [`CpuBackend::statistics`](aero_cpu::CpuBackend::statistics) has them.
    pub fn named(&self) -> BTreeMap<&'static str, Statistic> {
        let [elsewhere, interpret, pause, look, held] = self.exits;
        let group =
            |entries: &[(&'static str, u64)]| Statistic::Group(entries.iter().copied().collect());
        BTreeMap::from([
            (
                "instructions",
                group(&[
                    ("interpreted", self.interpreted),
                    ("translated", self.translated - self.assisted),
                    ("assisted", self.assisted),
                ]),
            ),
            (
                "exits",
                group(&[
                    ("elsewhere", elsewhere),
                    ("interpret", interpret + held),
                    ("pause", pause),
                    ("look", look),
                ]),
            ),
            ("entries", Statistic::Count(self.entries)),
            ("tlb_misses", Statistic::Count(self.tlb_misses)),
            ("regions", Statistic::Count(self.regions)),
            ("optimized", Statistic::Count(self.optimized)),
            ("region_instructions", Statistic::Count(self.region_instructions)),
            ("invalidations", Statistic::Count(self.invalidations)),
            ("evictions", Statistic::Count(self.evictions)),
            ("modules", Statistic::Count(self.live_regions)),
            ("code_bytes", Statistic::Count(self.code_bytes)),
        ])
    }
}
