//! The resolved machine as text, for `aero check`.

use std::fmt::Write;

use aero_bus::pci::BarKind;

use super::{DeviceInfo, Machine};
use crate::config::Size;

impl Machine {
    /// Every device with where it is connected.
    pub fn devices(&self) -> &[DeviceInfo] {
        &self.infos
    }

    /// The resolved machine: every device with its PCI address, ports, memory and interrupt.
    pub fn report(&self) -> String {
        let mut text = String::new();
        let memory = self.surface.memory.ram();
        let _ = writeln!(
            text,
            "machine: q35, {} of memory, {} processor(s) of model {}, {} clock",
            Size(memory.len()),
            self.processors.all.len(),
            self.processors.all[0].cpu.model.name,
            if self.is_deterministic() { "deterministic" } else { "real-time" },
        );
        let functions = self.pci.functions();
        for info in &self.infos {
            let _ = write!(text, "{}", info.name);
            if let Some(address) = info.pci {
                let _ = write!(text, " at PCI {address}");
                if let Some(f) = functions.iter().find(|f| f.address == address) {
                    let _ = write!(text, " [{:04x}:{:04x}]", f.vendor, f.device);
                }
            }
            text.push('\n');
            for ports in &info.ports {
                let _ = writeln!(text, "  ports {:#06x}-{:#06x}", ports.start(), ports.end());
            }
            for range in &info.memory {
                let _ = writeln!(text, "  memory {:#010x}-{:#010x}", range.start(), range.end());
            }
            let function = functions.iter().find(|f| Some(f.address) == info.pci);
            for bar in function.iter().flat_map(|f| &f.bars) {
                let kind = match bar.kind {
                    BarKind::Io => "ports",
                    BarKind::Memory32 { .. } => "memory",
                    BarKind::Memory64 { .. } => "64-bit memory",
                };
                let len = Size(bar.len);
                let _ = writeln!(text, "  BAR{}: {len} of {kind}, placed by firmware", bar.index);
            }
            for interrupt in &info.interrupts {
                let _ = writeln!(text, "  {interrupt}");
            }
            for note in &info.notes {
                let _ = writeln!(text, "  {note}");
            }
        }
        text
    }
}
