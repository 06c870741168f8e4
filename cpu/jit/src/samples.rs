//! Which translated code takes a noticeable part of the time.

use crate::mode::Mode;
use crate::store::QuickMap;

/// So many recent samples at one place make it worth a region in one piece.
const ENOUGH: u32 = 8;
/// After so many samples what was counted before counts half.
const AGE: u32 = 1 << 10;
/// Blocks that are remembered to be part of such regions; then all are forgotten.
const MOST_BLOCKS: usize = 1 << 16;

/// Samples of where generated code was when its time was up: at an entry or at the top of a loop.
#[derive(Default)]
pub struct Samples {
    counts: QuickMap<(u64, Mode), u32>,
    taken: u32,
    /// Of how many regions in one piece a block is part.
    parts: QuickMap<(u64, Mode), u32>,
}

impl Samples {
    /// Takes note of a sample at a host offset. Whether the code there is to be made in one piece: for
    /// that there are twice as many samples needed each time that it already is part of another, since
    /// a program whose time goes everywhere would else be translated again from each of its places.
    pub fn note(&mut self, host: u64, mode: Mode) -> bool {
        self.taken += 1;
        if self.taken == AGE {
            self.taken = 0;
            self.counts.retain(|_, count| {
                *count /= 2;
                *count != 0
            });
        }
        let parts = self.parts.get(&(host, mode)).copied().unwrap_or(0);
        let count = self.counts.entry((host, mode)).or_default();
        *count += 1;
        if *count < ENOUGH << parts.min(16) {
            return false;
        }
        *count = 0;
        true
    }

    /// A region in one piece is being made of these blocks.
    pub fn made(&mut self, blocks: impl Iterator<Item = u64>, mode: Mode) {
        if self.parts.len() >= MOST_BLOCKS {
            self.parts.clear();
        }
        for host in blocks {
            *self.parts.entry((host, mode)).or_default() += 1;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODE: fn() -> Mode = || Mode::flat(64, true);

    fn noted(samples: &mut Samples, times: u32) -> bool {
        (0..times).any(|_| samples.note(0x1000, MODE()))
    }

    #[test]
    fn what_is_part_of_another_region_needs_more_samples() {
        let mut samples = Samples::default();
        assert!(!noted(&mut samples, ENOUGH - 1));
        assert!(noted(&mut samples, 1));
        samples.made([0x1000].into_iter(), MODE());
        assert!(!noted(&mut samples, 2 * ENOUGH - 1));
        assert!(noted(&mut samples, 1));
    }

    #[test]
    fn old_samples_count_less() {
        let mut samples = Samples::default();
        for round in 0..100 {
            assert!(!noted(&mut samples, 1), "a thousandth of the time is not worth it");
            for other in 1..AGE {
                samples.note(0x10_0000 + u64::from(round * AGE + other), MODE());
            }
        }
    }
}
