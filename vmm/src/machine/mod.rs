//! The machine: built from a machine file, run in slices, saved and restored.

mod backend;
mod board;
mod chipset;
mod firmware;
mod interrupts;
mod processors;
mod report;
mod run;
mod snapshot;
mod snapshot_file;
mod stats;
mod time;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aero_bus::display::{Frame, Scanout};
use aero_bus::{Clock, GuestRam, HostTime, PowerRequest, Wake};
use aero_jit::CodeHost;

pub use board::{Board, DeviceInfo, Fault};
pub(crate) use board::{BootMedium, Display};
pub use run::{Ending, Step};
pub use snapshot_file::SnapshotFileError;
pub use stats::Stats;

use crate::config::{ConfigError, MachineConfig, OnTripleFault};
use crate::console::Console;
use crate::disk::Disk;
use crate::resources::Resources;
use board::Node;
use processors::{Processors, Surface};
use time::GuestTime;

/// Makes what runs generated code, for a machine with this memory.
pub type MakeCodeHost = Box<dyn FnOnce(&GuestRam) -> Box<dyn CodeHost>>;

/// What the program that runs a machine gives it.
pub struct Host {
    /// The clock of a machine that runs in real time.
    pub time: Arc<dyn HostTime>,
    /// Seconds since 1970-01-01T00:00:00Z: what the real-time clock shows at power-on if the machine
    /// file does not say.
    pub unix_seconds: i64,
    /// Whether disks may have threads of their own.
    pub threads: bool,
    /// What runs generated code, if not this program's own engine: WebAssembly in a page.
    pub code_host: Option<MakeCodeHost>,
}

/// A whole PC.
pub struct Machine {
    clock: Clock,
    surface: Surface,
    processors: Processors,
    time: GuestTime,
    nodes: Vec<Node>,
    local_apics: aero_apic::LocalApics,
    infos: Vec<DeviceInfo>,
    pci: aero_pci::PciBus,
    host_time: Arc<dyn HostTime>,
    serials: Vec<Console>,
    debug_consoles: Vec<Console>,
    display: Option<Arc<Mutex<dyn Scanout + Send>>>,
    ps2: Option<Arc<Mutex<aero_ps2::Ps2>>>,
    power_button: Arc<Mutex<aero_acpi_pm::AcpiPm>>,
    drives: Vec<(String, Disk)>,
    on_triple_fault: OnTripleFault,
    warned_of_overdue: bool,
    counts: stats::Counts,
}

/// Locks, also after a panic in another thread: the panic is reported where it happened.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// Builds the machine that a machine file describes. `name` is what messages call the file, `sets`
    /// are `key=value` arguments laid over it.
    pub fn from_toml(
        name: &str,
        text: &str,
        sets: &[String],
        files: &mut dyn Resources,
        host: Host,
    ) -> Result<Self, ConfigError> {
        let config = MachineConfig::parse(name, text, sets)?;
        Self::build(&config, files, host)
    }

    /// Builds a machine. It stands at power-on.
    pub fn build(
        config: &MachineConfig,
        files: &mut dyn Resources,
        host: Host,
    ) -> Result<Self, ConfigError> {
        chipset::build(config, files, host)
    }

    /// The serial ports, in the order of the machine file.
    pub fn serials(&self) -> &[Console] {
        &self.serials
    }

    /// The debug consoles, in the order of the machine file.
    pub fn debug_consoles(&self) -> &[Console] {
        &self.debug_consoles
    }

    /// What wakes a halted machine. A program that calls [`run_slice`](Self::run_slice) sleeps on it.
    pub fn wake(&self) -> &Arc<Wake> {
        &self.surface.wake
    }

    /// Guest time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Instructions retired by all processors since power-on.
    pub fn retired(&self) -> u64 {
        self.time.retired
    }

    /// Whether the run depends on nothing but the machine file and what is sent to the guest.
    pub fn is_deterministic(&self) -> bool {
        self.time.is_deterministic()
    }

    /// Draws the screen. Returns whether anything changed since the last call with this frame; `false`
    /// also if there is no display adapter.
    pub fn screenshot(&self, frame: &mut Frame) -> bool {
        self.display.as_ref().is_some_and(|display| lock(display).render(frame))
    }

    /// The characters on the screen while it is in a text mode.
    pub fn screen_text(&self) -> Option<String> {
        lock(self.display.as_ref()?).text()
    }

    /// The keyboard and the mouse, if the machine has them. To be used between slices.
    pub fn with_ps2<T>(&self, act: impl FnOnce(&mut aero_ps2::Ps2) -> T) -> Option<T> {
        let result = self.ps2.as_ref().map(|ps2| act(&mut lock(ps2)));
        self.surface.wake.signal();
        result
    }

    /// The user presses the power button.
    pub fn press_power_button(&self) {
        lock(&self.power_button).press_power_button();
        self.surface.wake.signal();
    }

    /// The user presses the reset button.
    pub fn press_reset(&self) {
        self.surface.power.request(PowerRequest::Reset);
    }

    /// The drives by name.
    pub fn drives(&self) -> impl Iterator<Item = (&str, &Disk)> {
        self.drives.iter().map(|(name, disk)| (name.as_str(), disk))
    }

    /// Lets a real-time clock run on. The machine is paused at first.
    pub fn resume(&self) {
        self.clock.resume();
    }

    /// Stops a real-time clock.
    pub fn pause(&self) {
        self.clock.pause();
    }

    /// Everything back to power-on; disks and the battery-backed clock keep what they hold.
    pub fn reset(&mut self) {
        for node in &self.nodes {
            lock(&node.device).reset();
        }
        let now = self.clock.now();
        self.processors.reset(now);
        self.local_apics.set_tsc_base(now);
    }
}
