//! Altered snapshots: fields of devices and processors take other values, lists other lengths, and
//! whatever the machine then accepts must run, be saved and be taken back again.

use std::cell::RefCell;
use std::sync::Arc;

use aero_bus::HostTime;
use aero_vmm::{Host, Machine, MemoryFiles};
use ciborium::Value;

use crate::input::Input;

const MACHINE: &str = r#"
[machine]
memory = "4MiB"
on_triple_fault = "reset"
[cpu]
count = 2
[clock]
mode = "deterministic"
[boot]
kernel = "kernel"
[[device]]
type = "serial"
[[device]]
type = "ps2"
[[device]]
type = "hpet"
[[device]]
type = "vga"
[[device]]
type = "ahci"
drives = [{ type = "disk", image = "disk" }]
"#;

/// Reads every port from CX on.
const CODE: &[u8] = &[
    0xfb, // STI
    0x89, 0xca, // MOV EDX, ECX
    0xec, // IN AL, DX
    0x41, // INC ECX
    0xeb, 0xfa, // JMP to the MOV
];

/// Instructions before the snapshot is taken, and after each altered one.
const BEFORE: u64 = 20_000;
const AFTER: u64 = 2_000;
/// Changes of one input at most.
const MOST_CHANGES: usize = 8;

const HEADER: usize = 16;
const CRC: usize = 4;

struct NoTime;

impl HostTime for NoTime {
    fn now(&self) -> u64 {
        0
    }
}

/// The code as a multiboot image with addresses in its header.
fn kernel() -> Vec<u8> {
    const MAGIC: u32 = 0x1bad_b002;
    const FLAGS: u32 = 0x1_0000;
    const LOAD: u32 = 0x10_0000;
    let header = LOAD + 16;
    let mut image = CODE.to_vec();
    image.resize(16, 0x90);
    let checksum = 0u32.wrapping_sub(MAGIC).wrapping_sub(FLAGS);
    for word in [MAGIC, FLAGS, checksum, header, LOAD, 0, LOAD + 0x2000, LOAD] {
        image.extend(word.to_le_bytes());
    }
    image
}

/// A machine, and a snapshot of it in chunks: header, payload.
struct Bench {
    machine: Machine,
    start: Vec<u8>,
    chunks: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Bench {
    fn new() -> Self {
        let mut files = MemoryFiles::new();
        files.insert("kernel", kernel());
        files.insert("disk", vec![0; 1 << 20]);
        let host =
            Host { time: Arc::new(NoTime), unix_seconds: 0, threads: false, code_host: None };
        let mut machine = Machine::from_toml("machine.toml", MACHINE, &[], &mut files, host)
            .unwrap_or_else(|error| panic!("{error}"));
        machine.resume();
        machine.run_slice(BEFORE);
        machine.pause();
        let file = save(&machine);
        Self { machine, start: file[..HEADER].to_vec(), chunks: chunks(&file) }
    }

    fn run(&mut self, input: &mut Input<'_>) {
        let mut chunks = self.chunks.clone();
        for _ in 0..MOST_CHANGES {
            if input.is_empty() {
                break;
            }
            let [chunk, kind] = input.bytes();
            let (leaf, value) = (input.u16(), input.u64());
            // The first four are values: the machine, disks, devices, processors.
            let (_, payload) = &mut chunks[[2, 3, 0, 1, 2, 2, 3, 2][usize::from(chunk % 8)]];
            let mut fields: Value =
                ciborium::from_reader(&payload[..]).expect("what was written can be read");
            let mut left = usize::from(leaf) % count(&fields).max(1);
            alter(&mut fields, &mut left, kind, value);
            payload.clear();
            ciborium::into_writer(&fields, &mut *payload).expect("memory can be written");
        }
        let mut file = self.start.clone();
        for (header, payload) in &chunks {
            let begin = file.len();
            file.extend(&header[..8]);
            file.extend((payload.len() as u64).to_le_bytes());
            file.extend(payload);
            let crc = crc32fast::hash(&file[begin..]);
            file.extend(crc.to_le_bytes());
        }
        if let Err(error) = self.machine.restore(&file) {
            let message = error.to_string();
            assert!(!message.is_empty() && !message.contains('\n'), "one line, not {message:?}");
            return;
        }
        self.machine.resume();
        self.machine.run_slice(AFTER);
        self.machine.pause();
        let saved = save(&self.machine);
        self.machine.restore(&saved).expect("what was accepted and ran can be saved");
        let again = save(&self.machine);
        assert!(again == saved, "a snapshot comes back as it was: {}", differences(&saved, &again));
    }
}

/// The chunks of a snapshot, header and payload each.
fn chunks(file: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut chunks = Vec::new();
    let mut at = HEADER;
    while at < file.len() {
        let header = file[at..at + HEADER].to_vec();
        let len = u64::from_le_bytes(header[8..].try_into().expect("eight bytes")) as usize;
        let payload = file[at + HEADER..at + HEADER + len].to_vec();
        chunks.push((header, payload));
        at += HEADER + len + CRC;
    }
    chunks
}

/// The fields in which two snapshots differ, some of them.
fn differences(one: &[u8], two: &[u8]) -> String {
    let read = |(_, payload): &(Vec<u8>, Vec<u8>)| ciborium::from_reader::<Value, _>(&payload[..]);
    let mut found = Vec::new();
    for (a, b) in chunks(one).iter().zip(&chunks(two)).filter(|(a, b)| a != b) {
        if let (Ok(a), Ok(b)) = (read(a), read(b)) {
            compare(String::new(), &a, &b, &mut found);
        }
    }
    found.truncate(8);
    found.join(", ")
}

fn compare(path: String, one: &Value, two: &Value, found: &mut Vec<String>) {
    match (one, two) {
        _ if one == two => {}
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                compare(format!("{path}[{i}]"), a, b, found);
            }
        }
        (Value::Map(a), Value::Map(b)) if a.len() == b.len() => {
            for ((key, a), (_, b)) in a.iter().zip(b) {
                let key = key.as_text().unwrap_or("?");
                compare(format!("{path}.{key}"), a, b, found);
            }
        }
        _ => found.push(format!("{path}: {one:?}, then {two:?}")),
    }
}

fn save(machine: &Machine) -> Vec<u8> {
    let mut file = Vec::new();
    machine.save(&mut file).expect("memory can be written");
    file
}

/// How many values there are in all.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Map(entries) => entries.iter().map(|(_, value)| count(value)).sum(),
        _ => 0,
    }
}

/// Alters the value that is `left` places further on.
fn alter(value: &mut Value, left: &mut usize, kind: u8, new: u64) -> bool {
    if *left == 0 {
        replace(value, kind, new);
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| alter(item, left, kind, new)),
        Value::Map(entries) => entries.iter_mut().any(|entry| alter(&mut entry.1, left, kind, new)),
        _ => false,
    }
}

fn replace(value: &mut Value, kind: u8, new: u64) {
    match value {
        Value::Integer(number) => {
            let old = i128::from(*number);
            let changed = match kind % 8 {
                0 => i128::from(new),
                1 => old + 1,
                2 => old - 1,
                3 => old ^ 1 << (new % 63),
                4 => i128::from(new % 256),
                5 => [0, 1, 0xffff, 0x1_0000, 0xffff_ffff, 1 << 32, 1 << 63, i128::from(u64::MAX)]
                    [(new % 8) as usize],
                6 => -1,
                _ => i128::from(new >> (new % 64)),
            };
            if let Ok(changed) = changed.try_into() {
                *number = changed;
            }
        }
        Value::Bool(bit) => *bit = !*bit,
        Value::Null => *value = Value::Integer(new.into()),
        Value::Text(text) => text.truncate((new % 4) as usize),
        Value::Bytes(bytes) => match kind % 4 {
            0 => bytes.truncate((new % 64) as usize),
            1 => bytes.extend(new.to_le_bytes()),
            _ if bytes.is_empty() => {}
            _ => {
                let at = (new >> 8) as usize % bytes.len();
                bytes[at] = new as u8;
            }
        },
        Value::Array(items) => match kind % 4 {
            0 => drop(items.pop()),
            1 => items.push(Value::Integer(new.into())),
            2 => items.clear(),
            _ => items.reverse(),
        },
        Value::Map(entries) => match kind % 3 {
            0 => drop(entries.pop()),
            1 => entries.push((Value::Text("more".to_owned()), Value::Integer(new.into()))),
            _ => *value = Value::Null,
        },
        _ => *value = Value::Null,
    }
}

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

/// Runs one input.
pub fn run(data: &[u8]) {
    BENCH.with_borrow_mut(|bench| {
        bench.get_or_insert_with(Bench::new).run(&mut Input::new(data));
    });
}
