//! The header, as QEMU's `docs/interop/qcow2` describes it. All numbers are big-endian.

use crate::disk::store::ByteStore;

/// The first four bytes of an image.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Bits of the incompatible features: an image with one that is not known must not be read.
mod incompatible {
    /// Refcounts were not written in step; they must be rebuilt before the next write.
    pub const DIRTY: u64 = 1 << 0;
    /// Found damaged; must not be written.
    pub const CORRUPT: u64 = 1 << 1;
    pub const EXTERNAL_DATA: u64 = 1 << 2;
    pub const COMPRESSION_TYPE: u64 = 1 << 3;
    pub const EXTENDED_L2: u64 = 1 << 4;
}

const V2_LEN: usize = 72;
const V3_LEN: usize = 104;
/// Offsets of fields that are written again.
pub(super) const REFCOUNT_TABLE_OFFSET: u64 = 48;
pub(super) const AUTOCLEAR_FEATURES: u64 = 88;
/// Header extension with the backing file's format.
const EXTENSION_BACKING_FORMAT: u32 = 0xe279_2aca;

/// As QEMU has them: what is larger is not an image but an attack.
const MAX_L1_BYTES: u64 = 32 << 20;
const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
const MAX_BACKING_NAME: u32 = 1023;

/// What the header says, checked.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub version: u32,
    pub cluster_bits: u32,
    /// Bytes of the disk.
    pub size: u64,
    pub l1_size: u32,
    pub l1_offset: u64,
    pub refcount_table_offset: u64,
    pub refcount_table_clusters: u32,
    /// log2 of the bits of a refcount.
    pub refcount_order: u32,
    pub backing: Option<Backing>,
    /// Why it must not be written, if so.
    pub unwritable: Option<&'static str>,
    pub autoclear: u64,
}

/// What is behind an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backing {
    pub name: String,
    pub format: Option<String>,
}

pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl Header {
    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Entries of an L2 table, which is one cluster long.
    pub fn l2_entries(&self) -> u64 {
        self.cluster_size() / 8
    }

    /// Reads and checks the header. Errors are one line without the image's name.
    pub fn read(store: &dyn ByteStore) -> Result<Self, String> {
        let file_len = store.len().map_err(|e| e.to_string())?;
        let truncated = || {
            format!(
                "the qcow2 image is truncated: {file_len} bytes do not hold its header and tables"
            )
        };
        let mut bytes = [0; V3_LEN + 8];
        let available = usize::try_from(file_len).unwrap_or(usize::MAX).min(bytes.len());
        if available < V2_LEN {
            return Err(truncated());
        }
        store.read_at(0, &mut bytes[..available]).map_err(|e| e.to_string())?;
        if bytes[..4] != MAGIC {
            return Err("it is not a qcow2 image: the first bytes are not QFI\\xfb".to_owned());
        }
        let version = be32(&bytes, 4);
        if !(2..=3).contains(&version) {
            return Err(format!("qcow2 version {version} is not known, only 2 and 3"));
        }
        let v3 = version == 3;
        if v3 && available < V3_LEN {
            return Err(truncated());
        }
        let cluster_bits = be32(&bytes, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(format!("the qcow2 header is damaged: clusters of 2^{cluster_bits} bytes"));
        }
        let (incompatible, autoclear, refcount_order, header_len) = if v3 {
            (be64(&bytes, 72), be64(&bytes, 88), be32(&bytes, 96), be32(&bytes, 100))
        } else {
            (0, 0, 4, V2_LEN as u32)
        };
        let unwritable = check_features(incompatible, &bytes, header_len, available)?;
        if be32(&bytes, 32) != 0 {
            return Err("encrypted qcow2 images are not supported".to_owned());
        }
        if refcount_order > 6 {
            let message = format!("refcounts of 2^{refcount_order} bits");
            return Err(format!("the qcow2 header is damaged: {message}"));
        }
        let mut header = Self {
            version,
            cluster_bits,
            size: be64(&bytes, 24),
            l1_size: be32(&bytes, 36),
            l1_offset: be64(&bytes, 40),
            refcount_table_offset: be64(&bytes, 48),
            refcount_table_clusters: be32(&bytes, 56),
            refcount_order,
            backing: None,
            unwritable,
            autoclear,
        };
        header.check_tables(file_len, &truncated)?;
        header.backing = read_backing(store, &bytes, header_len, &header, &truncated)?;
        Ok(header)
    }

    fn check_tables(&self, file_len: u64, truncated: &dyn Fn() -> String) -> Result<(), String> {
        let damaged = |what: &str| Err(format!("the qcow2 header is damaged: {what}"));
        let cluster_size = self.cluster_size();
        let needed = self.size.div_ceil(cluster_size).div_ceil(self.l2_entries());
        if u64::from(self.l1_size) < needed || u64::from(self.l1_size) * 8 > MAX_L1_BYTES {
            let (n, size) = (self.l1_size, self.size);
            return damaged(&format!("{n} L1 entries for a disk of {size} bytes"));
        }
        let table_bytes = u64::from(self.refcount_table_clusters) << self.cluster_bits;
        if table_bytes == 0 || table_bytes > MAX_REFCOUNT_TABLE_BYTES {
            let n = self.refcount_table_clusters;
            return damaged(&format!("a refcount table of {n} clusters"));
        }
        for (name, offset, len) in [
            ("L1 table", self.l1_offset, u64::from(self.l1_size) * 8),
            ("refcount table", self.refcount_table_offset, table_bytes),
        ] {
            if len == 0 {
                continue;
            }
            if offset < cluster_size || !offset.is_multiple_of(cluster_size) {
                return damaged(&format!("the {name} is at {offset:#x}"));
            }
            if offset.checked_add(len).is_none_or(|end| end > file_len) {
                return Err(truncated());
            }
        }
        Ok(())
    }
}

/// Returns why the image must not be written, if so.
fn check_features(
    features: u64,
    bytes: &[u8],
    header_len: u32,
    available: usize,
) -> Result<Option<&'static str>, String> {
    let has = |bit: u64| features & bit != 0;
    if has(incompatible::EXTERNAL_DATA) {
        return Err("qcow2 images with an external data file are not supported".to_owned());
    }
    if has(incompatible::EXTENDED_L2) {
        return Err("qcow2 images with subclusters (extended_l2) are not supported".to_owned());
    }
    let compression = bytes[V3_LEN];
    if has(incompatible::COMPRESSION_TYPE)
        && (header_len as usize <= V3_LEN || available <= V3_LEN || compression != 0)
    {
        return Err("of qcow2's compression types only zlib is supported".to_owned());
    }
    let known = incompatible::DIRTY | incompatible::CORRUPT | incompatible::COMPRESSION_TYPE;
    let unknown = features & !known;
    if unknown != 0 {
        return Err(format!("the qcow2 image uses unknown features: {unknown:#x}"));
    }
    Ok(if has(incompatible::CORRUPT) {
        Some("the qcow2 image is marked as damaged; qemu-img check can repair it")
    } else if has(incompatible::DIRTY) {
        Some("the qcow2 image was not closed properly; qemu-img check -r all repairs it")
    } else {
        None
    })
}

fn read_backing(
    store: &dyn ByteStore,
    bytes: &[u8],
    header_len: u32,
    header: &Header,
    truncated: &dyn Fn() -> String,
) -> Result<Option<Backing>, String> {
    let (offset, len) = (be64(bytes, 8), be32(bytes, 16));
    if offset == 0 {
        return Ok(None);
    }
    if len > MAX_BACKING_NAME {
        let message = format!("a backing file's name of {len} bytes");
        return Err(format!("the qcow2 header is damaged: {message}"));
    }
    let mut name = vec![0; len as usize];
    store.read_at(offset, &mut name).map_err(|_| truncated())?;
    let name = String::from_utf8(name)
        .map_err(|_| "the name of the qcow2 image's backing file is not UTF-8".to_owned())?;
    // Extensions lie between header and the end of the first cluster.
    let mut format = None;
    let mut at = u64::from(header_len);
    while at + 8 <= header.cluster_size() {
        let mut head = [0; 8];
        if store.read_at(at, &mut head).is_err() {
            break;
        }
        let (kind, len) = (be32(&head, 0), be32(&head, 4));
        if kind == 0 || u64::from(len) > header.cluster_size() - at - 8 {
            break;
        }
        if kind == EXTENSION_BACKING_FORMAT {
            let mut text = vec![0; len as usize];
            store.read_at(at + 8, &mut text).map_err(|_| truncated())?;
            format = String::from_utf8(text).ok();
        }
        at += 8 + u64::from(len).next_multiple_of(8);
    }
    Ok(Some(Backing { name, format }))
}

/// The bytes of a fresh version 3 header with a backing file.
pub(super) fn fresh_header(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let put32 = |bytes: &mut Vec<u8>, n: u32| bytes.extend_from_slice(&n.to_be_bytes());
    let put64 = |bytes: &mut Vec<u8>, n: u64| bytes.extend_from_slice(&n.to_be_bytes());
    // The extensions end where the name begins.
    let format = header.backing.as_ref().and_then(|b| b.format.as_deref()).unwrap_or("");
    let mut extensions = Vec::new();
    if !format.is_empty() {
        put32(&mut extensions, EXTENSION_BACKING_FORMAT);
        put32(&mut extensions, format.len() as u32);
        extensions.extend_from_slice(format.as_bytes());
        extensions.resize(extensions.len().next_multiple_of(8), 0);
    }
    extensions.extend_from_slice(&[0; 8]);
    let name = header.backing.as_ref().map_or("", |b| &b.name);
    let name_offset = if name.is_empty() { 0 } else { (V3_LEN + 8 + extensions.len()) as u64 };

    bytes.extend_from_slice(&MAGIC);
    put32(&mut bytes, header.version);
    put64(&mut bytes, name_offset);
    put32(&mut bytes, name.len() as u32);
    put32(&mut bytes, header.cluster_bits);
    put64(&mut bytes, header.size);
    put32(&mut bytes, 0); // no encryption
    put32(&mut bytes, header.l1_size);
    put64(&mut bytes, header.l1_offset);
    put64(&mut bytes, header.refcount_table_offset);
    put32(&mut bytes, header.refcount_table_clusters);
    put32(&mut bytes, 0); // no internal snapshots
    put64(&mut bytes, 0);
    put64(&mut bytes, 0); // no features
    put64(&mut bytes, 0);
    put64(&mut bytes, 0);
    put32(&mut bytes, header.refcount_order);
    put32(&mut bytes, V3_LEN as u32 + 8);
    bytes.extend_from_slice(&[0; 8]); // compression by zlib, padding
    bytes.extend_from_slice(&extensions);
    bytes.extend_from_slice(name.as_bytes());
    bytes
}
