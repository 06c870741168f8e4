//! Interrupt wires. A device holds an [`IrqPin`]; pins join on an [`IrqLine`], wired-OR; the line ends
//! at an [`IrqSink`], an input of an interrupt controller or of a CPU.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The end of a line: an interrupt controller's inputs, a router, a CPU, or a test's recorder.
///
/// Called with no lock of the caller's pin held, possibly while the asserting device is locked; an
/// implementation must not call back into devices.
pub trait IrqSink: Send + Sync {
    /// Input `input` now has this level. Called only at changes.
    fn set_level(&self, input: u32, level: bool);
}

/// A wire to one input of a controller. It is high while any of its pins is asserted.
pub struct IrqLine {
    sink: Arc<dyn IrqSink>,
    input: u32,
    asserted_pins: std::sync::Mutex<u32>,
}

impl IrqLine {
    /// A line that ends at `input` of `sink`, with no pins yet.
    pub fn new(sink: Arc<dyn IrqSink>, input: u32) -> Arc<Self> {
        Arc::new(Self { sink, input, asserted_pins: std::sync::Mutex::new(0) })
    }

    /// A new pin on this line, not asserted.
    pub fn pin(self: &Arc<Self>) -> IrqPin {
        IrqPin { line: Some(self.clone()), asserted: AtomicBool::new(false) }
    }

    /// Whether any pin is asserted.
    pub fn level(&self) -> bool {
        *crate::device::lock(&self.asserted_pins) > 0
    }

    fn change(&self, up: bool) {
        // The lock is held over the call so that the sink sees changes in the order they happened.
        let mut pins = crate::device::lock(&self.asserted_pins);
        if up {
            *pins += 1;
            if *pins == 1 {
                self.sink.set_level(self.input, true);
            }
        } else {
            *pins -= 1;
            if *pins == 0 {
                self.sink.set_level(self.input, false);
            }
        }
    }
}

/// A device's end of an interrupt wire.
pub struct IrqPin {
    line: Option<Arc<IrqLine>>,
    asserted: AtomicBool,
}

impl IrqPin {
    /// A pin that is wired to nothing.
    pub fn unconnected() -> Self {
        Self { line: None, asserted: AtomicBool::new(false) }
    }

    /// Drives the pin active. Asserting an asserted pin changes nothing.
    pub fn assert(&self) {
        self.set(true);
    }

    /// Releases the pin.
    pub fn deassert(&self) {
        self.set(false);
    }

    /// Drives the pin to `level`.
    pub fn set(&self, level: bool) {
        if self.asserted.swap(level, Ordering::AcqRel) != level
            && let Some(line) = &self.line
        {
            line.change(level);
        }
    }

    /// An edge: active and released again. A pin that is already asserted gives no edge.
    pub fn pulse(&self) {
        if !self.is_asserted() {
            self.assert();
            self.deassert();
        }
    }

    /// Whether this pin is driven active.
    pub fn is_asserted(&self) -> bool {
        self.asserted.load(Ordering::Acquire)
    }

    /// After a restore: takes over the saved level. The controller's own saved state already holds
    /// whatever edge there was, so it must take a repeated level for what it is.
    pub fn import_state(&self, asserted: bool) {
        self.set(asserted);
    }
}

impl Drop for IrqPin {
    fn drop(&mut self) {
        self.deassert();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<(u32, bool)>>);
    impl IrqSink for Recorder {
        fn set_level(&self, input: u32, level: bool) {
            self.0.lock().unwrap().push((input, level));
        }
    }

    #[test]
    fn shared_line_is_wired_or() {
        let sink = Arc::new(Recorder::default());
        let line = IrqLine::new(sink.clone(), 11);
        let (a, b) = (line.pin(), line.pin());
        a.assert();
        a.assert();
        b.assert();
        a.deassert();
        assert!(line.level());
        b.deassert();
        assert_eq!(*sink.0.lock().unwrap(), [(11, true), (11, false)]);
    }

    #[test]
    fn pulse_is_one_edge_and_a_dropped_pin_lets_go() {
        let sink = Arc::new(Recorder::default());
        let line = IrqLine::new(sink.clone(), 1);
        let pin = line.pin();
        pin.pulse();
        pin.assert();
        pin.pulse();
        drop(pin);
        assert_eq!(*sink.0.lock().unwrap(), [(1, true), (1, false), (1, true), (1, false)]);
    }
}
