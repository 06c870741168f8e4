//! The files that a machine file names, as the page gives them.

use aero_vmm::config::{Backend, MachineConfig};
use aero_vmm::disk::{ByteStore, StoreError};
use aero_vmm::{Access, Resources};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `Store` of `web/aero/stores.ts`.
    #[derive(Clone)]
    pub type Store;

    #[wasm_bindgen(method, catch)]
    fn size(this: &Store) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, js_name = readOnly)]
    fn read_only(this: &Store) -> bool;
    #[wasm_bindgen(method, catch)]
    fn read(this: &Store, offset: f64, len: u32) -> Result<js_sys::Uint8Array, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn write(this: &Store, offset: f64, data: js_sys::Uint8Array) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn flush(this: &Store) -> Result<(), JsValue>;
}

/// Bytes moved in one call, at most, so that a long read needs no second copy of its whole length.
const PIECE: usize = 1 << 20;

/// A JavaScript store as the machine's disks see it.
struct JsStore(SendWrapper<Store>);

/// What a JavaScript exception says.
pub fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => format!("{error:?}"),
    }
}

fn host(error: JsValue) -> StoreError {
    StoreError::Host(message(&error))
}

impl ByteStore for JsStore {
    fn len(&self) -> Result<u64, StoreError> {
        Ok(self.0.size().map_err(host)? as u64)
    }

    fn is_read_only(&self) -> bool {
        self.0.read_only()
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        let end = self.len()?;
        if offset.checked_add(data.len() as u64).is_none_or(|last| last > end) {
            return Err(StoreError::PastEnd { offset, len: data.len() as u64, end });
        }
        let mut at = offset;
        for part in data.chunks_mut(PIECE) {
            let bytes = self.0.read(at as f64, part.len() as u32).map_err(host)?;
            if bytes.length() as usize != part.len() {
                return Err(StoreError::Host("the file is shorter than it was".to_owned()));
            }
            bytes.copy_to(part);
            at += part.len() as u64;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        let mut at = offset;
        for part in data.chunks(PIECE) {
            self.0.write(at as f64, js_sys::Uint8Array::from(part)).map_err(host)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush().map_err(host)
    }
}

/// Files by name, through a JavaScript function that gives the [`Store`] of a name or nothing.
pub struct PageFiles {
    find: js_sys::Function,
}

impl PageFiles {
    /// Files that `find` finds.
    pub fn new(find: js_sys::Function) -> Self {
        Self { find }
    }

    fn find(&self, name: &str) -> Result<Option<Store>, String> {
        let found = self.find.call1(&JsValue::NULL, &name.into()).map_err(|e| message(&e))?;
        Ok((!found.is_undefined()).then(|| found.unchecked_into()))
    }
}

impl Resources for PageFiles {
    /// A file in the browser's storage is there from the moment it is opened; it exists for the
    /// machine once something was written to it.
    fn exists(&mut self, name: &str) -> bool {
        let size = self.find(name).ok().flatten().and_then(|store| store.size().ok());
        size.is_some_and(|size| size > 0.0)
    }

    fn store(&mut self, name: &str, access: Access) -> Result<Box<dyn ByteStore>, String> {
        let store = self.find(name)?.ok_or("there is no such file")?;
        if access != Access::Read && store.read_only() {
            return Err("it cannot be written; give it to the page by another way".to_owned());
        }
        Ok(Box::new(JsStore(SendWrapper::new(store))))
    }
}

/// Keys of a machine file whose values name files that are read.
const READ_KEYS: [&str; 5] = ["image", "kernel", "initrd", "vga_rom", "modules"];
/// The key whose value names a file that is written.
const OVERLAY_KEY: &str = "overlay";

/// The files that a machine file names, so that they can be opened before the machine is built: each
/// as `"read NAME"` or `"overlay NAME"`. A mistake in the machine file is an error of one line.
#[wasm_bindgen]
pub fn referenced_files(
    machine: &str,
    name: &str,
    sets: Vec<String>,
) -> Result<Vec<String>, JsError> {
    crate::console::init();
    parse(machine, name, &sets)?;
    let table: toml::Table =
        machine.parse().map_err(|error: toml::de::Error| JsError::new(error.message()))?;
    let mut names = Vec::new();
    collect(&toml::Value::Table(table), "", &mut names);
    for (key, value) in sets.iter().filter_map(|set| set.split_once('=')) {
        let key = key.rsplit('.').next().unwrap_or(key);
        // As in the machine file or, since `--set` takes that too, without the quotation marks.
        let value = value.trim().trim_matches(['"', '\'']);
        collect(&toml::Value::String(value.to_owned()), key, &mut names);
    }
    Ok(names)
}

/// Whether code for the processors of this machine is to be generated on a thread of its own.
#[wasm_bindgen]
pub fn needs_thread(machine: &str, name: &str, sets: Vec<String>) -> Result<bool, JsError> {
    let cpu = parse(machine, name, &sets)?.cpu;
    let jit = cpu.backend.as_ref().is_none_or(|backend| *backend.get_ref() == Backend::Jit);
    Ok(jit && cpu.jit.background)
}

fn parse(machine: &str, name: &str, sets: &[String]) -> Result<MachineConfig, JsError> {
    MachineConfig::parse(name, machine, sets).map_err(|error| JsError::new(&error.to_string()))
}

fn collect(value: &toml::Value, key: &str, names: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                collect(value, key, names);
            }
        }
        toml::Value::Array(values) => {
            for value in values {
                collect(value, key, names);
            }
        }
        toml::Value::String(text) => {
            // A module's own command line follows its name.
            let file = if key == "modules" { text.split(' ').next().unwrap_or(text) } else { text };
            let entry = match key {
                OVERLAY_KEY => format!("overlay {file}"),
                key if READ_KEYS.contains(&key) => format!("read {file}"),
                _ => return,
            };
            if !names.contains(&entry) {
                names.push(entry);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_wherever_they_are_named() {
        let table: toml::Table = r#"
            [boot]
            kernel = "k"
            modules = ["m with words"]
            cmdline = "not a file"
            [[device]]
            type = "ahci"
            drives = [{ image = "d", overlay = "o" }, { image = "k" }]
        "#
        .parse()
        .unwrap();
        let mut names = Vec::new();
        collect(&toml::Value::Table(table), "", &mut names);
        names.sort();
        assert_eq!(names, ["overlay o", "read d", "read k", "read m"]);
    }
}
