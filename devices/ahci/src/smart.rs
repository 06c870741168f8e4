//! SMART and the general purpose logs (ATA8-ACS, 7.21, 7.52 and annex A): a disk that is always well.

use crate::disk::{QueuedError, SECTOR};
use crate::fis::HostToDevice;

/// Subcommands, in the features register (7.52).
mod subcommand {
    pub const READ_DATA: u8 = 0xd0;
    pub const READ_THRESHOLDS: u8 = 0xd1;
    pub const AUTOSAVE: u8 = 0xd2;
    pub const EXECUTE_OFFLINE_IMMEDIATE: u8 = 0xd4;
    pub const READ_LOG: u8 = 0xd5;
    pub const ENABLE: u8 = 0xd8;
    pub const DISABLE: u8 = 0xd9;
    pub const RETURN_STATUS: u8 = 0xda;
}

/// The key in LBA 23:8.
const KEY: u64 = 0xc24f;

/// Log addresses (annex A).
const LOG_DIRECTORY: u8 = 0x00;
const LOG_SUMMARY_ERRORS: u8 = 0x01;
const LOG_SELF_TEST: u8 = 0x06;
/// The queued command that failed.
pub(crate) const LOG_QUEUED_ERROR: u8 = 0x10;

/// What a SMART command comes to.
pub(crate) enum Answer {
    Data(Vec<u8>),
    Done,
    Abort,
}

/// Performs a SMART command.
pub(crate) fn execute(fis: &HostToDevice, enabled: &mut bool) -> Answer {
    let code = fis.features as u8;
    if fis.lba >> 8 & 0xffff != KEY || !(*enabled || code == subcommand::ENABLE) {
        return Answer::Abort;
    }
    match code {
        subcommand::READ_DATA => Answer::Data(with_checksum(data())),
        subcommand::READ_THRESHOLDS => Answer::Data(with_checksum(thresholds())),
        subcommand::ENABLE => {
            *enabled = true;
            Answer::Done
        }
        subcommand::DISABLE => {
            *enabled = false;
            Answer::Done
        }
        // The key as it came means that no threshold is exceeded.
        subcommand::RETURN_STATUS | subcommand::AUTOSAVE => Answer::Done,
        subcommand::EXECUTE_OFFLINE_IMMEDIATE => match fis.lba as u8 {
            // Off-line collection, short and extended self-test, abort: done at once.
            0..=2 | 0x7f => Answer::Done,
            _ => Answer::Abort,
        },
        subcommand::READ_LOG => match fis.lba as u8 {
            LOG_DIRECTORY => {
                let mut page = vec![0; SECTOR as usize];
                page[0] = 1;
                for log in [LOG_SUMMARY_ERRORS, LOG_SELF_TEST] {
                    page[2 * usize::from(log)] = 1;
                }
                Answer::Data(page)
            }
            LOG_SUMMARY_ERRORS | LOG_SELF_TEST => {
                let mut page = vec![0; SECTOR as usize];
                page[0] = 1;
                Answer::Data(with_checksum(page))
            }
            _ => Answer::Abort,
        },
        _ => Answer::Abort,
    }
}

/// Attributes: id, flags (bit 0: its threshold counts), normal value, threshold, raw value.
const ATTRIBUTES: [(u8, u16, u8, u8, u8); 6] = [
    (1, 0x03, 100, 6, 0),
    (3, 0x03, 100, 0, 16),
    (5, 0x03, 100, 36, 0),
    (9, 0x03, 100, 0, 1),
    (12, 0x03, 100, 0, 0),
    (190, 0x03, 69, 50, 31),
];

fn data() -> Vec<u8> {
    let mut page = vec![0; SECTOR as usize];
    page[0] = 1;
    for (entry, (id, flags, value, _, raw)) in page[2..362].chunks_mut(12).zip(ATTRIBUTES) {
        entry[0] = id;
        entry[1..3].copy_from_slice(&flags.to_le_bytes());
        entry[3] = value;
        entry[4] = value;
        entry[5] = raw;
    }
    // Off-line collection was completed; minutes of the self-tests; error logging.
    page[362] = 0x02;
    page[367] = 0x1b;
    page[368] = 0x03;
    page[370] = 0x01;
    page[372] = 2;
    page[373] = 54;
    page
}

fn thresholds() -> Vec<u8> {
    let mut page = vec![0; SECTOR as usize];
    page[0] = 1;
    for (entry, (id, _, _, threshold, _)) in page[2..362].chunks_mut(12).zip(ATTRIBUTES) {
        entry[0] = id;
        entry[1] = threshold;
    }
    page
}

fn with_checksum(mut page: Vec<u8>) -> Vec<u8> {
    page[511] = 0;
    let sum = page.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    page[511] = sum.wrapping_neg();
    page
}

/// Page `page` of a general purpose log; each log that is here has one. `count` pages are asked for.
pub(crate) fn log(log: u8, page: u64, count: u16, error: Option<&QueuedError>) -> Option<Vec<u8>> {
    if page != 0 || count != 1 {
        return None;
    }
    match log {
        LOG_DIRECTORY => {
            let mut data = vec![0; SECTOR as usize];
            data[0] = 1;
            data[2 * usize::from(LOG_QUEUED_ERROR)] = 1;
            Some(data)
        }
        LOG_QUEUED_ERROR => Some(queued_error(error)),
        _ => None,
    }
}

/// Annex A.14.
fn queued_error(error: Option<&QueuedError>) -> Vec<u8> {
    const NOT_QUEUED: u8 = 0x80;
    let mut page = vec![0; SECTOR as usize];
    match error {
        None => page[0] = NOT_QUEUED,
        Some(QueuedError { tag, task_file }) => {
            let lba = task_file.lba.to_le_bytes();
            page[0] = *tag;
            page[2] = task_file.status.bits();
            page[3] = task_file.error;
            page[4..7].copy_from_slice(&lba[..3]);
            page[7] = task_file.device;
            page[8..11].copy_from_slice(&lba[3..6]);
            page[12..14].copy_from_slice(&task_file.count.to_le_bytes());
        }
    }
    with_checksum(page)
}
