//! Fresh blocks from the operating system, and what it can give.
//!
//! Large blocks are mapped by themselves, in 2 MiB pages where Linux will: page faults are the hidden cost of large
//! arrays, and with 512 times fewer of them a fresh block fills 3.5 times as fast. Smaller ones share such pages (see
//! [`super::arena`]). `DLCORE_HUGE_PAGES=0` switches that off.

use std::alloc::{Layout, alloc, dealloc};
use std::sync::OnceLock;

use crate::cgroup;

/// A block that nobody uses.
pub(super) struct Block {
    pub start: *mut u8,
    /// Whether it is known to hold zeros.
    pub zero: bool,
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, super::ALIGN).ok()
}

/// A block of `bytes` bytes, which is not zero.
pub(super) fn fresh(bytes: usize) -> Option<Block> {
    #[cfg(target_os = "linux")]
    if bytes >= pages::HUGE {
        return pages::map(bytes).map(|start| Block { start, zero: true });
    }
    #[cfg(target_os = "linux")]
    if shares_pages(bytes)
        && let Some(start) = super::arena::take(bytes)
    {
        return Some(Block { start, zero: false });
    }
    // SAFETY: the size is not zero.
    let start = unsafe { alloc(layout(bytes)?) };
    (!start.is_null()).then_some(Block { start, zero: false })
}

/// Whether blocks of this size, which is less than a huge page, lie in huge pages with others.
#[cfg(target_os = "linux")]
fn shares_pages(bytes: usize) -> bool {
    bytes > super::classes::SMALL && pages::wanted()
}

/// Gives a block back.
///
/// # Safety
/// `start` came from [`fresh`] with the same `bytes`; nobody uses the block any more.
pub(super) unsafe fn release(start: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    if bytes >= pages::HUGE {
        // SAFETY: the contract.
        return unsafe { pages::unmap(start, bytes) };
    }
    #[cfg(target_os = "linux")]
    // SAFETY: the contract.
    if shares_pages(bytes) && unsafe { super::arena::give(start, bytes) } {
        return;
    }
    if let Some(layout) = layout(bytes) {
        // SAFETY: the contract; `fresh` used this layout.
        unsafe { dealloc(start, layout) }
    }
}

#[cfg(target_os = "linux")]
pub(super) mod pages {
    use std::sync::OnceLock;

    /// Bytes of a huge page, and the size from which blocks are mapped.
    pub const HUGE: usize = 2 << 20;

    pub fn wanted() -> bool {
        static WANTED: OnceLock<bool> = OnceLock::new();
        *WANTED.get_or_init(|| std::env::var("DLCORE_HUGE_PAGES").as_deref() != Ok("0"))
    }

    /// Whole pages, of the size that every Linux page size divides.
    fn whole(bytes: usize) -> Option<usize> {
        bytes.checked_next_multiple_of(64 << 10)
    }

    pub fn map(bytes: usize) -> Option<*mut u8> {
        let bytes = whole(bytes)?;
        let span = bytes.checked_add(HUGE)?;
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new private mapping at an address that the kernel chooses.
        let raw = unsafe { libc::mmap(std::ptr::null_mut(), span, access, kind, -1, 0) };
        if raw == libc::MAP_FAILED {
            return None;
        }
        let raw = raw.cast::<u8>();
        let skip = raw.align_offset(HUGE);
        // SAFETY: the pieces before and after the aligned block lie in the new mapping and nobody uses them; `skip` is
        // less than HUGE. Advice changes no contents, and where it is refused the block is as good in small pages.
        unsafe {
            let start = raw.add(skip);
            if skip > 0 {
                libc::munmap(raw.cast(), skip);
            }
            if skip < HUGE {
                libc::munmap(start.add(bytes).cast(), HUGE - skip);
            }
            if wanted() {
                libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE);
            }
            Some(start)
        }
    }

    /// Gives the memory of the huge page at `start` back; the address stays mapped.
    ///
    /// # Safety
    /// The page lies in a mapping of [`map`]; nobody uses what is in it any more.
    pub unsafe fn forget(start: *mut u8) {
        // SAFETY: the contract.
        unsafe { libc::madvise(start.cast(), HUGE, libc::MADV_DONTNEED) };
    }

    /// # Safety
    /// `start` came from [`map`] with the same `bytes`; nobody uses the block any more.
    pub unsafe fn unmap(start: *mut u8, bytes: usize) {
        if let Some(bytes) = whole(bytes) {
            // SAFETY: the contract: the mapping is whole and ours.
            unsafe { libc::munmap(start.cast(), bytes) };
        }
    }
}

/// Finds out what is found out once.
pub(super) fn prepare() {
    total();
    #[cfg(target_os = "linux")]
    pages::wanted();
}

/// Bytes of memory and swap that this process could ever have, if known.
pub(super) fn total() -> Option<usize> {
    static TOTAL: OnceLock<Option<usize>> = OnceLock::new();
    *TOTAL.get_or_init(|| {
        let machine = cgroup::read_file("/proc/meminfo")
            .and_then(|text| Some(kibibytes(&text, "MemTotal")? + kibibytes(&text, "SwapTotal")?));
        machine.into_iter().chain(cgroup::memory_limit(&cgroup::read_file)).min()
    })
}

/// Bytes that the machine could give now without taking them from somebody, if known. Reads a file: for large blocks.
pub(super) fn available() -> Option<usize> {
    let text = cgroup::read_file("/proc/meminfo")?;
    Some(kibibytes(&text, "MemAvailable")? + kibibytes(&text, "SwapFree")?)
}

/// The value of a line `name:  123 kB`, in bytes.
fn kibibytes(meminfo: &str, name: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().trim_end_matches("kB").trim_end().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_by_whole_names() {
        let text = "MemTotal:       24682416 kB\nMemAvailable:   100 kB\nSwapFree:  0 kB\n";
        assert_eq!(kibibytes(text, "MemAvailable"), Some(102_400));
        assert_eq!(kibibytes(text, "SwapFree"), Some(0));
        assert_eq!(kibibytes(text, "Mem"), None);
        assert_eq!(kibibytes("MemTotal: many kB", "MemTotal"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn large_blocks_start_at_huge_pages_and_are_zero() {
        for bytes in [pages::HUGE, pages::HUGE + 64, 5 << 20] {
            let block = fresh(bytes).unwrap();
            assert!(block.zero && block.start.addr().is_multiple_of(pages::HUGE));
            // SAFETY: the block is ours and `bytes` long.
            unsafe {
                assert_eq!((block.start.read(), block.start.add(bytes - 1).read()), (0, 0));
                block.start.add(bytes - 1).write(1);
                release(block.start, bytes);
            }
        }
    }

    #[test]
    fn what_cannot_be_is_none() {
        assert!(fresh(isize::MAX.unsigned_abs() - 63).is_none());
        assert!(fresh(usize::MAX).is_none());
    }
}
