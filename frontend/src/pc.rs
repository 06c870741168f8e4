//! A machine, as the worker drives it.

use std::sync::Arc;

use aero_bus::HostTime;
use aero_bus::display::Frame;
use aero_ps2::{KeyCode, MouseButtons};
use aero_vmm::{Ending, Host, Machine, Step};
use wasm_bindgen::prelude::*;

use crate::code_host::PageCodeHost;
use crate::console;
use crate::files::PageFiles;
use crate::pace::Pace;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the page's time origin.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub fn performance_now() -> f64;
}

/// How long a machine with nothing to wait for sleeps, in milliseconds.
const LONG_SLEEP: f64 = 1000.0;

struct BrowserTime;

impl HostTime for BrowserTime {
    fn now(&self) -> u64 {
        (performance_now() * 1e6) as u64
    }
}

/// A PC.
#[wasm_bindgen]
pub struct Pc {
    machine: Machine,
    frame: Frame,
    pace: Pace,
    off: bool,
}

/// A picture of the screen.
#[wasm_bindgen]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    pixels: js_sys::Uint8ClampedArray,
}

#[wasm_bindgen]
impl Picture {
    /// Four bytes a pixel: red, green, blue, 255.
    #[wasm_bindgen(getter)]
    pub fn pixels(&self) -> js_sys::Uint8ClampedArray {
        self.pixels.clone()
    }
}

/// An error for JavaScript.
pub fn failed(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

#[wasm_bindgen]
impl Pc {
    /// Builds the machine of a machine file, which stands at power-on. `sets` are values laid over it,
    /// each as `key=value`; `find` gives the store of a file's name.
    #[wasm_bindgen(constructor)]
    pub fn new(
        machine: &str,
        name: &str,
        sets: Vec<String>,
        find: js_sys::Function,
    ) -> Result<Pc, JsError> {
        console::init();
        let code_host = PageCodeHost::new().map_err(failed)?;
        let host = Host {
            time: Arc::new(BrowserTime),
            unix_seconds: (js_sys::Date::now() / 1000.0) as i64,
            threads: false,
            code_host: Some(Box::new(move |_| Box::new(code_host))),
        };
        let machine = Machine::from_toml(name, machine, &sets, &mut PageFiles::new(find), host)
            .map_err(failed)?;
        let pace = Pace::new(machine.is_deterministic());
        Ok(Pc { machine, frame: Frame::default(), pace, off: false })
    }

    /// Runs for about `milliseconds`. Returns how long the machine has nothing to do then, in
    /// milliseconds; 0 if it wants to go on. A triple fault is an error with the registers.
    pub fn run(&mut self, milliseconds: f64) -> Result<f64, JsError> {
        let end = performance_now() + milliseconds;
        let mut now = performance_now();
        while !self.off {
            let start = now;
            let step = self.machine.run_slice(self.pace.budget());
            now = performance_now();
            match step {
                Step::Ran => {
                    self.pace.took(now - start);
                    if now >= end {
                        return Ok(0.0);
                    }
                }
                Step::Idle { until: None } => return Ok(LONG_SLEEP),
                Step::Idle { until: Some(at) } => {
                    let sleep = at.saturating_sub(self.machine.clock().now()) as f64 / 1e6;
                    return Ok(sleep.min(LONG_SLEEP));
                }
                Step::Ended(Ending::TripleFault(dump)) => {
                    self.off = true;
                    return Err(failed(dump));
                }
                Step::Ended(_) => self.off = true,
            }
        }
        Ok(LONG_SLEEP)
    }

    /// Whether the machine is switched off.
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// Lets guest time run.
    pub fn resume(&self) {
        self.machine.resume();
    }

    /// Lets guest time stand still.
    pub fn pause(&self) {
        self.machine.pause();
    }

    /// Presses the reset button, or switches on again.
    pub fn reset(&mut self) {
        if std::mem::take(&mut self.off) {
            self.machine.reset();
        } else {
            self.machine.press_reset();
        }
    }

    /// Presses the power button.
    pub fn power_button(&self) {
        self.machine.press_power_button();
    }

    /// Sends bytes over the first serial line.
    pub fn serial_write(&self, bytes: &[u8]) {
        if let Some(serial) = self.machine.serials().first() {
            serial.send(bytes);
        }
    }

    /// Takes what came over the first serial line.
    pub fn serial_read(&self) -> Vec<u8> {
        self.machine.serials().first().map(|serial| serial.take_output()).unwrap_or_default()
    }

    /// Presses or releases a key, named as `KeyboardEvent.code` has it. Keys that no PC keyboard has
    /// are passed over.
    pub fn key(&self, code: &str, down: bool) {
        if let Some(key) = KeyCode::from_code(code) {
            self.machine.with_ps2(|ps2| ps2.key(key, down));
        }
    }

    /// Moves the mouse and sets its buttons, as `MouseEvent.buttons` has them.
    pub fn mouse(&self, dx: i32, dy: i32, wheel: i32, buttons: u8) {
        self.machine.with_ps2(|ps2| {
            ps2.mouse_buttons(MouseButtons::from_bits_truncate(buttons));
            if (dx, dy, wheel) != (0, 0, 0) {
                ps2.mouse_move(dx, dy, wheel);
            }
        });
    }

    /// The screen, if it has changed since the last call or `always`.
    pub fn frame(&mut self, always: bool) -> Option<Picture> {
        let changed = self.machine.screenshot(&mut self.frame);
        if !changed && !always || self.frame.pixels.is_empty() {
            return None;
        }
        let bytes: Vec<u8> = self
            .frame
            .pixels
            .iter()
            .flat_map(|pixel| {
                let [blue, green, red, _] = pixel.to_le_bytes();
                [red, green, blue, 0xff]
            })
            .collect();
        let pixels = js_sys::Uint8ClampedArray::from(&bytes[..]);
        Some(Picture { width: self.frame.width, height: self.frame.height, pixels })
    }

    /// The characters on the screen in a text mode.
    pub fn screen_text(&self) -> Option<String> {
        self.machine.screen_text()
    }

    /// Statistics as JSON.
    pub fn stats(&self) -> Result<String, JsError> {
        serde_json::to_string(&self.machine.stats()).map_err(failed)
    }

    /// The resolved machine as text.
    pub fn describe(&self) -> String {
        self.machine.report()
    }

    /// The whole state.
    pub fn snapshot(&mut self) -> Result<Vec<u8>, JsError> {
        let mut bytes = Vec::new();
        self.machine.save(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Goes on from a saved state.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), JsError> {
        self.machine.restore(bytes).map_err(failed)?;
        self.off = false;
        Ok(())
    }
}
