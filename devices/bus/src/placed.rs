//! The block of host memory behind guest memory, and the room at its end for what has to lie near it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{PAGE_SIZE, RamError};

/// Bytes behind guest memory for what is placed there. A processor takes about 110 KiB.
const ROOM: u64 = 8 << 20;

/// The whole block is a multiple of this: the page size of WebAssembly memories.
const WASM_PAGE: u64 = 64 << 10;

/// What an allocator aligns to anyway.
const ALLOCATED_ALIGNMENT: usize = 8;

/// Least alignment of what is placed: a cache line, so that what different threads write is apart.
const LEAST_ALIGNMENT: usize = 64;

/// What is left of the room.
struct Room {
    /// Offset in the block of what nothing was placed in so far.
    next: usize,
    /// Where something was that is gone, and what it had asked for.
    free: Vec<(Layout, usize)>,
}

/// The block of host memory. Freed when the last region is gone, and the last value placed in it.
pub(crate) struct Block {
    /// On a page.
    base: *mut u8,
    len: usize,
    /// What was allocated for it, with up to a page in front.
    allocated: *mut u8,
    layout: Layout,
    room: Mutex<Room>,
}

// SAFETY: the block is plain memory that is only touched through volatile or atomic accesses of
// `vm-memory` and of the CPU; races between them are the guest's own, as on hardware. What is placed
// in the room is each owned by one `Placed`.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// A block of `len` bytes of guest memory, a multiple of the page size, with room behind it. All of
    /// it zero.
    pub fn new(len: u64) -> Result<Self, RamError> {
        let exhausted = RamError::Exhausted(len);
        let whole = len
            .checked_add(ROOM)
            .and_then(|len| len.checked_next_multiple_of(WASM_PAGE))
            .and_then(|len| usize::try_from(len).ok())
            .ok_or(exhausted)?;
        // Asked for a page's alignment, the allocator would write all the zeros itself; otherwise it
        // takes a large block from the system, where each page is zero when it is first touched.
        let layout = whole
            .checked_add(PAGE_SIZE as usize)
            .and_then(|len| Layout::from_size_align(len, ALLOCATED_ALIGNMENT).ok())
            .ok_or(exhausted)?;
        // SAFETY: the layout is not empty: there is always room.
        let allocated = unsafe { alloc_zeroed(layout) };
        if allocated.is_null() {
            if len < 1 << 20 {
                handle_alloc_error(layout);
            }
            return Err(exhausted);
        }
        let before = (allocated as usize).wrapping_neg() % PAGE_SIZE as usize;
        // SAFETY: less than a page, and the allocation has a page more than the block.
        let base = unsafe { allocated.add(before) };
        let room = Mutex::new(Room { next: len as usize, free: Vec::new() });
        Ok(Self { base, len: whole, allocated, layout, room })
    }

    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Bytes of guest memory, of the room, and up to the next multiple of 64 KiB.
    pub fn whole_len(&self) -> u64 {
        self.len as u64
    }

    /// Takes a part of the room.
    fn take(&self, layout: Layout) -> Result<NonNull<u8>, RamError> {
        let exhausted = RamError::Exhausted(layout.size() as u64);
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = match room.free.iter().position(|(known, _)| *known == layout) {
            Some(known) => room.free.swap_remove(known).1,
            None => {
                let address = self.base as usize + room.next;
                let start = room.next + address.wrapping_neg() % layout.align();
                let end = start.checked_add(layout.size()).ok_or(exhausted)?;
                if end > self.len {
                    return Err(exhausted);
                }
                room.next = end;
                start
            }
        };
        // SAFETY: `offset` lies in the block or at its end.
        let place = unsafe { self.base.add(offset) };
        NonNull::new(place).ok_or(exhausted)
    }

    /// Gives back what [`take`](Self::take) gave for this layout.
    fn give_back(&self, place: NonNull<u8>, layout: Layout) {
        let offset = place.as_ptr() as usize - self.base as usize;
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        room.free.push((layout, offset));
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `allocated` came from `alloc_zeroed` with this layout.
        unsafe { dealloc(self.allocated, self.layout) }
    }
}

/// How a value of this type is placed.
fn layout_of<T>() -> Layout {
    let layout = Layout::new::<T>();
    layout.align_to(LEAST_ALIGNMENT).unwrap_or(layout)
}

/// A value that lies beside guest memory, where generated code can reach it; see
/// [`GuestRam::place`](crate::GuestRam::place). It keeps the memory alive, and its place is used again
/// when it is gone.
///
/// One that was [boxed](Self::boxed) lies elsewhere and is otherwise the same.
pub struct Placed<T> {
    value: NonNull<T>,
    /// Where the value lies; `None` if it was boxed. Dropped after the value, which may keep the same
    /// memory alive.
    block: Option<Arc<Block>>,
}

// SAFETY: a `Placed` owns its value as a `Box` does, and blocks are `Send` and `Sync`.
unsafe impl<T: Send> Send for Placed<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Placed<T> {}

impl<T> Placed<T> {
    /// A value that need not lie beside guest memory.
    pub fn boxed(value: Box<T>) -> Self {
        Self { value: NonNull::from(Box::leak(value)), block: None }
    }

    pub(crate) fn new(block: &Arc<Block>, value: T) -> Result<Self, RamError> {
        let place = block.take(layout_of::<T>())?.cast::<T>();
        // SAFETY: the place is as large as a `T`, aligned for it, and nobody else's.
        unsafe { place.write(value) };
        Ok(Self { value: place, block: Some(block.clone()) })
    }

    /// Where the value lies.
    pub fn as_ptr(&self) -> *const T {
        self.value.as_ptr()
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the value lives as long as `self`, which owns it.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for Placed<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for Placed<T> {
    fn drop(&mut self) {
        match &self.block {
            // SAFETY: the value came from a box.
            None => drop(unsafe { Box::from_raw(self.value.as_ptr()) }),
            Some(block) => {
                // SAFETY: the value was written when it was placed, and nobody uses it any more.
                unsafe { self.value.drop_in_place() };
                block.give_back(self.value.cast(), layout_of::<T>());
            }
        }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Placed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{GuestRam, Placed, RamError};

    #[test]
    fn a_placed_value_lies_behind_guest_memory_and_inside_the_block() {
        let ram = GuestRam::new(1 << 20, 4096).unwrap();
        let mut value = ram.place([1u8, 2, 3]).unwrap();
        value[1] = 7;
        assert_eq!(*value, [1, 7, 3]);
        let (base, block_len) = ram.host_block();
        let (whole, whole_len) = ram.host_memory();
        assert_eq!(base, whole);
        assert!(whole_len.is_multiple_of(1 << 16));
        let offset = value.as_ptr() as u64 - base as u64;
        assert!(offset >= block_len && offset + 3 <= whole_len);
        assert!(offset.is_multiple_of(16));
        assert!(ram.host_slice(offset, 3).is_none(), "no host offset leads there");
    }

    #[test]
    fn a_placed_value_outlives_the_memory_and_is_dropped() {
        let witness = Arc::new(());
        let ram = GuestRam::new(1 << 20, 0).unwrap();
        // A value that keeps the memory alive in which it lies.
        let value = ram.place((ram.clone(), witness.clone())).unwrap();
        drop(ram);
        assert_eq!(value.0.len(), 1 << 20);
        assert_eq!(Arc::strong_count(&witness), 2);
        drop(value);
        assert_eq!(Arc::strong_count(&witness), 1);
        drop(Placed::boxed(Box::new(witness.clone())));
        assert_eq!(Arc::strong_count(&witness), 1);
    }

    #[test]
    fn places_are_used_again_and_end() {
        let ram = GuestRam::new(1 << 20, 0).unwrap();
        let mut kept = Vec::new();
        let error = loop {
            match ram.place([0u64; 8192]) {
                Ok(value) => kept.push(value),
                Err(error) => break error,
            }
        };
        assert_eq!(error, RamError::Exhausted(65536));
        assert!(kept.len() >= 120);
        let gone = kept.pop().map(|value| value.as_ptr());
        assert_eq!(ram.place([1u64; 8192]).ok().map(|value| value.as_ptr()), gone);
    }
}
