//! `type = "ahci"`.

use std::sync::{Arc, Mutex};

use aero_ahci::{Attachment, DriveIdentity};
use aero_bus::pci::PciAddress;
use serde::Deserialize;
use toml::Spanned;

use super::DeviceSpec;
use crate::config::{Address, Bounded, ConfigError, Size};
use crate::disk::{Disk, DiskSource, open_disk};
use crate::machine::{Board, BootMedium, Fault};

/// An AHCI controller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ahci {
    /// Where on PCI bus 0; `"1f.2"` if not given, where ICH9 has it.
    pub address: Option<Address>,
    /// The drives at its ports, 6 at most.
    #[serde(default)]
    pub drives: Vec<Spanned<Drive>>,
}

/// A drive at a port of a controller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drive {
    /// `"disk"` or `"cd"`.
    #[serde(rename = "type", default)]
    pub kind: DriveKind,
    /// The port, 0 to 5; if not given, the first free one.
    pub port: Option<Bounded<0, 5>>,
    /// The image file. A CD drive without one is empty.
    pub image: Option<Spanned<String>>,
    /// The image's format; if not given, what its first bytes say.
    pub format: Option<ImageFormat>,
    /// In place of an image: an empty disk of this size, which is gone when the machine ends.
    pub size: Option<Size>,
    /// Where writes go.
    pub write: Option<WriteMode>,
    /// The file that holds what was written, a qcow2 made when it is not there. Implies
    /// `write = "overlay"`.
    pub overlay: Option<Spanned<String>>,
    /// Writes are refused.
    #[serde(default)]
    pub read_only: bool,
}

/// What kind of drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriveKind {
    /// A hard disk.
    #[default]
    Disk,
    /// A CD or DVD drive; never writable.
    Cd,
}

/// How an image file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// The disk's bytes and nothing else.
    Raw,
    /// QEMU copy-on-write, version 2 or 3.
    Qcow2,
}

/// Where writes to a disk go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteMode {
    /// Into memory, over the image; gone when the machine ends. What happens if nothing is said.
    Discard,
    /// Into the file named by `overlay`.
    Overlay,
    /// Into the image itself.
    Direct,
}

/// Where ICH9 has its SATA controller.
const DEFAULT_ADDRESS: PciAddress = PciAddress::new(0x1f, 2);
const PORTS: usize = 6;
const MODELS: [&str; 2] = ["AERO HARDDISK", "AERO DVD-ROM"];

impl DeviceSpec for Ahci {
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        let address = self.address.map_or(DEFAULT_ADDRESS, |address| address.0);
        let mut attachments: [Option<Attachment>; PORTS] = Default::default();
        for drive in &self.drives {
            let port = match drive.get_ref().port {
                Some(Bounded(port)) => port as usize,
                None => attachments.iter().position(Option::is_none).unwrap_or(PORTS),
            };
            match attachments.get_mut(port) {
                Some(slot @ None) => *slot = Some(build_drive(drive, name, port, board)?),
                Some(Some(_)) => {
                    let message = format!("there is a drive at port {port} already");
                    return Err(board.config.error_at(drive, message).into());
                }
                None => {
                    let message = format!("the controller has {PORTS} ports, and all are taken");
                    return Err(board.config.error_at(drive, message).into());
                }
            }
        }
        let wiring = board.pci_wiring(name, address, 0);
        let device = aero_ahci::Ahci::new(board.ram.clone(), &board.clock, wiring, attachments);
        board.add_pci(name, address, Arc::new(Mutex::new(device)))
    }
}

fn build_drive(
    spanned: &Spanned<Drive>,
    controller: &str,
    port: usize,
    board: &mut Board<'_>,
) -> Result<Attachment, ConfigError> {
    let drive = spanned.get_ref();
    let is_cd = drive.kind == DriveKind::Cd;
    let source = drive.source().map_err(|message| board.config.error_at(spanned, message))?;
    let image = source.map(|source| open_disk(&source, board.files)).transpose();
    let image = image.map_err(|message| match &drive.image {
        Some(image) => board.config.error_at(image, message),
        None => board.config.error_at(spanned, message),
    })?;
    let disk = Disk::new(image, board.disk_mode.clone(), board.wake.clone());
    let name = format!("{controller}.{port}");
    let identity = DriveIdentity {
        model: MODELS[usize::from(is_cd)].to_owned(),
        serial: format!("AERO{:05}", board.ends.media.len() + 1),
        firmware: env!("CARGO_PKG_VERSION").to_owned(),
    };
    board.note(controller, drive.describe(port, &disk));
    let backend = Box::new(disk.handle());
    board.ends.media.push(BootMedium { name, is_cd, port, disk });
    Ok(match is_cd {
        true => Attachment::Cd { backend, identity },
        false => Attachment::Disk { backend, identity },
    })
}

impl Drive {
    /// Where the contents come from and where writes go. `None` for an empty CD drive.
    fn source(&self) -> Result<Option<DiskSource<'_>>, String> {
        let is_cd = self.kind == DriveKind::Cd;
        if is_cd && (self.write.is_some() || self.overlay.is_some() || self.size.is_some()) {
            return Err("a CD is never written: it takes only `image` and `format`".to_owned());
        }
        if is_cd && self.image.is_none() {
            return Ok(None);
        }
        if self.image.is_some() == self.size.is_some() {
            return Err("a disk needs either `image` or `size`".to_owned());
        }
        if self.read_only && (self.write.is_some() || self.overlay.is_some()) {
            return Err("`read_only` leaves nothing to be written".to_owned());
        }
        if self.overlay.is_some() && !matches!(self.write, None | Some(WriteMode::Overlay)) {
            return Err("`overlay` goes with write = \"overlay\"".to_owned());
        }
        if self.size.is_some() && self.write == Some(WriteMode::Direct) {
            return Err("write = \"direct\" needs an `image`".to_owned());
        }
        let write = match (self.write, &self.overlay) {
            (Some(write), _) => write,
            (None, Some(_)) => WriteMode::Overlay,
            (None, None) => WriteMode::Discard,
        };
        Ok(Some(DiskSource {
            image: self.image.as_ref().map(|name| name.get_ref().as_str()),
            format: self.format,
            size: self.size.map(|size| size.0),
            write,
            overlay: self.overlay.as_ref().map(|name| name.get_ref().as_str()),
            read_only: self.read_only || is_cd,
        }))
    }

    /// A line for `aero check`.
    fn describe(&self, port: usize, disk: &Disk) -> String {
        let kind = match self.kind {
            DriveKind::Disk => "disk",
            DriveKind::Cd => "cd",
        };
        let name = self.image.as_ref().map_or("", |name| name.get_ref());
        match disk.size() {
            0 => format!("port {port}: {kind}, empty"),
            size => format!("port {port}: {kind} {name} ({})", Size(size)),
        }
    }
}
