//! The colour look-up table and its ports.

use serde::{Deserialize, Serialize};

const ENTRIES: usize = 256;
const COMPONENTS: usize = 3;
/// Bits of a component, unless VBE has switched to eight.
const SIX_BITS: u8 = 0x3f;

/// What the state port says.
const STATE_WRITE: u8 = 0;
const STATE_READ: u8 = 3;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dac {
    /// Red, green and blue of each entry, as written.
    table: Vec<u8>,
    mask: u8,
    write_index: u8,
    read_index: u8,
    /// Component that is next.
    component: u8,
    /// Components of the entry that is being written.
    pending: [u8; COMPONENTS],
    reading: bool,
}

impl Default for Dac {
    fn default() -> Self {
        Self {
            table: vec![0; ENTRIES * COMPONENTS],
            mask: 0xff,
            write_index: 0,
            read_index: 0,
            component: 0,
            pending: [0; COMPONENTS],
            reading: false,
        }
    }
}

impl Dac {
    pub fn mask(&self) -> u8 {
        self.mask
    }

    pub fn set_mask(&mut self, mask: u8) {
        self.mask = mask;
    }

    pub fn state(&self) -> u8 {
        if self.reading { STATE_READ } else { STATE_WRITE }
    }

    pub fn write_index(&self) -> u8 {
        self.write_index
    }

    pub fn set_read_index(&mut self, index: u8) {
        self.read_index = index;
        self.component = 0;
        self.reading = true;
    }

    pub fn set_write_index(&mut self, index: u8) {
        self.write_index = index;
        self.component = 0;
        self.reading = false;
    }

    /// The next component; after the third, the index moves on.
    pub fn read(&mut self, eight_bits: bool) -> u8 {
        let at = usize::from(self.read_index) * COMPONENTS + usize::from(self.component);
        let value = self.table[at];
        self.next(true);
        if eight_bits { value } else { value & SIX_BITS }
    }

    /// Takes the next component; the entry changes with its third.
    pub fn write(&mut self, value: u8, eight_bits: bool) {
        let value = if eight_bits { value } else { value & SIX_BITS };
        self.pending[usize::from(self.component)] = value;
        if usize::from(self.component) == COMPONENTS - 1 {
            let at = usize::from(self.write_index) * COMPONENTS;
            self.table[at..at + COMPONENTS].copy_from_slice(&self.pending);
        }
        self.next(false);
    }

    fn next(&mut self, reading: bool) {
        self.component += 1;
        if usize::from(self.component) == COMPONENTS {
            self.component = 0;
            let index = if reading { &mut self.read_index } else { &mut self.write_index };
            *index = index.wrapping_add(1);
        }
    }

    /// The whole table as pixels, after the mask.
    pub fn colors(&self, eight_bits: bool) -> [u32; ENTRIES] {
        std::array::from_fn(|index| {
            let at = (index & usize::from(self.mask)) * COMPONENTS;
            let widen = |value: u8| match eight_bits {
                true => u32::from(value),
                false => u32::from((value & SIX_BITS) << 2 | (value & SIX_BITS) >> 4),
            };
            widen(self.table[at]) << 16 | widen(self.table[at + 1]) << 8 | widen(self.table[at + 2])
        })
    }

    /// What is wrong with a table from a file.
    pub fn check(&self) -> Result<(), String> {
        if self.table.len() != ENTRIES * COMPONENTS {
            return Err(format!("the colour table is {} bytes long", self.table.len()));
        }
        if usize::from(self.component) >= COMPONENTS {
            return Err(format!("the colour component is {}", self.component));
        }
        Ok(())
    }
}
