//! Where every buffer comes from: 64-byte aligned blocks, counted, cached, in huge pages where that pays.
//!
//! A training loop asks for the same sizes over and over. So freed blocks are kept by size class: small ones by each
//! thread for itself, others in one shared cache bounded in bytes (`DLCORE_MEMORY_CACHE`, an eighth of memory unless
//! told; 0 keeps nothing). Memory that cannot be had, because the machine has none or the program has set itself a limit
//! ([`set_limit`]), is an error that a program may handle, never an abort.

#[cfg(target_os = "linux")]
mod arena;
mod cache;
mod classes;
mod local;
mod room;
mod shared;
mod system;
mod tally;

pub use cache::{Stats, empty_cache, prepare, reset_peak, set_cache_limit, stats, why};
pub use room::{OutOfMemory, limit, set_limit};

use std::any::Any;
use std::ops::Range;
use std::panic::resume_unwind;

use crate::half::{Bf16, F16};
use crate::parallel;

/// Alignment of every buffer, in bytes: one cache line, one AVX-512 register.
pub const ALIGN: usize = 64;

/// Where a block of no bytes starts.
const NOWHERE: *mut u8 = std::ptr::without_provenance_mut(ALIGN);

/// Types whose every bit pattern is a value, so that any aligned bytes may be read as them.
///
/// # Safety
/// Implementors have no padding and no invalid bit pattern, and align to at most [`ALIGN`].
pub unsafe trait Pod: Copy + Send + Sync + 'static {}
macro_rules! pod { ($($t:ty),*) => { $(
    // SAFETY: a plain number: every bit pattern is a value.
    unsafe impl Pod for $t {}
)* } }
pod!(f32, f64, i64, i32, u8, u32, u64, u128, u16, i16, i8, Bf16, F16);

/// `len` zeros in a vector, for results whose length a kernel finds out.
///
/// # Panics
/// With an [`OutOfMemory`] as payload if the memory cannot be had: a vector that grows by itself would abort.
pub(crate) fn zeros<T: Pod + Default>(len: usize) -> Vec<T> {
    let mut out = Vec::new();
    if out.try_reserve_exact(len).is_err() {
        unwind(OutOfMemory { bytes: len.saturating_mul(size_of::<T>()), available: None, limit: None });
    }
    out.resize(len, T::default());
    out
}

/// No panic to report: whoever called the kernel tells the user.
#[cold]
fn unwind(error: OutOfMemory) -> ! {
    resume_unwind(Box::new(error))
}

/// A block of memory. Shared after its construction: views alias it, so its elements may change while others read
/// them, exactly as in numpy; its address and length never do.
pub struct Buffer {
    start: *mut u8,
    bytes: usize,
    owner: Owner,
}

enum Owner {
    Cache,
    Foreign(#[allow(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>),
}

// SAFETY: the block has no thread affinity; see the type's documentation for concurrent access.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A block of `bytes` bytes whose contents are unspecified.
    ///
    /// # Errors
    /// If the memory cannot be had.
    #[inline]
    pub fn try_uninit(bytes: usize) -> Result<Self, OutOfMemory> {
        Ok(Self::own(if bytes == 0 { NOWHERE } else { cache::take(bytes)?.start }, bytes))
    }

    /// A block of `bytes` zero bytes.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn try_zeroed(bytes: usize) -> Result<Self, OutOfMemory> {
        const GRAIN: usize = 1 << 18;
        const NS_PER_1024_BYTES: usize = 80;
        if bytes == 0 {
            return Ok(Self::own(NOWHERE, bytes));
        }
        let block = cache::take(bytes)?;
        let mut buffer = Self::own(block.start, bytes);
        if !block.zero {
            let contents = parallel::Disjoint::new(buffer.as_mut_slice::<u8>());
            parallel::for_ranges(bytes, GRAIN, NS_PER_1024_BYTES, |range| {
                // SAFETY: the ranges of one region are disjoint.
                unsafe { contents.slice(range) }.fill(0);
            });
        }
        Ok(buffer)
    }

    #[inline]
    fn own(start: *mut u8, bytes: usize) -> Self {
        Self { start, bytes, owner: Owner::Cache }
    }

    /// [`Self::try_uninit`] for the working memory of a kernel, which has no way to return an error.
    ///
    /// # Panics
    /// With an [`OutOfMemory`] as payload if the memory cannot be had.
    #[must_use]
    #[inline]
    pub fn uninit(bytes: usize) -> Self {
        Self::try_uninit(bytes).unwrap_or_else(|error| unwind(error))
    }

    /// [`Self::try_zeroed`] for the working memory of a kernel, which has no way to return an error.
    ///
    /// # Panics
    /// With an [`OutOfMemory`] as payload if the memory cannot be had.
    #[must_use]
    pub fn zeroed(bytes: usize) -> Self {
        Self::try_zeroed(bytes).unwrap_or_else(|error| unwind(error))
    }

    /// Borrows memory that `keep` keeps alive (numpy's, torch's): no copy.
    ///
    /// # Safety
    /// `start..start+bytes` must stay readable, and writable if anything writes through this buffer, until `keep` drops.
    pub unsafe fn foreign(start: *mut u8, bytes: usize, keep: Box<dyn Any + Send + Sync>) -> Self {
        Self { start, bytes, owner: Owner::Foreign(keep) }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether the block has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the memory is somebody else's, who would notice a write.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        matches!(self.owner, Owner::Foreign(_))
    }

    /// Address of the first byte.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.start
    }

    /// The block as elements of `T`.
    ///
    /// # Panics
    /// If the block is foreign memory that is not aligned for `T`.
    #[must_use]
    pub fn as_slice<T: Pod>(&self) -> &[T] {
        let (start, len) = self.elements();
        // SAFETY: in bounds and aligned; any bit pattern is a `T`.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// Some elements of the block: no claim on the others, which somebody may be writing.
    ///
    /// # Panics
    /// If the range leaves the block, or the block is foreign memory that is not aligned for `T`.
    #[must_use]
    pub fn part<T: Pod>(&self, range: Range<usize>) -> &[T] {
        let (start, len) = self.part_of(&range);
        // SAFETY: in bounds and aligned; any bit pattern is a `T`.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// The block as elements of `T`, to fill before it is shared.
    ///
    /// # Panics
    /// If the block is foreign memory that is not aligned for `T`.
    #[must_use]
    pub fn as_mut_slice<T: Pod>(&mut self) -> &mut [T] {
        let (start, len) = self.elements();
        // SAFETY: in bounds and aligned; `&mut self` makes it ours alone.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    /// Some elements of the block, to write in place while others may hold views of it.
    ///
    /// # Safety
    /// No `&[T]` of the written elements may be in use on this thread while the result is written. Writes from several
    /// threads at once are the program's race, as in numpy.
    ///
    /// # Panics
    /// If the range leaves the block, or the block is foreign memory that is not aligned for `T`.
    #[must_use]
    #[allow(clippy::mut_from_ref, reason = "shared by design; see the contract")]
    pub unsafe fn shared_part_mut<T: Pod>(&self, range: Range<usize>) -> &mut [T] {
        let (start, len) = self.part_of(&range);
        // SAFETY: in bounds and aligned; the caller keeps readers away.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    fn part_of<T: Pod>(&self, range: &Range<usize>) -> (*mut T, usize) {
        let (start, len) = self.elements::<T>();
        assert!(range.start <= range.end && range.end <= len, "elements {range:?} of {len}");
        (start.wrapping_add(range.start), range.len())
    }

    /// Where the elements start, aligned and not null even if there are none, and how many there are.
    fn elements<T: Pod>(&self) -> (*mut T, usize) {
        let len = self.bytes / size_of::<T>();
        if len == 0 {
            return (std::ptr::NonNull::dangling().as_ptr(), 0);
        }
        assert!(self.start.cast::<T>().is_aligned(), "misaligned foreign memory");
        (self.start.cast(), len)
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if let Owner::Cache = self.owner
            && self.bytes > 0
        {
            // SAFETY: taken from the cache with this very size; this was the last user.
            unsafe { cache::give(self.start, self.bytes) }
        }
    }
}
