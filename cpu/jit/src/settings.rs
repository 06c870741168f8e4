//! What can be chosen about the backend.

/// When code is translated, and how much of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often a block is interpreted before the region round it is translated.
    pub threshold: u32,
    /// Bytes of WebAssembly that are kept at most; the oldest regions go first.
    pub code_bytes: u64,
    /// Code in a page whose code was rewritten n times has to be hot 2ⁿ times before it is translated
    /// again; n counts up to this.
    pub rewrites: u32,
    /// Whether modules are made on a thread of their own, if the host has one.
    pub background: bool,
    /// Whether everything is translated as if it took much of the time: for tests.
    pub optimized: bool,
    /// Whether it is a panic when generated code cannot be run, rather than a line in the log and the
    /// interpreter: for tests, which would pass without it.
    pub required: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: 200,
            code_bytes: 64 << 20,
            rewrites: 10,
            background: true,
            optimized: false,
            required: false,
        }
    }
}

impl Settings {
    /// Everything is translated before it is executed, however often it is rewritten: for tests.
    pub fn eager() -> Self {
        Self { threshold: 1, rewrites: 0, background: false, required: true, ..Self::default() }
    }
}
