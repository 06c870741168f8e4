//! Cylinders, heads and sectors.

use crate::config::DriveKind;

use super::Target;

/// The shape a drive shows to INT 13h, AH = 02h and 08h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub cylinders: u32,
    pub heads: u32,
    /// Sectors on a track.
    pub sectors: u32,
}

/// The most cylinders INT 13h can name.
const MAX_CYLINDERS: u64 = 1024;

impl Geometry {
    /// The geometry of a drive.
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
    fn sectors_count_from_one() {
        let geometry = Geometry::floppy(2880);
        assert_eq!(geometry.lba(0, 0, 1), Some(0));
        assert_eq!(geometry.lba(1, 1, 18), Some(71));
        assert_eq!(geometry.lba(0, 0, 0), None);
        assert_eq!(geometry.lba(80, 0, 1), None);
    }
}
