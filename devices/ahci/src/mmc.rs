//! The data that a CD drive answers packet commands with (MMC-5; SPC-3 where it says so).

use crate::cd::{MediaEvent, Sense, sense};
use crate::drive::{DriveIdentity, ascii_field};

/// Blocks of the longest CD, 99:59:74; whatever is longer is a DVD.
const CD_MAX_BLOCKS: u64 = 450_000;
/// Two seconds lie before the first block.
const LEAD_IN_FRAMES: u64 = 150;
/// A data track, no copy permitted.
const ADR_CONTROL_DATA: u8 = 0x14;
const LEAD_OUT: u8 = 0xaa;
/// DVD: where the data area begins.
const DVD_FIRST_SECTOR: u32 = 0x03_0000;

const PROFILE_CD_ROM: u16 = 0x0008;
const PROFILE_DVD_ROM: u16 = 0x0010;

/// A block's address as 0, minutes, seconds and frames.
pub(crate) fn msf(block: u64) -> [u8; 4] {
    let frames = block + LEAD_IN_FRAMES;
    [0, (frames / 4500).min(255) as u8, (frames / 75 % 60) as u8, (frames % 75) as u8]
}

/// REQUEST SENSE, fixed format (SPC-3, 4.5.3).
pub(crate) fn sense_data(Sense(key, code, qualifier): Sense) -> Vec<u8> {
    let mut data = vec![0; 18];
    data[0] = 0xf0;
    data[2] = key;
    data[7] = 10;
    data[12] = code;
    data[13] = qualifier;
    data
}

/// INQUIRY (SPC-3, 6.4.2).
pub(crate) fn inquiry(identity: &DriveIdentity) -> Vec<u8> {
    let mut data = vec![0; 36];
    data[0] = 0x05;
    data[1] = 0x80;
    // ATAPI: no SCSI version, response format 2 with the version of the transport above it.
    data[3] = 0x21;
    data[4] = 31;
    let (vendor, product) = identity.model.split_once(' ').unwrap_or(("", &identity.model));
    ascii_field(vendor, &mut data[8..16]);
    ascii_field(product, &mut data[16..32]);
    ascii_field(&identity.firmware, &mut data[32..36]);
    data
}

/// Mode pages that can be asked for; 0x3f is all of them.
const PAGE_ERROR_RECOVERY: u8 = 0x01;
const PAGE_AUDIO_CONTROL: u8 = 0x0e;
const PAGE_CAPABILITIES: u8 = 0x2a;
const PAGE_ALL: u8 = 0x3f;

/// The mode pages that byte 2 of MODE SENSE asks for. Nothing can be changed, so the changeable values
/// are zero (SPC-3, 6.9).
pub(crate) fn mode_pages(byte_2: u8, locked: bool) -> Result<Vec<u8>, Sense> {
    const CONTROL_CHANGEABLE: u8 = 1;
    const CONTROL_SAVED: u8 = 3;
    let (control, page) = (byte_2 >> 6, byte_2 & 0x3f);
    if control == CONTROL_SAVED {
        return Err(Sense(5, 0x39, 0));
    }
    let mut pages: Vec<Vec<u8>> = Vec::new();
    let wants = |code| page == code || page == PAGE_ALL;
    if wants(PAGE_ERROR_RECOVERY) {
        pages.push(vec![PAGE_ERROR_RECOVERY, 6, 0, 5, 0, 0, 0, 0]);
    }
    if wants(PAGE_AUDIO_CONTROL) {
        let mut audio = vec![0; 16];
        audio[..3].copy_from_slice(&[PAGE_AUDIO_CONTROL, 14, 4]);
        // Ports 0 and 1 play the left and the right channel at full volume.
        audio[8..12].copy_from_slice(&[1, 0xff, 2, 0xff]);
        pages.push(audio);
    }
    if wants(PAGE_CAPABILITIES) {
        let mut capabilities = vec![0; 22];
        // Reads CD-R, CD-RW and DVD-ROM; multi-session; mode 2; a tray that can be locked and ejected.
        let lock_and_tray = 0x29 | u8::from(locked) << 1;
        let start = [PAGE_CAPABILITIES, 20, 0x3b, 0x00, 0x70, 0x00, lock_and_tray, 0x00];
        capabilities[..8].copy_from_slice(&start);
        // Speed in kB/s (50×), twice, with the buffer in KiB between.
        let speed = 8800u16.to_be_bytes();
        capabilities[8..10].copy_from_slice(&speed);
        capabilities[12..14].copy_from_slice(&512u16.to_be_bytes());
        capabilities[14..16].copy_from_slice(&speed);
        pages.push(capabilities);
    }
    if pages.is_empty() {
        return Err(sense::INVALID_FIELD);
    }
    if control == CONTROL_CHANGEABLE {
        for page in &mut pages {
            page[2..].fill(0);
        }
    }
    Ok(pages.concat())
}

/// Medium type of the mode parameter header.
fn medium_type(blocks: u64) -> u8 {
    if blocks == 0 { 0x70 } else { 0x01 }
}

/// MODE SENSE (6): header and pages, no block descriptors.
pub(crate) fn mode_sense_6(pages: &[u8], blocks: u64) -> Vec<u8> {
    let mut data = vec![3 + pages.len() as u8, medium_type(blocks), 0, 0];
    data.extend(pages);
    data
}

/// MODE SENSE (10).
pub(crate) fn mode_sense_10(pages: &[u8], blocks: u64) -> Vec<u8> {
    let [high, low] = (6 + pages.len() as u16).to_be_bytes();
    let mut data = vec![high, low, medium_type(blocks), 0, 0, 0, 0, 0];
    data.extend(pages);
    data
}

/// READ TOC/PMA/ATIP (6.26) of a disc with one session of one data track.
pub(crate) fn toc(format: u8, first: u8, as_msf: bool, blocks: u64) -> Result<Vec<u8>, Sense> {
    let address = |block: u64| match as_msf {
        true => msf(block),
        false => u32::try_from(block).unwrap_or(u32::MAX).to_be_bytes(),
    };
    let track = |number: u8, block: u64| {
        let mut entry = vec![0, ADR_CONTROL_DATA, number, 0];
        entry.extend(address(block));
        entry
    };
    let mut data = vec![0, 0, 1, 1];
    match format {
        0 => {
            if first > 1 && first != LEAD_OUT {
                return Err(sense::INVALID_FIELD);
            }
            if first <= 1 {
                data.extend(track(1, 0));
            }
            data.extend(track(LEAD_OUT, blocks));
        }
        1 => data.extend(track(1, 0)),
        2 => {
            // Points: first track, last track, lead-out, track 1.
            let [_, minute, second, frame] = msf(blocks);
            for (point, at) in [
                (0xa0, [1, 0, 0]),
                (0xa1, [1, 0, 0]),
                (0xa2, [minute, second, frame]),
                (1, [0, 2, 0]),
            ] {
                data.extend([1, ADR_CONTROL_DATA, 0, point, 0, 0, 0, 0, at[0], at[1], at[2]]);
            }
        }
        _ => return Err(sense::INVALID_FIELD),
    }
    let [high, low] = (data.len() as u16 - 2).to_be_bytes();
    data[..2].copy_from_slice(&[high, low]);
    Ok(data)
}

/// GET CONFIGURATION (6.5): `kind` 0 is all features from `first` on, 1 the current ones, 2 `first`
/// alone.
pub(crate) fn configuration(kind: u8, first: u16, blocks: u64) -> Result<Vec<u8>, Sense> {
    const CURRENT: u8 = 1;
    let is_dvd = blocks > CD_MAX_BLOCKS;
    let is_cd = blocks != 0 && !is_dvd;
    let profile = match (is_cd, is_dvd) {
        (true, _) => PROFILE_CD_ROM,
        (_, true) => PROFILE_DVD_ROM,
        _ => 0,
    };
    let listed = |profile: u16, current: bool| {
        let [high, low] = profile.to_be_bytes();
        [high, low, u8::from(current), 0]
    };
    let profiles = [listed(PROFILE_DVD_ROM, is_dvd), listed(PROFILE_CD_ROM, is_cd)].concat();
    let any = is_cd || is_dvd;
    // Feature, version and persistence (bits 5:1), whether it is current, what follows.
    let features: [(u16, u8, bool, Vec<u8>); 8] = [
        (0x0000, 0x02, true, profiles),
        // Core: ATAPI.
        (0x0001, 0x0a, true, vec![0, 0, 0, 2, 1, 0, 0, 0]),
        // Morphing: events are polled for.
        (0x0002, 0x06, true, vec![2, 0, 0, 0]),
        // Removable medium: a tray that locks and ejects.
        (0x0003, 0x02, true, vec![0x29, 0, 0, 0]),
        // Random readable: 2048-byte blocks, one at a time.
        (0x0010, 0x00, any, vec![0, 0, 8, 0, 0, 1, 0, 0]),
        (0x001d, 0x00, is_cd, vec![]),
        (0x001e, 0x08, is_cd, vec![0, 0, 0, 0]),
        (0x001f, 0x04, is_dvd, vec![0, 0, 0, 0]),
    ];
    let kind = kind & 3;
    if kind == 3 {
        return Err(sense::INVALID_FIELD);
    }
    let mut data = vec![0; 8];
    data[6..8].copy_from_slice(&profile.to_be_bytes());
    for (code, version, is_current, body) in features {
        let is_wanted = match kind {
            0 => code >= first,
            1 => code >= first && is_current,
            _ => code == first,
        };
        if is_wanted {
            data.extend(code.to_be_bytes());
            data.push(version | if is_current { CURRENT } else { 0 });
            data.push(body.len() as u8);
            data.extend(body);
        }
    }
    let len = data.len() as u32 - 4;
    data[..4].copy_from_slice(&len.to_be_bytes());
    Ok(data)
}

/// GET EVENT STATUS NOTIFICATION (6.6): of the classes asked for, the medium's is the one that is here.
pub(crate) fn event(
    classes: u8,
    event: &mut MediaEvent,
    tray_open: bool,
    has_medium: bool,
) -> Vec<u8> {
    const CLASS_MEDIA: u8 = 4;
    const NO_EVENT: u8 = 0x80;
    const SUPPORTED: u8 = 1 << CLASS_MEDIA;
    if classes & SUPPORTED == 0 {
        return vec![0, 2, NO_EVENT, SUPPORTED];
    }
    let code = match std::mem::take(event) {
        MediaEvent::NoChange => 0,
        MediaEvent::NewMedia => 2,
        MediaEvent::MediaRemoval => 3,
    };
    let status = u8::from(tray_open) | u8::from(has_medium) << 1;
    vec![0, 6, CLASS_MEDIA, SUPPORTED, code, status, 0, 0]
}

/// READ DISC INFORMATION (6.22): a complete disc, one session, one track.
pub(crate) fn disc_information() -> Vec<u8> {
    let mut data = vec![0; 34];
    data[1] = 32;
    // Last session complete, disc complete.
    data[2] = 0x0e;
    data[3..7].fill(1);
    // Unrestricted use.
    data[7] = 0x20;
    // No lead-in and lead-out addresses to write to.
    data[16..24].fill(0xff);
    data
}

/// READ TRACK INFORMATION (6.27) of the one track.
pub(crate) fn track_information(blocks: u64) -> Vec<u8> {
    let mut data = vec![0; 36];
    data[1] = 34;
    data[2] = 1;
    data[3] = 1;
    // A data track, mode 1.
    data[5] = 0x04;
    data[6] = 0x01;
    let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
    data[24..28].copy_from_slice(&blocks.to_be_bytes());
    data
}

/// READ DVD STRUCTURE (6.23): physical format, copyright (none), manufacturer's data.
pub(crate) fn dvd_structure(format: u8, blocks: u64) -> Result<Vec<u8>, Sense> {
    if blocks <= CD_MAX_BLOCKS {
        // Incompatible medium.
        return Err(Sense(5, 0x30, 0x02));
    }
    let body = match format {
        0x00 => {
            let mut body = vec![0; 2048];
            // DVD-ROM version 1, 120 mm, one layer of embossed data.
            body[0] = 0x01;
            body[1] = 0x0f;
            body[2] = 0x01;
            let last = u32::try_from(u64::from(DVD_FIRST_SECTOR) + blocks - 1).unwrap_or(u32::MAX);
            body[4..8].copy_from_slice(&DVD_FIRST_SECTOR.to_be_bytes());
            body[8..12].copy_from_slice(&last.to_be_bytes());
            body
        }
        0x01 => vec![0; 4],
        0x04 => vec![0; 2048],
        _ => return Err(sense::INVALID_FIELD),
    };
    let [high, low] = (body.len() as u16 + 2).to_be_bytes();
    Ok([vec![high, low, 0, 0], body].concat())
}

/// MECHANISM STATUS (6.8): no changer, idle.
pub(crate) fn mechanism_status() -> Vec<u8> {
    vec![0, 0, 0, 0, 0, 1, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toc_has_a_data_track_and_the_lead_out() {
        let toc_lba = toc(0, 0, false, 16).unwrap();
        assert_eq!(toc_lba[..4], [0, 18, 1, 1]);
        assert_eq!(toc_lba[4..12], [0, 0x14, 1, 0, 0, 0, 0, 0]);
        assert_eq!(toc_lba[12..20], [0, 0x14, 0xaa, 0, 0, 0, 0, 16]);
        assert_eq!(toc(0, 0xaa, true, 16).unwrap()[4..], [0, 0x14, 0xaa, 0, 0, 0, 2, 16]);
        assert_eq!(toc(1, 0, false, 16).unwrap()[..4], [0, 10, 1, 1]);
        assert_eq!(toc(2, 0, true, 16).unwrap().len(), 48);
        assert!(toc(3, 0, true, 16).is_err() && toc(0, 2, true, 16).is_err());
    }

    #[test]
    fn the_profile_follows_the_medium() {
        let profile = |blocks| configuration(2, 0, blocks).unwrap()[6..8].to_vec();
        assert_eq!(profile(0), [0, 0]);
        assert_eq!(profile(100), [0, 0x08]);
        assert_eq!(profile(2_000_000), [0, 0x10]);
        let all = configuration(0, 0, 100).unwrap();
        assert_eq!(all[3] as usize, all.len() - 4);
        assert!(configuration(0, 0xffff, 100).unwrap().len() == 8);
    }

    #[test]
    fn mode_pages_come_alone_or_together() {
        let all = mode_pages(0x3f, false).unwrap();
        assert_eq!(all.len(), 8 + 16 + 22);
        assert_eq!(mode_sense_10(&all, 1)[..2], [0, 52]);
        assert_eq!(mode_sense_6(&mode_pages(0x2a, true).unwrap(), 0)[..2], [25, 0x70]);
        assert!(mode_pages(0x42, false).is_err());
        assert_eq!(mode_pages(0xc1, false), Err(Sense(5, 0x39, 0)));
        assert!(mode_pages(0x41, false).unwrap()[2..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn addresses_count_from_two_seconds() {
        assert_eq!(msf(0), [0, 0, 2, 0]);
        assert_eq!(msf(75 * 60 - 150), [0, 1, 0, 0]);
        assert_eq!(msf(1 << 32)[1], 255);
    }
}
