//! Which slots of the program's function table are free.

use std::collections::BTreeMap;

/// Free slots, as ranges that touch nowhere: first slot → how many.
#[derive(Default)]
pub struct FreeSlots {
    ranges: BTreeMap<u32, u32>,
}

impl FreeSlots {
    /// Takes `count` slots in a row, the lowest there are; returns the first.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        let (&first, &len) = self.ranges.iter().find(|&(_, &len)| len >= count)?;
        self.ranges.remove(&first);
        if len > count {
            self.ranges.insert(first + count, len - count);
        }
        Some(first)
    }

    /// Gives slots back, or adds new ones.
    pub fn put(&mut self, first: u32, count: u32) {
        if count == 0 {
            return;
        }
        let (mut first, mut len) = (first, count);
        if let Some(behind) = self.ranges.remove(&(first + count)) {
            len += behind;
        }
        if let Some((&before, &its)) = self.ranges.range(..first).next_back()
            && before + its == first
        {
            first = before;
            len += its;
        }
        self.ranges.insert(first, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_in_a_row_are_taken_from_the_lowest_range_that_has_them() {
        let mut free = FreeSlots::default();
        free.put(100, 2);
        free.put(200, 8);
        assert_eq!(free.take(3), Some(200));
        assert_eq!(free.take(2), Some(100));
        assert_eq!(free.take(5), Some(203));
        assert_eq!(free.take(1), None);
    }

    #[test]
    fn neighbours_that_come_back_make_one_range() {
        let mut free = FreeSlots::default();
        free.put(0, 10);
        for first in [0, 2, 4, 6, 8] {
            assert_eq!(free.take(2), Some(first));
        }
        for first in [4, 0, 8, 2, 6] {
            free.put(first, 2);
        }
        assert_eq!(free.take(10), Some(0));
    }
}
