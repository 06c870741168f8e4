//! Log lines and panics, to the browser's console.

use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};
use wasm_bindgen::JsValue;

struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = JsValue::from_str(&format!("{}: {}", record.target(), record.args()));
        match record.level() {
            // What the machine has to say of its guest is no error of the page.
            Level::Error | Level::Warn => web_sys::console::warn_1(&line),
            _ => web_sys::console::info_1(&line),
        }
    }

    fn flush(&self) {}
}

/// Sets both up, once.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        console_error_panic_hook::set_once();
        if log::set_logger(&Console).is_ok() {
            log::set_max_level(LevelFilter::Info);
        }
    });
}
