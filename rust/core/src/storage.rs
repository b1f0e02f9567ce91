//! Shared memory of arrays: a buffer, how often it was written, and who wrote last.

use dlcore_kernels::memory::Buffer;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// A buffer that views share. Every in-place write counts a version, so that a gradient that needs the old values
/// notices; values saved for backward remember the version that they were saved at.
pub struct Storage {
    buffer: Buffer,
    version: AtomicU64,
    last_writer: Mutex<&'static str>,
    views: AtomicUsize,
    read_only: bool,
}

impl Storage {
    /// Wraps `buffer`; `read_only` refuses in-place writes (memory lent by an immutable owner).
    #[must_use]
    pub fn new(buffer: Buffer, read_only: bool) -> Self {
        Self { buffer, version: AtomicU64::new(0), last_writer: Mutex::new(""), views: AtomicUsize::new(0), read_only }
    }

    /// The memory.
    #[must_use]
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// How many in-place writes there have been.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// Records an in-place write by operation `writer`.
    pub fn written_by(&self, writer: &'static str) {
        self.version.fetch_add(1, Relaxed);
        *self.last_writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = writer;
    }

    /// The operation that wrote last.
    #[must_use]
    pub fn last_writer(&self) -> &'static str {
        *self.last_writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many tensors are alive that an operation made as views of this storage.
    #[must_use]
    pub fn views(&self) -> usize {
        self.views.load(Relaxed)
    }

    /// Whether a tensor is alive that an operation made as a view of this storage.
    #[must_use]
    pub fn is_viewed(&self) -> bool {
        self.views() > 0
    }

    /// Counts a tensor that an operation made as a view of this storage, until [`Storage::view_gone`].
    pub fn view_made(&self) {
        self.views.fetch_add(1, Relaxed);
    }

    /// Takes back one count of [`Storage::view_made`].
    pub fn view_gone(&self) {
        self.views.fetch_sub(1, Relaxed);
    }

    /// Whether in-place writes are refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }
}
