//! What a test file's head says.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// The general registers in encoding order, by their width in bits.
const REGISTERS: [(u32, [&str; 16]); 3] = [
    (
        64,
        [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
            "r12", "r13", "r14", "r15",
        ],
    ),
    (
        32,
        [
            "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d",
            "r12d", "r13d", "r14d", "r15d",
        ],
    ),
    (
        16,
        [
            "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w",
            "r13w", "r14w", "r15w",
        ],
    ),
];

/// Something that can be looked at when a test has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A general register and how many of its low bits.
    Register(usize, u32),
    /// Bits 15:8 of a general register.
    HighByte(usize),
    /// Anything else of the processor, by name.
    State(&'static str),
    /// Memory at the physical address of the expression with this number; bytes.
    Memory(usize, u32),
    /// Instructions from the first write to the mark port to the second.
    Count,
}

/// The names of [`Target::State`].
pub const STATE: &[&str] = &[
    "rip",
    "flags",
    "cpl",
    "cs",
    "ss",
    "ds",
    "es",
    "fs",
    "gs",
    "cs.base",
    "ss.base",
    "ds.base",
    "es.base",
    "fs.base",
    "gs.base",
    "cs.limit",
    "ss.limit",
    "ds.limit",
    "ldtr",
    "tr",
    "cr0",
    "cr2",
    "cr3",
    "cr4",
    "cr8",
    "efer",
    "dr6",
    "dr7",
    "gdtr.base",
    "gdtr.limit",
    "idtr.base",
    "idtr.limit",
    "mxcsr",
    "fpu.control",
    "fpu.status",
    "fpu.tags",
    "star",
    "fmask",
    "tsc_aux",
];

/// One comparison.
#[derive(Debug)]
pub struct Check {
    /// The line's text, for messages.
    pub text: String,
    /// What is looked at.
    pub target: Target,
    /// The expression of the bits that count.
    pub mask: Option<usize>,
    /// The expected value's expression.
    pub value: usize,
}

/// The fields of an event that a file may name, in the order of the log in memory.
pub const FIELDS: &[&str] = &["vector", "code", "rip", "cs", "flags", "sp", "ss", "cr2"];

/// An interrupt or exception that must have been taken.
#[derive(Debug)]
pub struct ExpectedEvent {
    /// The line's text.
    pub text: String,
    /// Vector.
    pub vector: u64,
    /// The expression of the error code, if one is pushed.
    pub code: Option<usize>,
    /// Index into [`FIELDS`], mask and value expressions.
    pub fields: Vec<(usize, Option<usize>, usize)>,
}

/// How a test ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A write to the end port, or a HLT that nothing ends.
    Halted,
    /// A triple fault.
    Shutdown,
}

/// A test file.
#[derive(Debug)]
pub struct TestFile {
    /// Folder and name, without the ending.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Processor model.
    pub model: String,
    /// The mode, and definitions that go with it.
    pub defines: Vec<(String, String)>,
    /// How it ends.
    pub end: End,
    /// Comparisons.
    pub checks: Vec<Check>,
    /// The events, in order.
    pub events: Vec<ExpectedEvent>,
    /// Expressions for the assembler to compute.
    pub expressions: Vec<String>,
}

/// The vector of an event's name: `#GP`, or a number.
fn vector_of(name: &str) -> Result<u64> {
    const NAMES: [(&str, u64); 18] = [
        ("#DE", 0),
        ("#DB", 1),
        ("NMI", 2),
        ("#BP", 3),
        ("#OF", 4),
        ("#BR", 5),
        ("#UD", 6),
        ("#NM", 7),
        ("#DF", 8),
        ("#TS", 10),
        ("#NP", 11),
        ("#SS", 12),
        ("#GP", 13),
        ("#PF", 14),
        ("#MF", 16),
        ("#AC", 17),
        ("#MC", 18),
        ("#XM", 19),
    ];
    if let Some((_, vector)) = NAMES.iter().find(|(n, _)| *n == name) {
        return Ok(*vector);
    }
    let digits = name.strip_prefix("0x").context("an event is #XX, NMI or 0xNN")?;
    u64::from_str_radix(digits, 16).context("an event is #XX, NMI or 0xNN")
}

impl TestFile {
    /// Reads the head of the file at `path`.
    pub fn read(name: String, path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let mut file = Self {
            name,
            path: path.to_path_buf(),
            model: "westmere".into(),
            defines: Vec::new(),
            end: End::Halted,
            checks: Vec::new(),
            events: Vec::new(),
            expressions: Vec::new(),
        };
        for (number, line) in text.lines().enumerate() {
            if let Some(directive) = line.strip_prefix(";!") {
                file.directive(directive.trim())
                    .with_context(|| format!("{}:{}: {line}", path.display(), number + 1))?;
            }
        }
        ensure!(!file.defines.is_empty(), "{}: there is no \";! mode\"", path.display());
        let comment = text.lines().next().unwrap_or_default();
        ensure!(
            comment.starts_with("; "),
            "{}: the first line is a comment that says what is promised",
            path.display()
        );
        Ok(file)
    }

    fn expression(&mut self, text: &str) -> usize {
        self.expressions.push(text.trim().to_owned());
        self.expressions.len() - 1
    }

    fn directive(&mut self, text: &str) -> Result<()> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "mode" => {
                let mut words = rest.split_whitespace();
                let mode = words.next().context("which mode?")?;
                self.defines.push((format!("MODE_{}", mode.to_uppercase()), String::new()));
                for word in words {
                    let (key, value) = word.split_once('=').context("options are key=value")?;
                    self.defines.push((key.to_uppercase(), value.to_owned()));
                }
            }
            "cpu" => rest.clone_into(&mut self.model),
            "end" => {
                self.end = match rest {
                    "halted" => End::Halted,
                    "shutdown" => End::Shutdown,
                    _ => bail!("a test ends halted or shutdown"),
                }
            }
            "event" => self.event(rest)?,
            _ => self.check(text)?,
        }
        Ok(())
    }

    fn event(&mut self, text: &str) -> Result<()> {
        let (name, rest) = text.split_at(text.find([' ', '(']).unwrap_or(text.len()));
        // An error code may have spaces.
        let (code, rest) = match rest.strip_prefix('(') {
            Some(rest) => {
                let (code, rest) =
                    rest.split_once(") ").unwrap_or((rest.trim_end_matches(')'), ""));
                (Some(self.expression(code)), rest)
            }
            None => (None, rest),
        };
        let words = rest.split_whitespace();
        let vector = vector_of(name)?;
        let mut fields = Vec::new();
        for word in words {
            let (name, value) = word.split_once('=').context("fields are name=value")?;
            let (name, mask) = match name.split_once('&') {
                Some((name, mask)) => (name, Some(self.expression(mask))),
                None => (name, None),
            };
            let field = FIELDS
                .iter()
                .position(|f| *f == name)
                .with_context(|| format!("fields are {}", FIELDS.join(", ")))?;
            fields.push((field, mask, self.expression(value)));
        }
        self.events.push(ExpectedEvent { text: text.to_owned(), vector, code, fields });
        Ok(())
    }

    fn check(&mut self, text: &str) -> Result<()> {
        let (left, value) = text.split_once(" = ").context("this is no directive I know")?;
        let (target, mask) = match left.split_once(" & ") {
            Some((target, mask)) => (target, Some(self.expression(mask))),
            None => (left, None),
        };
        let target = self.target(target.trim())?;
        let value = self.expression(value);
        self.checks.push(Check { text: text.to_owned(), target, mask, value });
        Ok(())
    }

    fn target(&mut self, text: &str) -> Result<Target> {
        for (bits, names) in REGISTERS {
            if let Some(n) = names.iter().position(|name| *name == text) {
                return Ok(Target::Register(n, bits));
            }
        }
        if let Some(n) = ["al", "cl", "dl", "bl"].iter().position(|name| *name == text) {
            return Ok(Target::Register(n, 8));
        }
        if let Some(n) = ["ah", "ch", "dh", "bh"].iter().position(|name| *name == text) {
            return Ok(Target::HighByte(n));
        }
        if let Some(name) = STATE.iter().find(|name| **name == text) {
            return Ok(Target::State(name));
        }
        if text == "count" {
            return Ok(Target::Count);
        }
        for (word, bytes) in [("byte", 1), ("word", 2), ("dword", 4), ("qword", 8)] {
            if let Some(rest) = text.strip_prefix(word) {
                let address = rest.trim().strip_prefix('[').and_then(|r| r.strip_suffix(']'));
                let address = address.context("memory is written byte [address]")?;
                return Ok(Target::Memory(self.expression(address), bytes));
            }
        }
        bail!("there is no {text:?} to look at")
    }
}
