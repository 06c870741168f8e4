//! The ports between the stubs in ROM and the firmware device.
//!
//! A stub writes the frame it has pushed, eleven doublewords, to the first eleven registers, writes
//! [`COMMAND`], reads the status from it, and on [`Status::Done`] reads the frame back. With
//! [`Status::Poll`] and [`Status::Halt`] it lets interrupts in for a moment and starts again with the
//! same frame. [`Status::Give`] and [`Status::Take`] move bytes between the guest's memory and
//! [`DATA`], for the VGA BIOS: whoever runs it may not see memory where it is.

/// First port. Nothing of a PC lies here.
pub const PORT_BASE: u16 = 0x0a00;
/// Ports taken.
pub const PORT_COUNT: u16 = 0x40;

/// Doublewords in a frame.
pub(crate) const FRAME_WORDS: u16 = 11;
/// Offset: write to start the service, read the status: [`Status`] in bits 7:0, the number of bytes to
/// move in bits 31:16. 32 bits.
pub(crate) const COMMAND: u16 = 0x2c;
/// Offset: where the bytes are to be moved from or to, offset in bits 15:0, segment in bits 31:16.
/// 32 bits, read-only.
pub(crate) const ADDRESS: u16 = 0x30;
/// Offset: the bytes, one an access.
pub(crate) const DATA: u16 = 0x34;

/// What the stub is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Load the frame and return.
    Done = 0,
    /// Ask again soon.
    Poll = 1,
    /// Ask again after an interrupt.
    Halt = 2,
    /// Read bytes from [`DATA`] into memory, then read the status again.
    Give = 3,
    /// Write bytes from memory to [`DATA`], then read the status again.
    Take = 4,
}
