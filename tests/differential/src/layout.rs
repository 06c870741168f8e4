//! Where code, data and stack lie, on the host and in the guest alike.
//!
//! Everything lies below 4 GiB, so that 32-bit code reaches it. The pages around each area are not
//! mapped; no other page below 4 GiB is, on either side.

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// Two pages of code, not writable. What is not the instruction under test is INT3.
pub const CODE: u64 = 0x1000_0000;
/// Pages of code.
pub const CODE_PAGES: usize = 2;
/// Three writable pages, a read-only page, a writable page; none of them executable.
pub const DATA: u64 = 0x1001_0000;
/// The read-only page.
pub const READ_ONLY: u64 = DATA + 3 * PAGE as u64;
/// First address after the data.
pub const DATA_END: u64 = DATA + 5 * PAGE as u64;
/// Two writable pages.
pub const STACK: u64 = 0x1002_0000;
/// First address after the stack.
pub const STACK_END: u64 = STACK + 2 * PAGE as u64;
/// Where a case puts the x87's environment if it is to be compared: after the instruction under test
/// comes an FNSTENV to here.
pub const ENVIRONMENT: u64 = STACK_END - 0x40;

/// The selectors that Linux gives its processes, and the privileged ones before them in the GDT.
pub mod selector {
    /// 32-bit code, privilege level 3.
    pub const CODE32: u16 = 0x23;
    /// Data and stack.
    pub const DATA: u16 = 0x2b;
    /// 64-bit code.
    pub const CODE64: u16 = 0x33;
    /// Code of the kernel.
    pub const KERNEL_CODE: u16 = 0x10;
    /// Data of the kernel.
    pub const KERNEL_DATA: u16 = 0x18;
}

/// A range of mapped pages.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// Length in pages.
    pub pages: usize,
    /// Whether it can be written to.
    pub writable: bool,
    /// Where it lies in the image, in pages.
    pub at: usize,
}

/// The areas of data, in the order of the image.
pub const AREAS: [Area; 4] = [
    Area { start: DATA, pages: 3, writable: true, at: 0 },
    Area { start: READ_ONLY, pages: 1, writable: false, at: 3 },
    Area { start: READ_ONLY + PAGE as u64, pages: 1, writable: true, at: 4 },
    Area { start: STACK, pages: 2, writable: true, at: 5 },
];

/// Pages of the image: the areas of data one after the other.
pub const IMAGE_PAGES: usize = 7;
/// 64-bit words of the image.
pub const IMAGE_WORDS: usize = IMAGE_PAGES * PAGE / 8;

/// Place in the image of an address, or `None` where nothing is mapped.
pub fn image_offset(address: u64) -> Option<usize> {
    AREAS.iter().find_map(|area| {
        let offset = usize::try_from(address.checked_sub(area.start)?).ok()?;
        (offset < area.pages * PAGE).then_some(area.at * PAGE + offset)
    })
}

/// Address of a place in the image.
pub fn image_address(offset: usize) -> u64 {
    let area = AREAS.iter().rev().find(|area| area.at * PAGE <= offset).unwrap_or(&AREAS[0]);
    area.start + (offset - area.at * PAGE) as u64
}

/// What the image holds before each case, but for the case's own bytes.
pub fn baseline() -> Box<[u64; IMAGE_WORDS]> {
    let mut rng = crate::rng::Rng::new(0x00dd_ba11);
    let mut image = Box::new([0; IMAGE_WORDS]);
    for word in image.iter_mut() {
        *word = rng.u64();
    }
    image
}

/// Whether an access here can reach nothing but the areas, on either side: they are all there is below
/// 4 GiB, and what is not canonical is nowhere.
pub fn is_safe(address: u64, len: u64) -> bool {
    let low = |a: u64| a < 1 << 32;
    let canonical = |a: u64| (a as i64) << 16 >> 16 == a as i64;
    let last = address.wrapping_add(len);
    low(address) && low(last) || !canonical(address) && !canonical(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_addresses_belong_together() {
        for offset in (0..IMAGE_PAGES * PAGE).step_by(8) {
            assert_eq!(image_offset(image_address(offset)), Some(offset));
        }
        assert_eq!(image_offset(DATA - 1), None);
        assert_eq!(image_offset(DATA_END), None);
        assert_eq!(image_offset(STACK_END), None);
    }
}
