//! From a drive of the machine file to its contents.

use super::image::{Empty, Image, Raw};
use super::overlay::MemoryOverlay;
use super::qcow2::{self, Backing, Header, Qcow2};
use super::store::ByteStore;
use crate::devices::{ImageFormat, WriteMode};
use crate::resources::{Access, Resources};

/// Images behind images, at most.
const MAX_BACKING_DEPTH: u32 = 16;

/// What the machine file says about a disk's contents.
#[derive(Clone, Debug)]
pub struct DiskSource<'a> {
    /// The image file.
    pub image: Option<&'a str>,
    /// Its format, if it is said.
    pub format: Option<ImageFormat>,
    /// In place of an image: bytes of an empty disk.
    pub size: Option<u64>,
    /// Where writes go.
    pub write: WriteMode,
    /// The file for [`WriteMode::Overlay`].
    pub overlay: Option<&'a str>,
    /// Writes are refused.
    pub read_only: bool,
}

/// Opens a disk. Errors are one line that names the file.
pub fn open_disk(
    source: &DiskSource<'_>,
    files: &mut dyn Resources,
) -> Result<Box<dyn Image>, String> {
    let direct = source.write == WriteMode::Direct && !source.read_only;
    let base: Box<dyn Image> = match (source.image, source.size) {
        (Some(name), None) => {
            let access = if direct { Access::ReadWrite } else { Access::Read };
            open_image(name, source.format, access, files, 0)?
        }
        (None, Some(size)) => Box::new(Empty(size - size % 512)),
        _ => return Err("give either an image or a size".to_owned()),
    };
    if base.size() == 0 {
        return Err(format!("{}: the image is empty", source.image.unwrap_or("the disk")));
    }
    if source.read_only || direct {
        return Ok(base);
    }
    match (source.write, source.overlay) {
        (WriteMode::Overlay, Some(name)) => {
            let disk = open_overlay(name, base, source, files);
            disk.map_err(|message| format!("{name}: {message}"))
        }
        (WriteMode::Overlay, None) => {
            Err("write = \"overlay\" needs the overlay's file name".to_owned())
        }
        _ => Ok(Box::new(MemoryOverlay::new(base))),
    }
}

fn open_image(
    name: &str,
    format: Option<ImageFormat>,
    access: Access,
    files: &mut dyn Resources,
    depth: u32,
) -> Result<Box<dyn Image>, String> {
    let named = |message: String| format!("{name}: {message}");
    if depth > MAX_BACKING_DEPTH {
        return Err(named("the images behind this one go in a circle".to_owned()));
    }
    let store = files.store(name, access).map_err(named)?;
    let (format, probed) = match format {
        Some(format) => (format, false),
        None => (probe(&*store).map_err(named)?, true),
    };
    match format {
        ImageFormat::Raw => {
            let raw = Raw::new(store, probed).map_err(|e| named(e.to_string()))?;
            Ok(Box::new(raw))
        }
        ImageFormat::Qcow2 => {
            let header = Header::read(&*store).map_err(named)?;
            let backing = match &header.backing {
                None => None,
                Some(backing) => {
                    let behind = files.beside(name, &backing.name);
                    let format = match backing.format.as_deref() {
                        None => None,
                        Some("raw") => Some(ImageFormat::Raw),
                        Some("qcow2") => Some(ImageFormat::Qcow2),
                        Some(other) => {
                            return Err(named(format!("its backing file is of format {other:?}")));
                        }
                    };
                    Some(
                        open_image(&behind, format, Access::Read, files, depth + 1)
                            .map_err(|message| named(format!("backing file {message}")))?,
                    )
                }
            };
            let image = Qcow2::open(store, header, backing).map_err(named)?;
            Ok(Box::new(image))
        }
    }
}

fn probe(store: &dyn ByteStore) -> Result<ImageFormat, String> {
    let mut magic = [0; 4];
    if store.len().map_err(|e| e.to_string())? < 4 {
        return Ok(ImageFormat::Raw);
    }
    store.read_at(0, &mut magic).map_err(|e| e.to_string())?;
    Ok(if magic == qcow2::MAGIC { ImageFormat::Qcow2 } else { ImageFormat::Raw })
}

fn open_overlay(
    name: &str,
    base: Box<dyn Image>,
    source: &DiskSource<'_>,
    files: &mut dyn Resources,
) -> Result<Box<dyn Image>, String> {
    if !files.exists(name) {
        let store = files.store(name, Access::Create)?;
        let backing = source.image.map(|image| Backing {
            name: image.to_owned(),
            // What the image says of itself is looked at again at the next start.
            format: source.format.map(|format| match format {
                ImageFormat::Raw => "raw".to_owned(),
                ImageFormat::Qcow2 => "qcow2".to_owned(),
            }),
        });
        let header = Qcow2::create(&*store, base.size(), backing).map_err(|e| e.to_string())?;
        return Ok(Box::new(Qcow2::open(store, header, Some(base))?));
    }
    let store = files.store(name, Access::ReadWrite)?;
    let header = Header::read(&*store)?;
    if header.size != base.size() {
        return Err(format!(
            "this overlay is of a disk of {} bytes, and the image has {}",
            header.size,
            base.size()
        ));
    }
    Ok(Box::new(Qcow2::open(store, header, Some(base))?))
}
