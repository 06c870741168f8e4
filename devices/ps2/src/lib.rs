//! 8042 keyboard controller with a keyboard and a mouse (IBM PS/2 hardware reference, keyboard and
//! auxiliary device controller).
//!
//! Timing: a command of the controller, and the devices' answers while nothing else is under way,
//! are there at once. After the system has read a byte of a device, the next one comes
//! [`BYTE_NANOS`] later, as long as eleven bits take on the wire. So a driver that reads twice gets
//! the same byte twice and not half of the next code, each byte is an interrupt of its own, and a
//! driver that flushes the buffer ends; Windows and Linux both rely on one of these.

mod controller;
mod keyboard;
mod keys;
mod mouse;
#[cfg(test)]
mod tests;
mod translate;

pub use controller::{BYTE_NANOS, Ps2};
pub use keyboard::Leds;
pub use keys::KeyCode;
pub use mouse::MouseButtons;
