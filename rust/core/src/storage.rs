//! Shared memory of arrays: a buffer, how often it was written, and who wrote last.

use dlcore_kernels::memory::Buffer;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A buffer that views share. Every in-place write counts a version, so that a gradient that needs the old values
/// notices; values saved for backward remember the version that they were saved at.
pub struct Storage {
    buffer: Buffer,
    version: AtomicU64,
    last_writer: Mutex<&'static str>,
    read_only: bool,
}

impl Storage {
    /// Wraps `buffer`; `read_only` refuses in-place writes (memory lent by an immutable owner).
    #[must_use]
    pub fn new(buffer: Buffer, read_only: bool) -> Self {
        Self { buffer, version: AtomicU64::new(0), last_writer: Mutex::new(""), read_only }
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

    /// Whether in-place writes are refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }
}
