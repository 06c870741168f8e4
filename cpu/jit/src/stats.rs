//! What the backend has done so far.

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
    /// the end of the budget, an instruction after which the processor is to be looked at.
    pub exits: [u64; 4],
    /// Accesses that the inline look into the TLB did not find.
    pub tlb_misses: u64,
    /// Regions translated.
    pub regions: u64,
    /// Instructions in them.
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
