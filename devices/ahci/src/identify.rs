//! IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data (ATA8-ACS, 7.12 and 7.13).

use crate::disk::{MAX_DSM_BLOCKS, MAX_MULTIPLE, Settings};
use crate::drive::{DriveIdentity, ascii_words};

const WORDS: usize = 256;
/// The last word: this in the low byte, the checksum in the high.
const INTEGRITY: u16 = 0xa5;
/// ATA-4 to ATA8-ACS.
const MAJOR_VERSIONS: u16 = 0x01f0;
/// Word 76: Serial ATA 1.5 Gb/s.
const SATA_GEN1: u16 = 1 << 1;
/// Word 76: native command queuing.
const SATA_NCQ: u16 = 1 << 8;
/// Word 77: 1.5 Gb/s negotiated.
const SATA_SPEED_GEN1: u16 = 1 << 1;
/// Fastest cycle in nanoseconds.
const CYCLE: u16 = 120;

fn strings(identity: &DriveIdentity, words: &mut [u16; WORDS]) {
    ascii_words(&identity.serial, &mut words[10..20]);
    ascii_words(&identity.firmware, &mut words[23..27]);
    ascii_words(&identity.model, &mut words[27..47]);
}

/// Words 63 and 88: modes that are there, and the chosen one.
fn dma_modes(transfer_mode: u8) -> (u16, u16) {
    let chosen = |base: u8| match transfer_mode.checked_sub(base) {
        Some(mode @ 0..8) => 0x100 << mode,
        _ => 0,
    };
    (0x0007 | chosen(0x20), 0x003f | chosen(0x40))
}

fn finish(mut words: [u16; WORDS]) -> Vec<u8> {
    words[255] = INTEGRITY;
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[511] = sum.wrapping_neg();
    bytes
}

/// Of a disk of `sectors`.
pub(crate) fn disk(identity: &DriveIdentity, settings: &Settings, sectors: u64) -> Vec<u8> {
    let mut w = [0u16; WORDS];
    let track = 16 * 63;
    let cylinders = (sectors / track).clamp(1, 16383) as u16;
    // Not removable; default geometry.
    w[0] = 0x0040;
    w[1] = cylinders;
    w[3] = 16;
    w[6] = 63;
    strings(identity, &mut w);
    w[47] = 0x8000 | u16::from(MAX_MULTIPLE);
    // IORDY, LBA, DMA.
    w[49] = 0x0b00;
    w[50] = 0x4000;
    w[51] = 0x0200;
    w[52] = 0x0200;
    // Words 54–58, 64–70 and 88 are valid.
    w[53] = 0x0007;
    let per_cylinder = u64::from(settings.heads) * u64::from(settings.sectors_per_track);
    w[54] = (sectors / per_cylinder.max(1)).min(0xffff) as u16;
    w[55] = settings.heads.into();
    w[56] = settings.sectors_per_track.into();
    let chs = (u64::from(w[54]) * per_cylinder) as u32;
    (w[57], w[58]) = (chs as u16, (chs >> 16) as u16);
    if settings.multiple != 0 {
        w[59] = 0x0100 | u16::from(settings.multiple);
    }
    let lba28 = sectors.min(0xfff_ffff) as u32;
    (w[60], w[61]) = (lba28 as u16, (lba28 >> 16) as u16);
    (w[63], w[88]) = dma_modes(settings.transfer_mode);
    // PIO 3 and 4.
    w[64] = 0x0003;
    w[65..=68].fill(CYCLE);
    w[75] = 31;
    w[76] = SATA_GEN1 | SATA_NCQ;
    w[77] = SATA_SPEED_GEN1;
    w[80] = MAJOR_VERSIONS;
    // SMART, power management, write cache, look-ahead, NOP.
    w[82] = 0x4069;
    // FLUSH CACHE and its EXT form, 48-bit addresses.
    w[83] = 0x7400;
    // SMART error logs, general purpose logs, WRITE DMA FUA EXT.
    w[84] = 0x4061;
    w[85] = 0x4008
        | u16::from(settings.smart)
        | u16::from(settings.write_cache) << 5
        | u16::from(settings.look_ahead) << 6;
    w[86] = 0x3400;
    w[87] = 0x4061;
    for (n, word) in w[100..104].iter_mut().enumerate() {
        *word = (sectors >> (16 * n)) as u16;
    }
    w[105] = MAX_DSM_BLOCKS;
    w[106] = 0x4000;
    // TRIM; and no rotation: the medium has no seek times worth arranging for.
    w[169] = 1;
    w[217] = 1;
    finish(w)
}

/// Of a CD drive.
pub(crate) fn cd(identity: &DriveIdentity, transfer_mode: u8) -> Vec<u8> {
    let mut w = [0u16; WORDS];
    // ATAPI, CD-ROM, removable, DRQ within 50 µs, 12-byte packets.
    w[0] = 0x85c0;
    strings(identity, &mut w);
    // LBA, DMA, IORDY.
    w[49] = 0x0b00;
    w[53] = 0x0006;
    (w[63], w[88]) = dma_modes(transfer_mode);
    w[64] = 0x0003;
    w[65..=68].fill(CYCLE);
    w[76] = SATA_GEN1;
    w[77] = SATA_SPEED_GEN1;
    w[80] = MAJOR_VERSIONS;
    // PACKET, power management, DEVICE RESET, NOP.
    w[82] = 0x4218;
    w[83] = 0x4000;
    w[84] = 0x4000;
    w[85] = 0x4218;
    w[87] = 0x4000;
    finish(w)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> DriveIdentity {
        DriveIdentity { model: "Disk".into(), serial: "é1".into(), firmware: "123456789".into() }
    }

    fn words(data: &[u8]) -> Vec<u16> {
        data.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn the_words_tell_capacity_and_names_and_sum_to_zero() {
        let data = disk(&identity(), &Settings::default(), 0x1_2345_6789);
        assert_eq!(data.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        let w = words(&data);
        assert_eq!(w[100..104], [0x6789, 0x2345, 1, 0]);
        assert_eq!((w[60], w[61]), (0xffff, 0x0fff));
        assert_eq!((w[1], w[3], w[6]), (16383, 16, 63));
        assert_eq!(w[27..29], [0x4469, 0x736b]);
        assert_eq!(w[10], 0x3f31);
        assert_eq!(w[26], 0x3738);
        assert_eq!(w[88], 0x203f);
    }

    #[test]
    fn the_smallest_and_the_largest_disk_can_be_described() {
        for sectors in [0, 1, 1 << 48] {
            let settings = Settings { heads: 1, sectors_per_track: 1, ..Settings::default() };
            assert_eq!(disk(&identity(), &settings, sectors).len(), 512);
        }
        assert_eq!(words(&cd(&identity(), 0x22))[63], 0x0407);
    }
}
