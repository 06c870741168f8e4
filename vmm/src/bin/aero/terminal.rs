//! The terminal as the other end of a serial line.

use std::io::{IsTerminal, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aero_bus::Wake;
use aero_vmm::Console;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Ctrl-A, as in QEMU.
const ESCAPE: u8 = 0x01;

/// Raw mode, as long as it lives.
pub struct RawMode {
    before: Option<Termios>,
}

impl RawMode {
    /// Lets every key go to the guest, if the input is a terminal.
    pub fn enter() -> Self {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Self { before: None };
        }
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            // The program's own lines still end as a terminal wants it.
            raw.output_modes = before.output_modes;
            let _ = tcsetattr(&stdin, OptionalActions::Now, &raw);
        }
        Self { before }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Sends what is typed to the guest, in a thread that ends with the program. The result turns true when
/// the user wants to quit.
pub fn read_keys(console: Console, wake: Arc<Wake>) -> Arc<AtomicBool> {
    let quit = Arc::new(AtomicBool::new(false));
    let wants_quit = quit.clone();
    let is_terminal = std::io::stdin().is_terminal();
    std::thread::spawn(move || {
        let mut escaped = false;
        let mut bytes = [0; 256];
        while let Ok(len) = std::io::stdin().lock().read(&mut bytes) {
            if len == 0 {
                return;
            }
            if !is_terminal {
                console.send(&bytes[..len]);
                continue;
            }
            let mut send = Vec::new();
            for byte in &bytes[..len] {
                match (escaped, byte) {
                    (false, &ESCAPE) => escaped = true,
                    (true, b'x' | b'X') => {
                        wants_quit.store(true, Ordering::Release);
                        wake.signal();
                        return;
                    }
                    (_, byte) => {
                        send.push(*byte);
                        escaped = false;
                    }
                }
            }
            console.send(&send);
        }
    });
    quit
}
