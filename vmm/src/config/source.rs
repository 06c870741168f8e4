//! The text of a machine file with what `--set` lays over it, and where in it an error is.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// One line about what is wrong, where, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// `file:line`, or the `--set` argument; empty when the error has no place in the file.
    pub place: String,
    /// What is wrong and what is allowed, in one line.
    pub message: String,
}

impl ConfigError {
    /// An error at a place.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        let message: String = message.into();
        // Messages of libraries may be of several lines; users and scripts get one.
        let lines: Vec<&str> = message.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        Self { place: place.into(), message: lines.join("; ") }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.place, self.message)
        }
    }
}

/// A text that is part of the machine's description, with as many spaces before it as all earlier
/// parts are long: so a span tells the part, too.
struct Part {
    start: usize,
    padded: String,
    name: String,
    /// A place in it has a line number.
    has_lines: bool,
}

/// The key under which a `--set` value is parsed.
const SET_KEY: &str = "x";

/// Everything that describes one machine, for turning spans into places.
pub(crate) struct Source {
    parts: Vec<Part>,
}

/// Positions of the parts before the `--set` arguments.
const FILE: usize = 0;
const DEFAULTS: usize = 1;
const FIRST_SET: usize = 2;

impl Source {
    /// The machine file, which errors call `name`, the default device list, and `--set` arguments.
    pub fn new(name: &str, text: &str, defaults: &str, sets: &[String]) -> Self {
        let mut source = Self { parts: Vec::new() };
        source.add(name.to_owned(), text, true);
        source.add("default devices".to_owned(), defaults, true);
        for set in sets {
            let value = set.split_once('=').map_or("", |(_, value)| value);
            source.add(format!("--set {set}"), &format!("{SET_KEY}={value}"), false);
        }
        source
    }

    fn add(&mut self, name: String, text: &str, has_lines: bool) {
        // A byte apart, so that a span at a part's end is not at the next one's start.
        let start = self.parts.last().map_or(0, |p| p.padded.len() + 1);
        let padded = format!("{:start$}{text}", "");
        self.parts.push(Part { start, padded, name, has_lines });
    }

    /// The place of a span for messages.
    pub fn place(&self, span: Option<Range<usize>>) -> String {
        let at = span.map_or(0, |s| s.start);
        let Some(part) = self.parts.iter().rev().find(|p| p.start <= at) else {
            return String::new();
        };
        if !part.has_lines {
            return part.name.clone();
        }
        let end = at.min(part.padded.len());
        let line = 1 + part.padded.as_bytes()[..end].iter().filter(|b| **b == b'\n').count();
        format!("{}:{line}", part.name)
    }

    /// An error of the TOML library with its place.
    pub fn error(&self, error: &toml::de::Error) -> ConfigError {
        ConfigError::new(self.place(error.span()), error.message())
    }

    fn parse(&self, part: usize) -> Result<Spanned<DeTable<'_>>, ConfigError> {
        DeTable::parse(&self.parts[part].padded).map_err(|e| self.error(&e))
    }

    /// The whole description as one table: the file, the default devices if it lists none, and over
    /// them the `--set` arguments in their order.
    pub fn table(&self) -> Result<Spanned<DeTable<'_>>, ConfigError> {
        let mut root = self.parse(FILE)?;
        if !root.get_ref().contains_key(super::DEVICE_KEY) {
            for (key, value) in self.parse(DEFAULTS)?.into_inner() {
                root.get_mut().insert(key, value);
            }
        }
        for part in FIRST_SET..self.parts.len() {
            self.apply_set(root.get_mut(), part)?;
        }
        Ok(root)
    }

    /// Lays one `--set key=value` over the table. The value is TOML; what is no TOML value is taken
    /// as a string, so that paths and sizes need no quotes.
    fn apply_set<'a>(&'a self, root: &mut DeTable<'a>, part: usize) -> Result<(), ConfigError> {
        let Part { start, padded, name, .. } = &self.parts[part];
        let argument = name.trim_start_matches("--set ");
        let Some((key, text)) = argument.split_once('=') else {
            return Err(ConfigError::new(name, "give key=value, as in cpu.count=2"));
        };
        let span = *start..padded.len();
        let parsed = DeTable::parse(padded)
            .ok()
            .filter(|table| table.get_ref().len() == 1)
            .and_then(|table| table.into_inner().remove(SET_KEY));
        let value = parsed.unwrap_or_else(|| {
            Spanned::new(span.clone(), DeValue::String(Cow::Owned(text.trim().to_owned())))
        });
        let keys: Vec<&str> = key.trim().split('.').collect();
        set_in_table(root, &keys, value, &span).map_err(|m| ConfigError::new(name, m))
    }
}

fn set_in_table<'a>(
    table: &mut DeTable<'a>,
    keys: &[&str],
    value: Spanned<DeValue<'a>>,
    span: &Range<usize>,
) -> Result<(), String> {
    let [key, rest @ ..] = keys else { unreachable!("split gives at least one part") };
    if key.is_empty() {
        return Err("a part of the key is empty".to_owned());
    }
    let spanned_key = || Spanned::new(span.clone(), Cow::Owned((*key).to_owned()));
    if rest.is_empty() {
        table.remove(*key);
        table.insert(spanned_key(), value);
        return Ok(());
    }
    if !table.contains_key(*key) {
        // `a.0.b` makes a list, `a.b` a table.
        let empty = if rest[0].parse::<usize>().is_ok() {
            DeValue::Array(DeArray::new())
        } else {
            DeValue::Table(DeTable::new())
        };
        table.insert(spanned_key(), Spanned::new(span.clone(), empty));
    }
    let entry = table.get_mut(*key).ok_or("the key cannot be set")?;
    set_in_value(entry.get_mut(), key, rest, value, span)
}

fn set_in_value<'a>(
    at: &mut DeValue<'a>,
    name: &str,
    keys: &[&str],
    value: Spanned<DeValue<'a>>,
    span: &Range<usize>,
) -> Result<(), String> {
    match at {
        DeValue::Table(table) => set_in_table(table, keys, value, span),
        DeValue::Array(array) => {
            let index: usize = keys[0].parse().map_err(|_| {
                format!("{name} is a list: give an index from 0 to {}", array.len())
            })?;
            if index > array.len() {
                return Err(format!(
                    "{name} has {} entries: give an index from 0 to {}",
                    array.len(),
                    array.len()
                ));
            }
            if keys.len() == 1 {
                if index == array.len() {
                    array.push(value);
                } else {
                    array.as_mut()[index] = value;
                }
                return Ok(());
            }
            if index == array.len() {
                array.push(Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
            }
            set_in_value(array.as_mut()[index].get_mut(), keys[0], &keys[1..], value, span)
        }
        _ => Err(format!("{name} is neither a table nor a list")),
    }
}
