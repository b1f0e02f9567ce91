//! Whether there is room for a block: within the program's own limit, and within what the machine has.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{local, shared, system, tally};

/// A block could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub bytes: usize,
    /// Bytes that could have been had, if known.
    pub available: Option<usize>,
    /// The limit that stood in the way, if it was the program's own ([`set_limit`]).
    pub limit: Option<usize>,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot allocate {}{}", Bytes(self.bytes), self.reason())
    }
}

impl OutOfMemory {
    /// What stood in the way, to be put behind a message; empty if unknown.
    #[must_use]
    pub fn reason(&self) -> String {
        match (self.available.map(Bytes), self.limit.map(Bytes)) {
            (Some(available), Some(limit)) => format!(": {available} are left of the limit of {limit}"),
            (Some(available), None) => format!(": {available} of memory are available"),
            (None, _) => String::new(),
        }
    }
}

impl std::error::Error for OutOfMemory {}

/// A size for people.
pub(super) struct Bytes(pub(super) usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, unit) = match self.0 {
            0..0x400 => return write!(f, "{} bytes", self.0),
            0x400..0x10_0000 => (10, "KiB"),
            0x10_0000..0x4000_0000 => (20, "MiB"),
            _ => (30, "GiB"),
        };
        let tenths = (self.0 >> (shift - 4)) * 10 / 16;
        write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// Allocations from this size on ask the machine first: without asking, Linux would promise more memory than there is
/// and kill the process when it writes there.
const ASK_FIRST: usize = 256 << 20;

/// The largest value stands for no limit.
const NONE: usize = usize::MAX;
static LIMIT: AtomicUsize = AtomicUsize::new(NONE);

/// Buffers take at most `bytes` from the system from now on, those kept for reuse included; more is refused. What is
/// in use already stays. `None` lifts the limit.
pub fn set_limit(bytes: Option<usize>) {
    LIMIT.store(bytes.unwrap_or(NONE), Ordering::Relaxed);
    if let Some(bytes) = bytes {
        shared::shrink(bytes.saturating_sub(in_use()));
    }
}

/// The limit that [`set_limit`] has set.
#[must_use]
pub fn limit() -> Option<usize> {
    Some(LIMIT.load(Ordering::Relaxed)).filter(|&limit| limit != NONE)
}

fn in_use() -> usize {
    local::with(|local| local.tally.report());
    tally::live()
}

/// Whether the system may be asked for a block of `bytes`.
pub(super) fn check(bytes: usize) -> Result<(), OutOfMemory> {
    if let Some(limit) = limit() {
        let available = limit.saturating_sub(in_use() + tally::kept() + shared::bytes());
        if bytes > available {
            return Err(OutOfMemory { bytes, available: Some(available), limit: Some(limit) });
        }
    }
    let available = available(bytes);
    if available.is_some_and(|available| bytes > available) {
        return Err(OutOfMemory { bytes, available, limit: None });
    }
    Ok(())
}

/// Bytes that the machine has for a block of about `bytes`, if known.
pub(super) fn available(bytes: usize) -> Option<usize> {
    let room = system::total().map(|total| total.saturating_sub(tally::live()));
    if bytes < ASK_FIRST { room } else { room.into_iter().chain(system::available()).min() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        let shown = [0, 1023, 1024, 1536, 1 << 20, (1 << 30) - 1, 5 << 29, usize::MAX].map(|n| Bytes(n).to_string());
        let expected =
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1023.9 MiB", "2.5 GiB", "17179869183.9 GiB"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_refusal_says_what_stood_in_the_way() {
        let shown = |available, limit| OutOfMemory { bytes: 3 << 20, available, limit }.to_string();
        assert_eq!(shown(None, None), "cannot allocate 3.0 MiB");
        assert_eq!(shown(Some(1 << 20), None), "cannot allocate 3.0 MiB: 1.0 MiB of memory are available");
        let limited = "cannot allocate 3.0 MiB: 1.0 KiB are left of the limit of 2.0 MiB";
        assert_eq!(shown(Some(1 << 10), Some(2 << 20)), limited);
    }
}
