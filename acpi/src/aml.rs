//! What the `acpi_tables` crate leaves out of AML.

use acpi_tables::aml::{self, Path};
use acpi_tables::{Aml, AmlSink};

/// AML that a device brings for a scope of the DSDT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Absolute path of the scope, segments of 4 characters: `\_SB_.PCI0`.
    pub scope: String,
    /// The encoded terms.
    pub aml: Vec<u8>,
}

/// Encoded terms.
#[derive(Default)]
pub(crate) struct Raw(pub Vec<u8>);

impl Aml for Raw {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}

impl Raw {
    pub fn push(&mut self, term: &dyn Aml) {
        term.to_aml_bytes(&mut self.0);
    }
}

/// Terms one after the other.
pub(crate) fn seq(terms: &[&dyn Aml]) -> Raw {
    let mut raw = Raw::default();
    for term in terms {
        raw.push(*term);
    }
    raw
}

pub(crate) fn name(path: &str, value: &dyn Aml) -> aml::Name {
    aml::Name::new(path.into(), value)
}

pub(crate) fn hid(id: &str) -> aml::Name {
    name("_HID", &aml::EISAName::new(id))
}

pub(crate) fn device(path: &str, children: &[&dyn Aml]) -> Raw {
    seq(&[&aml::Device::new(path.into(), children.to_vec())])
}

pub(crate) fn scope(path: &str, children: &[&dyn Aml]) -> Raw {
    seq(&[&aml::Scope::new(path.into(), children.to_vec())])
}

/// A method; serialized, because most here create names.
pub(crate) fn method(path: &str, args: u8, body: &[&dyn Aml]) -> Raw {
    seq(&[&aml::Method::new(path.into(), args, true, body.to_vec())])
}

/// A reference to a name.
pub(crate) fn at(path: &str) -> Path {
    Path::new(path)
}

/// A resource template of encoded descriptors.
pub(crate) fn resources(descriptors: &[&dyn Aml]) -> Raw {
    seq(&[&aml::ResourceTemplate::new(descriptors.to_vec())])
}

/// `len` ports from `base` (section 6.4.2.5).
pub(crate) fn io(base: u16, len: u8) -> aml::IO {
    aml::IO::new(base, base, 1, len)
}

/// IRQNoFlags: an edge-triggered, active-high ISA interrupt (section 6.4.2.1).
pub(crate) struct IrqNoFlags(pub u8);

impl Aml for IrqNoFlags {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.byte(0x22);
        sink.word(1 << self.0);
    }
}

/// DMA channel, 8-bit, not a bus master, compatibility timing (section 6.4.2.2).
pub(crate) struct DmaChannel(pub u8);

impl Aml for DmaChannel {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.byte(0x2a);
        sink.byte(1 << self.0);
        sink.byte(0);
    }
}

/// Extended interrupt descriptor: level-triggered, active high, shared, one of `0` (section 6.4.3.6).
pub(crate) struct SharedInterrupts<'a>(pub &'a [u32]);

impl SharedInterrupts<'_> {
    /// Offset of the first number in a template that starts with the descriptor.
    pub const FIRST_NUMBER: u8 = 5;
}

impl Aml for SharedInterrupts<'_> {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.byte(0x89);
        sink.word(2 + 4 * self.0.len() as u16);
        sink.byte(0b1001); // consumer, level, active high, shared
        sink.byte(self.0.len() as u8);
        for number in self.0 {
            sink.dword(*number);
        }
    }
}

/// A Processor object without a processor block (section 17.5.93).
pub(crate) struct Processor<'a> {
    pub path: &'a str,
    pub id: u8,
}

impl Aml for Processor<'_> {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        let path = seq(&[&at(self.path)]);
        sink.vec(&[0x5b, 0x83]);
        // The package length counts itself; a name, an id and 5 zero bytes fit into one byte of it.
        sink.byte(1 + path.0.len() as u8 + 1 + 5);
        sink.vec(&path.0);
        sink.byte(self.id);
        sink.dword(0);
        sink.byte(0);
    }
}

/// No target: the result is used where it stands.
pub(crate) const NO_TARGET: aml::Zero = aml::ZERO;
