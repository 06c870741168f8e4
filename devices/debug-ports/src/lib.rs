//! The small ports of a PC's debuggers and of its reset logic, a device each: debug consoles,
//! isa-debug-exit, the POST code port, port 92h and the reset control register; and the device that
//! kvm-unit-tests ask for.

mod console;
mod exit;
mod port92;
mod post;
mod reset;
mod test_device;

pub use console::DebugConsole;
pub use exit::DebugExit;
pub use port92::Port92;
pub use post::PostCode;
pub use reset::ResetControl;
pub use test_device::TestDevice;
