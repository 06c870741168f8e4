//! The whole machine to a file and back.

use std::io::Write;

use aero_bus::Snapshot;
use serde::{Deserialize, Serialize};

use super::processors::SavedProcessor;
use super::snapshot_file::{Reader, SnapshotFileError, Writer, tag};
use super::{Machine, lock};
use crate::disk::SavedDisk;

/// Guest nanoseconds, more than a hundred years: far from where deadlines do not fit into 64 bits.
const LATEST: u64 = 1 << 62;

/// What a machine must have in common with a snapshot, and where it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    memory: u64,
    block: u64,
    cpus: u64,
    model: String,
    deterministic: bool,
    /// Guest nanoseconds.
    now: u64,
    retired: u64,
    idle_nanos: u64,
    current_cpu: u64,
    turn_left: u64,
    tsc_base: u64,
}

impl Machine {
    fn meta(&self) -> Meta {
        let ram = self.surface.memory.ram();
        Meta {
            memory: ram.len(),
            block: ram.host_block().1,
            cpus: self.processors.all.len() as u64,
            model: self.processors.all[0].cpu.model.name.to_owned(),
            deterministic: self.is_deterministic(),
            now: self.clock.now(),
            retired: self.time.retired,
            idle_nanos: self.time.idle_nanos,
            current_cpu: self.processors.current as u64,
            turn_left: self.processors.turn_left,
            tsc_base: self.processors.tsc_base,
        }
    }

    /// Writes the whole machine, but for what is in files: images and overlay files must be the same
    /// when it is restored. To be called while the machine is paused.
    pub fn save(&self, to: &mut dyn Write) -> Result<(), SnapshotFileError> {
        let mut writer = Writer::new(to)?;
        writer.value(tag::META, &self.meta())?;
        let disks: Vec<(&str, SavedDisk)> =
            self.drives().map(|(name, disk)| (name, disk.save())).collect();
        writer.value(tag::DISKS, &disks)?;
        let devices: Vec<(&str, Snapshot)> =
            self.nodes.iter().map(|node| (node.name.as_str(), lock(&node.device).save())).collect();
        writer.value(tag::DEVICES, &devices)?;
        writer.value(tag::PROCESSORS, &self.processors.save())?;
        writer.memory(self.surface.memory.ram())?;
        writer.finish()
    }

    /// Takes the state that [`save`](Self::save) has written, in a machine built from the same machine
    /// file. To be called while the machine is paused. After an error the machine may be in any state
    /// and has to be reset.
    pub fn restore(&mut self, file: &[u8]) -> Result<(), SnapshotFileError> {
        let reader = Reader::new(file)?;
        let meta: Meta = reader.value(tag::META)?;
        self.check(&meta)?;
        let disks: Vec<(String, SavedDisk)> = reader.value(tag::DISKS)?;
        let devices: Vec<(String, Snapshot)> = reader.value(tag::DEVICES)?;
        let processors: Vec<SavedProcessor> = reader.value(tag::PROCESSORS)?;
        same_names("drives", disks.iter().map(|d| &*d.0), self.drives().map(|d| d.0))?;
        same_names(
            "devices",
            devices.iter().map(|d| &*d.0),
            self.nodes.iter().map(|node| &*node.name),
        )?;
        reader.memory(self.surface.memory.ram())?;
        self.clock.set(meta.now);
        self.time.retired = meta.retired;
        self.time.idle_nanos = meta.idle_nanos;
        for ((name, disk), (_, saved)) in self.drives.iter().zip(disks) {
            disk.restore(saved).map_err(|e| SnapshotFileError::Mismatch(format!("{name}: {e}")))?;
        }
        for (node, (name, saved)) in self.nodes.iter().zip(&devices) {
            lock(&node.device)
                .restore(saved)
                .map_err(|e| SnapshotFileError::Damaged(format!("{name}: {e}")))?;
        }
        self.processors.restore(&processors).map_err(SnapshotFileError::Damaged)?;
        self.processors.current = meta.current_cpu as usize;
        self.processors.turn_left = meta.turn_left;
        self.processors.tsc_base = meta.tsc_base;
        Ok(())
    }

    fn check(&self, then: &Meta) -> Result<(), SnapshotFileError> {
        let now = self.meta();
        let mismatch = |what: String| Err(SnapshotFileError::Mismatch(what));
        if (now.memory, now.block) != (then.memory, then.block) {
            return mismatch(format!(
                "it has {} bytes of memory and {} in all with ROM and video memory, this one {} and {}",
                then.memory, then.block, now.memory, now.block
            ));
        }
        if (now.cpus, &now.model) != (then.cpus, &then.model) {
            return mismatch(format!(
                "it has {} processors of model {}, this one {} of model {}",
                then.cpus, then.model, now.cpus, now.model
            ));
        }
        if now.deterministic != then.deterministic {
            return mismatch("one has a deterministic clock, the other has not".to_owned());
        }
        let later = self.time.nanos(then.retired, then.idle_nanos);
        if then.now.max(later.unwrap_or(0)) > LATEST {
            return Err(SnapshotFileError::Damaged("the time".to_owned()));
        }
        if then.current_cpu >= then.cpus {
            return Err(SnapshotFileError::Damaged("the processor whose turn it is".to_owned()));
        }
        Ok(())
    }
}

fn same_names<'a>(
    what: &str,
    then: impl Iterator<Item = &'a str>,
    now: impl Iterator<Item = &'a str>,
) -> Result<(), SnapshotFileError> {
    let (then, now): (Vec<_>, Vec<_>) = (then.collect(), now.collect());
    if then == now {
        return Ok(());
    }
    let list = |names: Vec<&str>| names.join(", ");
    Err(SnapshotFileError::Mismatch(format!(
        "its {what} are {}; this one's are {}",
        list(then),
        list(now)
    )))
}
