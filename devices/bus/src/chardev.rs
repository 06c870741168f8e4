//! What is behind a serial port, a debug console or any other stream of bytes.

/// Both directions of a byte stream. Input that arrives signals the machine's [`Wake`](crate::Wake).
pub trait CharBackend: Send {
    /// Takes bytes that the guest sent. Never blocks; a back end with no room drops the oldest.
    fn transmit(&mut self, bytes: &[u8]);
    /// The next byte for the guest.
    fn receive(&mut self) -> Option<u8>;
}

/// A stream that leads nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullChar;

impl CharBackend for NullChar {
    fn transmit(&mut self, _bytes: &[u8]) {}
    fn receive(&mut self) -> Option<u8> {
        None
    }
}
