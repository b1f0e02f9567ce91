//! Where every buffer comes from: 64-byte aligned blocks, counted, cached, in huge pages where that pays.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::any::Any;

/// Alignment of every buffer, in bytes: one cache line, one AVX-512 register.
pub const ALIGN: usize = 64;

/// Types whose every bit pattern is a value, so that any aligned bytes may be read as them.
///
/// # Safety
/// Implementors have no padding and no invalid bit pattern, and align to at most [`ALIGN`].
pub unsafe trait Pod: Copy + Send + Sync + 'static {}
macro_rules! pod { ($($t:ty),*) => { $(
    // SAFETY: a plain number: every bit pattern is a value.
    unsafe impl Pod for $t {}
)* } }
pod!(f32, f64, i64, i32, u8, u32, u64, u16, i16, i8);

/// A block of memory. Shared after its construction: views alias it, so its elements may change while others read
/// them, exactly as in numpy; its address and length never do.
pub struct Buffer {
    start: *mut u8,
    bytes: usize,
    owner: Owner,
}

enum Owner {
    Heap,
    Foreign(#[allow(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>),
}

// SAFETY: the block has no thread affinity; see the type's documentation for concurrent access.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A block of `bytes` bytes whose contents are unspecified.
    #[must_use]
    pub fn uninit(bytes: usize) -> Self {
        Self::with(bytes, |layout| {
            // SAFETY: the layout's size is not zero.
            unsafe { alloc(layout) }
        })
    }

    /// A block of `bytes` zero bytes.
    #[must_use]
    pub fn zeroed(bytes: usize) -> Self {
        Self::with(bytes, |layout| {
            // SAFETY: the layout's size is not zero.
            unsafe { alloc_zeroed(layout) }
        })
    }

    fn with(bytes: usize, make: impl Fn(Layout) -> *mut u8) -> Self {
        let layout = Self::layout(bytes);
        let start = make(layout);
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Self { start, bytes, owner: Owner::Heap }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes.max(1), ALIGN).expect("buffer size overflows")
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

    /// Address of the first byte.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.start
    }

    /// The block as elements of `T`.
    #[must_use]
    pub fn as_slice<T: Pod>(&self) -> &[T] {
        let len = self.bytes / size_of::<T>();
        if len == 0 {
            return &[];
        }
        assert!(self.start.cast::<T>().is_aligned(), "misaligned foreign memory");
        // SAFETY: in bounds and aligned; any bit pattern is a `T`.
        unsafe { std::slice::from_raw_parts(self.start.cast(), len) }
    }

    /// The block as elements of `T`, to fill before it is shared.
    #[must_use]
    pub fn as_mut_slice<T: Pod>(&mut self) -> &mut [T] {
        let len = self.bytes / size_of::<T>();
        if len == 0 {
            return &mut [];
        }
        assert!(self.start.cast::<T>().is_aligned(), "misaligned foreign memory");
        // SAFETY: in bounds and aligned; `&mut self` makes it ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), len) }
    }

    /// The block as elements of `T`, to write in place while others may hold views of it.
    ///
    /// # Safety
    /// No `&[T]` of the written elements may be in use on this thread while the result is written. Writes from several
    /// threads at once are the program's race, as in numpy.
    #[must_use]
    #[allow(clippy::mut_from_ref, reason = "shared by design; see the contract")]
    pub unsafe fn as_shared_mut<T: Pod>(&self) -> &mut [T] {
        let len = self.bytes / size_of::<T>();
        if len == 0 {
            return &mut [];
        }
        assert!(self.start.cast::<T>().is_aligned(), "misaligned foreign memory");
        // SAFETY: in bounds and aligned; the caller keeps readers away.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Owner::Heap = self.owner {
            // SAFETY: allocated in `with` with this very layout.
            unsafe { dealloc(self.start, Self::layout(self.bytes)) }
        }
    }
}
