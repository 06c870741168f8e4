//! Interrupts as messages: PCI MSI and MSI-X, the HPET's FSB delivery and the IO-APIC all end in a
//! write of `data` to `address` in the local APICs' range.

/// A message-signalled interrupt as it goes over the bus (Intel SDM volume 3, 11.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiMessage {
    /// `0xFEEx_xxxx`: destination id, redirection hint and destination mode.
    pub address: u64,
    /// Vector, delivery mode, level and trigger mode.
    pub data: u32,
}

/// Where messages go: the local APICs, or a test's recorder.
pub trait MsiSink: Send + Sync {
    /// Delivers one message. An address outside the APIC range is dropped with a log line.
    fn send(&self, message: MsiMessage);
}
