//! Cylinders, heads and sectors.

use serde::{Deserialize, Serialize};

use crate::config::DriveKind;

use super::Target;

/// The shape a drive shows to INT 13h, AH = 02h and 08h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Geometry {
    pub cylinders: u32,
    pub heads: u32,
    /// Sectors on a track.
    pub sectors: u32,
}

/// The most cylinders INT 13h can name.
const MAX_CYLINDERS: u64 = 1024;

impl Geometry {
    /// The geometry that the first sector's partition table was made with: that of which one entry's
    /// ends are the same place by number and by cylinder, head and sector. Boot code on the disk counts
    /// on it.
    pub fn from_partitions(first_sector: &[u8], total: u64) -> Option<Self> {
        const TABLE: std::ops::Range<usize> = 446..510;
        const SIGNATURE: [u8; 2] = [0x55, 0xaa];
        if first_sector.get(510..512) != Some(&SIGNATURE) {
            return None;
        }
        let entries = first_sector[TABLE].as_chunks::<16>().0;
        entries.iter().find_map(|entry| {
            let word = |at: usize| {
                u64::from(u32::from_le_bytes([
                    entry[at],
                    entry[at + 1],
                    entry[at + 2],
                    entry[at + 3],
                ]))
            };
            let place = |at: usize| {
                let cylinder = u32::from(entry[at + 2]) | u32::from(entry[at + 1] & 0xc0) << 2;
                (cylinder, u32::from(entry[at]), u32::from(entry[at + 1] & 0x3f))
            };
            let (start, len) = (word(8), word(12));
            let (_, last_head, last_sector) = place(5);
            if len == 0 || last_sector == 0 || last_head == 255 {
                return None;
            }
            // Partitions end with a cylinder, so its last head and sector are the disk's.
            let (heads, sectors) = (last_head + 1, last_sector);
            let cylinders = (total / u64::from(heads * sectors)).min(MAX_CYLINDERS);
            let geometry = Self { cylinders: cylinders as u32, heads, sectors };
            let is_at = |at: usize, number: u64| {
                let (cylinder, head, sector) = place(at);
                geometry.lba(cylinder, head, sector) == Some(number)
            };
            (is_at(1, start) && is_at(5, start + len - 1)).then_some(geometry)
        })
    }

    /// Whether it can be one, after a restore.
    pub fn is_valid(&self) -> bool {
        (1..=MAX_CYLINDERS as u32).contains(&self.cylinders)
            && (1..=255).contains(&self.heads)
            && (1..=63).contains(&self.sectors)
    }

    /// The geometry of a drive about which nothing more is known.
    pub fn of(target: &Target) -> Self {
        match target.kind {
            DriveKind::Floppy => Self::floppy(target.sectors),
            DriveKind::HardDisk | DriveKind::Cd => Self::hard_disk(target.sectors),
        }
    }

    /// Sectors by 63 to a track, and as few heads of 16, 32, 64, 128 and 255 as make the cylinders fit:
    /// the assisted translation every BIOS has.
    fn hard_disk(total: u64) -> Self {
        const SECTORS: u64 = 63;
        let heads = [16, 32, 64, 128]
            .into_iter()
            .find(|heads| total <= MAX_CYLINDERS * heads * SECTORS)
            .unwrap_or(255);
        let cylinders = (total / (heads * SECTORS)).clamp(1, MAX_CYLINDERS);
        Self { cylinders: cylinders as u32, heads: heads as u32, sectors: SECTORS as u32 }
    }

    fn floppy(total: u64) -> Self {
        let (cylinders, heads, sectors) = match total {
            320 => (40, 1, 8),
            360 => (40, 1, 9),
            640 => (40, 2, 8),
            720 => (40, 2, 9),
            1440 => (80, 2, 9),
            2400 => (80, 2, 15),
            5760 => (80, 2, 36),
            _ => (80, 2, (total / 160).clamp(18, 63) as u32),
        };
        Self { cylinders, heads, sectors }
    }

    /// The drive type of INT 13h, AH = 08h, for a diskette of this shape.
    pub fn floppy_type(&self) -> u8 {
        match (self.cylinders, self.sectors) {
            (40, _) => 1,
            (_, 9) => 3,
            (_, 15) => 2,
            (_, 36) => 6,
            _ => 4,
        }
    }

    /// The sector's number, `sector` counted from 1; `None` if there is no such place.
    pub fn lba(&self, cylinder: u32, head: u32, sector: u32) -> Option<u64> {
        (cylinder < self.cylinders && head < self.heads && (1..=self.sectors).contains(&sector))
            .then(|| {
                let track = u64::from(cylinder) * u64::from(self.heads) + u64::from(head);
                track * u64::from(self.sectors) + u64::from(sector) - 1
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_disks_grow_heads_before_cylinders_run_out() {
        let of = |sectors| {
            let g = Geometry::hard_disk(sectors);
            (g.cylinders, g.heads, g.sectors)
        };
        assert_eq!(of(2048), (2, 16, 63));
        assert_eq!(of(1024 * 16 * 63), (1024, 16, 63));
        assert_eq!(of(1024 * 16 * 63 + 1), (512, 32, 63));
        assert_eq!(of(1 << 40), (1024, 255, 63));
        assert_eq!(of(0), (1, 16, 63));
    }

    #[test]
    fn diskettes_are_known_by_their_size() {
        assert_eq!(Geometry::floppy(2880), Geometry { cylinders: 80, heads: 2, sectors: 18 });
        assert_eq!(Geometry::floppy(720), Geometry { cylinders: 40, heads: 2, sectors: 9 });
    }

    #[test]
    fn a_partition_table_tells_its_geometry_when_it_is_consistent() {
        let table = |heads: u32, sectors: u32, cylinders: u32| {
            let mut sector = vec![0; 512];
            sector[510..].copy_from_slice(&[0x55, 0xaa]);
            let len = heads * sectors * cylinders - sectors;
            let last = cylinders - 1;
            let end = [(heads - 1) as u8, (sectors | last >> 2 & 0xc0) as u8, last as u8];
            sector[446..450].copy_from_slice(&[0x80, 1, 1, 0]);
            sector[451..454].copy_from_slice(&end);
            sector[454..458].copy_from_slice(&sectors.to_le_bytes());
            sector[458..462].copy_from_slice(&len.to_le_bytes());
            sector
        };
        let found = Geometry::from_partitions(&table(255, 63, 10), 255 * 63 * 12);
        assert_eq!(found, Some(Geometry { cylinders: 12, heads: 255, sectors: 63 }));
        let found = Geometry::from_partitions(&table(16, 63, 300), 16 * 63 * 300);
        assert_eq!(found.map(|g| (g.cylinders, g.heads)), Some((300, 16)));
        let mut odd = table(16, 63, 300);
        odd[458] ^= 1;
        assert_eq!(Geometry::from_partitions(&odd, 16 * 63 * 300), None);
        assert_eq!(Geometry::from_partitions(&[0; 512], 1000), None);
        assert_eq!(Geometry::from_partitions(&[], 1000), None);
        assert_eq!(Geometry::from_partitions(&[0xff; 512], u64::MAX), None);
    }

    #[test]
    fn sectors_count_from_one() {
        let geometry = Geometry::floppy(2880);
        assert_eq!(geometry.lba(0, 0, 1), Some(0));
        assert_eq!(geometry.lba(1, 1, 18), Some(71));
        assert_eq!(geometry.lba(0, 0, 0), None);
        assert_eq!(geometry.lba(80, 0, 1), None);
    }
}
