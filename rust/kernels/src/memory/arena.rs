//! Blocks of less than a huge page, cut from chunks of huge pages: an array of half a megabyte lies in 128 small pages,
//! for which the processor's tables have no room beside those of other arrays, and a product that reads it from far takes
//! half as long again.
//!
//! Chunks are cut by first fit, and what comes back joins its free neighbours. This is the way of blocks that no cache had,
//! so it may take a microsecond. Huge pages in which nothing is left go back to the system, but for a few.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::system::pages::{self, HUGE};

/// Huge pages that are mapped at once; fewer where the system refuses so many.
const PAGES: [usize; 3] = [16, 4, 1];
/// Huge pages that are free and not given back.
const SPARE: u32 = 4;
/// Bytes between blocks, so that arrays of one size do not crowd the same sets of the caches.
const GAP: usize = 64;

pub(super) struct Arena {
    /// By address.
    chunks: BTreeMap<usize, Chunk>,
    /// Idle pages of all chunks.
    spare: u32,
}

struct Chunk {
    len: usize,
    /// Where free ranges begin, and their lengths; no two touch.
    free: BTreeMap<usize, usize>,
    /// No free range is longer.
    longest: usize,
    /// One bit for each huge page that the system may have filled.
    touched: u32,
    /// Those of them in which nothing is left.
    idle: u32,
}

static ARENA: Mutex<Arena> = Mutex::new(Arena { chunks: BTreeMap::new(), spare: 0 });

pub(super) fn lock() -> MutexGuard<'static, Arena> {
    ARENA.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block of `bytes` bytes, a multiple of a cache line and less than a huge page; none if the system refuses.
pub(super) fn take(bytes: usize) -> Option<*mut u8> {
    lock().take(bytes + GAP)
}

/// Takes a block back, and says whether it is one of the arena's.
///
/// # Safety
/// If it came from [`take`], then with the same `bytes`; nobody uses the block any more.
pub(super) unsafe fn give(start: *mut u8, bytes: usize) -> bool {
    // SAFETY: passed on.
    unsafe { lock().give(start.addr(), bytes + GAP) }
}

impl Arena {
    fn take(&mut self, bytes: usize) -> Option<*mut u8> {
        let fits = self.chunks.iter_mut().filter(|(_, chunk)| chunk.longest >= bytes);
        for (&start, chunk) in fits {
            let idle = chunk.idle.count_ones();
            if let Some(at) = chunk.take(bytes) {
                self.spare -= idle - chunk.idle.count_ones();
                return Some(std::ptr::with_exposed_provenance_mut(start + at));
            }
        }
        let (len, start) = PAGES.iter().find_map(|pages| Some((pages * HUGE, pages::map(pages * HUGE)?)))?;
        let mut chunk = Chunk::new(len);
        let at = chunk.take(bytes)?;
        self.chunks.insert(start.expose_provenance(), chunk);
        Some(start.wrapping_add(at))
    }

    /// # Safety
    /// As for [`give`].
    unsafe fn give(&mut self, start: usize, bytes: usize) -> bool {
        let Some((&first, chunk)) = self.chunks.range_mut(..=start).next_back() else { return false };
        if start >= first + chunk.len {
            return false;
        }
        let idle = chunk.idle;
        chunk.give(start - first, bytes);
        self.spare += (chunk.idle & !idle).count_ones();
        for page in (0..chunk.len / HUGE).filter(|page| (chunk.idle & !idle) >> page & 1 == 1) {
            if self.spare > SPARE {
                // SAFETY: a page of ours in which nobody has a block.
                unsafe { pages::forget(std::ptr::with_exposed_provenance_mut(first + page * HUGE)) };
                chunk.touched &= !(1 << page);
                self.spare -= 1;
            }
        }
        chunk.idle &= chunk.touched;
        if chunk.touched == 0 && chunk.free.get(&0) == Some(&chunk.len) {
            let len = chunk.len;
            self.chunks.remove(&first);
            // SAFETY: the chunk came from `map`, and nobody has a block in it.
            unsafe { pages::unmap(std::ptr::with_exposed_provenance_mut(first), len) };
        }
        true
    }
}

impl Chunk {
    fn new(len: usize) -> Self {
        Self { len, free: BTreeMap::from([(0, len)]), longest: len, touched: 0, idle: 0 }
    }

    fn take(&mut self, bytes: usize) -> Option<usize> {
        let Some((&start, &len)) = self.free.iter().find(|&(_, &len)| len >= bytes) else {
            self.longest = bytes - 1;
            return None;
        };
        self.free.remove(&start);
        if len > bytes {
            self.free.insert(start + bytes, len - bytes);
        }
        self.touched |= pages_of(start, start + bytes);
        self.idle &= !pages_of(start, start + bytes);
        Some(start)
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
        self.longest = self.longest.max(end - start);
        let (first, last) = (start.next_multiple_of(HUGE), end / HUGE * HUGE);
        if first < last {
            self.idle |= self.touched & pages_of(first, last);
        }
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
        const LEN: usize = 16 * HUGE;
        let mut chunk = Chunk::new(LEN);
        let starts: Vec<_> = (0..6).map(|_| chunk.take(HUGE / 2).unwrap()).collect();
        assert_eq!(starts, (0..6).map(|i| i * HUGE / 2).collect::<Vec<_>>());
        assert_eq!((chunk.touched, chunk.idle), (0b111, 0));
        for i in [0, 2, 1, 5] {
            chunk.give(starts[i], HUGE / 2);
        }
        assert_eq!(chunk.free.len(), 2, "one range before the blocks in use, and one after");
        assert_eq!(chunk.idle, 0b001);
        assert_eq!(chunk.take(3 * HUGE / 2), Some(0));
        assert_eq!(chunk.idle, 0);
        assert_eq!((chunk.take(LEN), chunk.longest), (None, LEN - 1));
        for (start, len) in [(0, 3), (starts[3], 1), (starts[4], 1)] {
            chunk.give(start, len * HUGE / 2);
        }
        assert_eq!(chunk.free, BTreeMap::from([(0, LEN)]));
        assert_eq!((chunk.idle, chunk.longest), (0b111, LEN));
    }

    #[test]
    fn all_that_is_free_goes_back_but_for_spare_pages() {
        let mut arena = Arena { chunks: BTreeMap::new(), spare: 0 };
        let blocks: Vec<_> = (0..100_u8).map(|i| ((usize::from(i) % 7 + 1) << 16, i)).collect();
        for _ in 0..2 {
            let starts: Vec<_> = blocks.iter().map(|&(bytes, _)| arena.take(bytes).unwrap()).collect();
            for (&start, &(bytes, i)) in starts.iter().zip(&blocks) {
                // SAFETY: a block of so many bytes, ours.
                unsafe { start.write_bytes(i, bytes) };
            }
            for (&start, &(bytes, i)) in starts.iter().zip(&blocks) {
                // SAFETY: as above; each is given back once.
                unsafe {
                    assert!((0..bytes).step_by(64).all(|at| *start.add(at) == i), "blocks lie apart");
                    assert!(arena.give(start.addr(), bytes));
                }
            }
            let idle: u32 = arena.chunks.values().map(|chunk| chunk.idle.count_ones()).sum();
            assert_eq!((idle, arena.spare), (SPARE, SPARE));
            assert_eq!(arena.chunks.len(), 1);
        }
        // SAFETY: nobody's block, and not the arena's.
        assert!(!unsafe { arena.give(64, 64) });
    }
}
