//! Blocks of less than a huge page, cut from chunks of huge pages: an array of half a megabyte lies in 128 small pages,
//! for which the processor's tables have no room beside those of other arrays, and a product that reads it from far takes
//! half as long again.
//!
//! Chunks are cut by first fit, and what comes back joins its free neighbours. This is the way of blocks that no cache had,
//! so it may take a microsecond. Huge pages in which nothing is left go back to the system, but for a few.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::system::pages::{self, HUGE};

/// Bytes that are mapped at once.
const CHUNK: usize = PAGES * HUGE;
const PAGES: usize = 16;
/// Huge pages that are free and not given back.
const SPARE: usize = 4;
/// Bytes between blocks, so that arrays of one size do not crowd the same sets of the caches.
const GAP: usize = 64;

pub(super) struct Arena {
    chunks: Vec<Chunk>,
}

struct Chunk {
    start: usize,
    /// Where free ranges begin, and their lengths; no two touch.
    free: BTreeMap<usize, usize>,
    /// One bit for each huge page that the system may have filled.
    touched: u32,
}

static ARENA: Mutex<Arena> = Mutex::new(Arena { chunks: Vec::new() });

pub(super) fn lock() -> MutexGuard<'static, Arena> {
    ARENA.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block of `bytes` bytes, a multiple of a cache line and less than a huge page.
pub(super) fn take(bytes: usize) -> Option<*mut u8> {
    lock().take(bytes + GAP)
}

/// # Safety
/// `start` came from [`take`] with the same `bytes`; nobody uses the block any more.
pub(super) unsafe fn give(start: *mut u8, bytes: usize) {
    // SAFETY: passed on.
    unsafe { lock().give(start.addr(), bytes + GAP) }
}

impl Arena {
    fn take(&mut self, bytes: usize) -> Option<*mut u8> {
        let found = self.chunks.iter_mut().find_map(|chunk| chunk.take(bytes));
        if found.is_some() {
            return found;
        }
        let start = pages::map(CHUNK)?.expose_provenance();
        let mut chunk = Chunk { start, free: BTreeMap::from([(0, CHUNK)]), touched: 0 };
        let block = chunk.take(bytes);
        self.chunks.push(chunk);
        block
    }

    /// # Safety
    /// The block came from [`Arena::take`] with the same `bytes`; nobody uses it any more.
    unsafe fn give(&mut self, start: usize, bytes: usize) {
        let of = |chunk: &Chunk| (chunk.start..chunk.start + CHUNK).contains(&start);
        let index = self.chunks.iter().position(of).expect("a block of some chunk");
        let chunk = &mut self.chunks[index];
        chunk.give(start - chunk.start, bytes);
        let mut spare: usize = self.chunks.iter().map(|chunk| chunk.idle().count_ones() as usize).sum();
        let chunk = &mut self.chunks[index];
        for page in 0..PAGES {
            if spare > SPARE && chunk.idle() >> page & 1 == 1 {
                // SAFETY: a page of ours in which nobody has a block.
                unsafe { pages::forget(std::ptr::with_exposed_provenance_mut(chunk.start + page * HUGE)) };
                chunk.touched &= !(1 << page);
                spare -= 1;
            }
        }
        if chunk.touched == 0 && chunk.free.get(&0) == Some(&CHUNK) {
            let Chunk { start, .. } = self.chunks.swap_remove(index);
            // SAFETY: the chunk came from `map`, and nobody has a block in it.
            unsafe { pages::unmap(std::ptr::with_exposed_provenance_mut(start), CHUNK) };
        }
    }
}

impl Chunk {
    fn take(&mut self, bytes: usize) -> Option<*mut u8> {
        let (&start, &len) = self.free.iter().find(|&(_, &len)| len >= bytes)?;
        self.free.remove(&start);
        if len > bytes {
            self.free.insert(start + bytes, len - bytes);
        }
        self.touched |= pages_of(start, start + bytes);
        Some(std::ptr::with_exposed_provenance_mut(self.start + start))
    }

    fn give(&mut self, start: usize, bytes: usize) {
        let (mut start, mut end) = (start, start + bytes);
        if let Some((&before, &len)) = self.free.range(..start).next_back()
            && before + len == start
        {
            self.free.remove(&before);
            start = before;
        }
        if let Some(len) = self.free.remove(&end) {
            end += len;
        }
        self.free.insert(start, end - start);
    }

    /// Huge pages in which nothing is left, and which are not given back.
    fn idle(&self) -> u32 {
        let whole = |(&start, &len): (&usize, &usize)| {
            let (first, end) = (start.next_multiple_of(HUGE), (start + len) / HUGE * HUGE);
            if first < end { pages_of(first, end) } else { 0 }
        };
        self.touched & self.free.iter().map(whole).fold(0, |all, pages| all | pages)
    }
}

/// One bit for each huge page that has some of the bytes.
fn pages_of(start: usize, end: usize) -> u32 {
    let below = |page: usize| (1_u32 << page) - 1;
    below(end.div_ceil(HUGE)) & !below(start / HUGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_joins_its_neighbours() {
        let mut chunk = Chunk { start: 1 << 30, free: BTreeMap::from([(0, CHUNK)]), touched: 0 };
        let starts: Vec<_> = (0..6).map(|_| chunk.take(HUGE / 2).unwrap().addr() - chunk.start).collect();
        assert_eq!(starts, (0..6).map(|i| i * HUGE / 2).collect::<Vec<_>>());
        assert_eq!((chunk.touched, chunk.idle()), (0b111, 0));
        for i in [0, 2, 1, 5] {
            chunk.give(starts[i], HUGE / 2);
        }
        assert_eq!(chunk.free.len(), 2, "one range before the blocks in use, and one after");
        assert_eq!(chunk.idle(), 0b001);
        assert_eq!(chunk.take(3 * HUGE / 2).unwrap().addr() - chunk.start, 0);
        for (start, len) in [(0, 3), (starts[3], 1), (starts[4], 1)] {
            chunk.give(start, len * HUGE / 2);
        }
        assert_eq!(chunk.free, BTreeMap::from([(0, CHUNK)]));
        assert_eq!(chunk.idle(), 0b111);
    }

    #[test]
    fn all_that_is_free_goes_back_but_for_spare_pages() {
        let mut arena = Arena { chunks: Vec::new() };
        let blocks: Vec<_> = (0..100_u8).map(|i| ((usize::from(i) % 7 + 1) << 16, i)).collect();
        let starts: Vec<_> = blocks.iter().map(|&(bytes, _)| arena.take(bytes).unwrap()).collect();
        for (&start, &(bytes, i)) in starts.iter().zip(&blocks) {
            // SAFETY: a block of so many bytes, ours.
            unsafe { start.write_bytes(i, bytes) };
        }
        for (&start, &(bytes, i)) in starts.iter().zip(&blocks) {
            // SAFETY: as above; each is given back once.
            unsafe {
                assert!((0..bytes).step_by(64).all(|at| *start.add(at) == i), "blocks lie apart");
                arena.give(start.addr(), bytes);
            }
        }
        let idle: u32 = arena.chunks.iter().map(|chunk| chunk.idle().count_ones()).sum();
        assert_eq!(idle as usize, SPARE);
        assert_eq!(arena.chunks.len(), 1);
    }
}
