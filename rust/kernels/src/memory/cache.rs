//! Blocks handed out and taken back: from this thread's cache, from the shared one, or fresh from the system.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::classes::{SMALL, class_bytes, class_of};
use super::room::{self, Bytes, OutOfMemory};
use super::system::{self, Block};
use super::{local, shared, tally};

/// A block for `bytes` bytes, which is not zero.
#[inline]
pub(super) fn take(bytes: usize) -> Result<Block, OutOfMemory> {
    if bytes <= SMALL
        && let Some(start) = local::take(class_of(bytes))
    {
        return Ok(Block { start, zero: false });
    }
    take_elsewhere(bytes)
}

#[inline(never)]
fn take_elsewhere(bytes: usize) -> Result<Block, OutOfMemory> {
    if bytes > isize::MAX.unsigned_abs() {
        return Err(OutOfMemory { bytes, available: system::total(), limit: None });
    }
    let class = class_of(bytes);
    let kept = if bytes > SMALL { shared::take(class) } else { None };
    let block = match kept {
        Some(start) => Block { start, zero: false },
        None => fresh(class_bytes(class)).map_err(|refusal| OutOfMemory { bytes, ..refusal })?,
    };
    local::with(|local| local.tally.took(class_bytes(class), kept.is_some()));
    Ok(block)
}

/// Takes back a block for `bytes` bytes.
///
/// # Safety
/// `start` came from [`take`] with the same `bytes`; nobody uses the block any more.
#[inline]
pub(super) unsafe fn give(start: *mut u8, bytes: usize) {
    // SAFETY: the contract: a block of this class, and nobody's.
    unsafe {
        if bytes > SMALL || limit() == 0 || !local::keep(start, class_of(bytes)) {
            give_elsewhere(start, bytes);
        }
    }
}

/// # Safety
/// As for [`give`].
#[inline(never)]
unsafe fn give_elsewhere(start: *mut u8, bytes: usize) {
    let class = class_of(bytes);
    local::with(|local| local.tally.returned(class_bytes(class)));
    // SAFETY: the contract: a block of this class, and nobody's.
    unsafe {
        if bytes > SMALL {
            shared::keep(start, class, limit());
        } else {
            system::release(start, class_bytes(class));
        }
    }
}

/// A block that no cache had; what the caches hold is given up before the answer is no.
#[cold]
fn fresh(bytes: usize) -> Result<Block, OutOfMemory> {
    let attempt = || {
        room::check(bytes)?;
        system::fresh(bytes).ok_or_else(|| OutOfMemory { bytes, available: room::available(bytes), limit: None })
    };
    attempt().or_else(|_| {
        empty_cache();
        attempt()
    })
}

/// What the allocator has done so far. Sizes are those of blocks, up to an eighth above what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes in use.
    pub live_bytes: usize,
    /// Bytes kept for reuse.
    pub cached_bytes: usize,
    /// The most bytes that were in use at once.
    pub peak_bytes: usize,
    /// Blocks handed out.
    pub allocations: u64,
    /// How many of them came from a cache.
    pub cache_hits: u64,
    /// Bytes that the shared cache keeps at most.
    pub cache_limit: usize,
}

/// The counters now: exact but for up to 64 KiB and 255 allocations of each other thread that is running.
#[must_use]
pub fn stats() -> Stats {
    local::with(|local| local.tally.report());
    Stats {
        live_bytes: tally::live(),
        cached_bytes: tally::kept() + shared::bytes(),
        peak_bytes: tally::peak(),
        allocations: tally::allocations(),
        cache_hits: tally::hits(),
        cache_limit: limit(),
    }
}

/// Gives what the shared cache and this thread's keep back to the system; other threads keep up to 1 MiB each.
pub fn empty_cache() {
    local::with(local::Local::clear);
    shared::shrink(0);
}

/// Counts [`Stats::peak_bytes`] from what is in use now.
pub fn reset_peak() {
    local::with(|local| local.tally.report());
    tally::reset_peak();
}

/// The shared cache keeps at most `bytes` from now on; with 0 no thread keeps another block, and only those of threads
/// other than this stay where they are. `None` is the limit that it started with.
pub fn set_cache_limit(bytes: Option<usize>) {
    // The largest value stands for "not chosen yet".
    let bytes = bytes.unwrap_or(automatic().0).min(UNSET - 1);
    LIMIT.store(bytes, Ordering::Relaxed);
    if bytes == 0 {
        empty_cache();
    } else {
        shared::shrink(bytes);
    }
}

/// Why the cache's limit is what it is, in one line for people.
#[must_use]
pub fn why() -> String {
    match (limit(), automatic()) {
        (limit, (first, why)) if limit == *first => why.clone(),
        (limit, _) => format!("set_cache_limit({})", Bytes(limit)),
    }
}

const UNSET: usize = usize::MAX;
static LIMIT: AtomicUsize = AtomicUsize::new(UNSET);

#[inline]
fn limit() -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        UNSET => first_limit(),
        limit => limit,
    }
}

#[cold]
fn first_limit() -> usize {
    match LIMIT.compare_exchange(UNSET, automatic().0, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => automatic().0,
        Err(limit) => limit,
    }
}

/// Finds out what is found out once.
pub fn prepare() {
    automatic();
    system::prepare();
}

fn automatic() -> &'static (usize, String) {
    static AUTOMATIC: OnceLock<(usize, String)> = OnceLock::new();
    AUTOMATIC.get_or_init(|| choose(std::env::var("DLCORE_MEMORY_CACHE").ok().as_deref(), system::total()))
}

/// The cache's limit and why: what the environment asks, else an eighth of memory.
fn choose(asked: Option<&str>, total: Option<usize>) -> (usize, String) {
    const USUAL: usize = 1 << 30;
    let asked = asked.map(str::trim).filter(|text| !text.is_empty());
    if let Some(bytes) = asked.and_then(parse) {
        return (bytes.min(UNSET - 1), format!("DLCORE_MEMORY_CACHE={}", Bytes(bytes)));
    }
    let bytes = total.map_or(USUAL, |total| total / 8);
    let mut why = format!("{}, {}", Bytes(bytes), if total.is_some() { "an eighth of memory" } else { "the default" });
    if let Some(text) = asked {
        why += "; DLCORE_MEMORY_CACHE=";
        why += text;
        why += " is not a size such as 0, 1048576 or 512MiB";
    }
    (bytes, why)
}

/// Bytes, or KiB, MiB, GiB by name.
fn parse(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let scale = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_nonsense_is_named() {
        let cases = [("0", 0), ("4096", 4096), ("512MiB", 512 << 20), ("2 g", 2 << 30), ("3k", 3072), ("7B", 7)];
        for (text, bytes) in cases {
            assert_eq!(choose(Some(text), None).0, bytes, "{text}");
        }
        for text in ["much", "-1", "1.5G", "12 parsecs", "99999999999999999999", "18446744073709551615G"] {
            let (bytes, why) = choose(Some(text), Some(16 << 30));
            assert_eq!(bytes, 2 << 30);
            assert!(why.contains(&format!("DLCORE_MEMORY_CACHE={text} is not a size")), "{why}");
        }
        assert_eq!(choose(None, None), (1 << 30, "1.0 GiB, the default".to_owned()));
        assert_eq!(choose(Some(""), Some(8 << 30)), (1 << 30, "1.0 GiB, an eighth of memory".to_owned()));
    }
}
