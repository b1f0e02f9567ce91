//! Several shared buffers written at once, in place: what a fused update of many arrays needs and a copy
//! ([`crate::copy::copy_into`]) cannot give. Nothing here knows what is computed.

use crate::memory::{Buffer, Pod};
use std::ops::Range;

/// Elements of a shared buffer.
#[derive(Clone)]
pub struct Window<'a> {
    /// The buffer.
    pub buffer: &'a Buffer,
    /// Which of its elements.
    pub range: Range<usize>,
}

/// Memory that would be written and at the same time read or written under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap;

/// Runs `body` on the elements of `writes`, mutable, and of `reads`, both in the order given. As with every write
/// through a buffer that others share, reads of it elsewhere at the same time are the program's race, as in numpy.
///
/// # Errors
/// [`Overlap`] where a written window meets another one; nothing was run then.
///
/// # Panics
/// If a window leaves its buffer.
pub fn update<'a, T: Pod>(
    writes: &[Window<'a>],
    reads: &[Window<'a>],
    body: impl FnOnce(Vec<&mut [T]>, Vec<&[T]>),
) -> Result<(), Overlap> {
    check_apart::<T>(writes, reads)?;
    let written = writes.iter().map(|window| {
        // SAFETY: no other window of this call meets this one, and callers hold no slice of a shared buffer while they
        // have it updated: they hand over windows, not slices.
        unsafe { window.buffer.shared_part_mut(window.range.clone()) }
    });
    let read = reads.iter().map(|window| window.buffer.part(window.range.clone()));
    body(written.collect(), read.collect());
    Ok(())
}

/// Goes over all windows by address: where one starts, those before must have ended, unless both are only read.
fn check_apart<T>(writes: &[Window<'_>], reads: &[Window<'_>]) -> Result<(), Overlap> {
    let bytes = |window: &Window<'_>, written: bool| {
        let start = window.buffer.as_ptr().addr();
        let at = |index: usize| start + index * size_of::<T>();
        (at(window.range.start), at(window.range.end), written)
    };
    let mut all: Vec<_> = writes.iter().map(|w| bytes(w, true)).chain(reads.iter().map(|r| bytes(r, false))).collect();
    all.retain(|(start, end, _)| start < end);
    all.sort_unstable();
    let (mut written_until, mut used_until) = (0, 0);
    for (start, end, written) in all {
        if start < written_until || written && start < used_until {
            return Err(Overlap);
        }
        used_until = used_until.max(end);
        if written {
            written_until = end;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(buffer: &Buffer, range: Range<usize>) -> Window<'_> {
        Window { buffer, range }
    }

    #[test]
    fn writes_what_it_reads_elsewhere() {
        let (target, mut source) = (Buffer::zeroed(32), Buffer::zeroed(32));
        source.as_mut_slice::<f64>().copy_from_slice(&[1., 2., 3., 4.]);
        let writes = [window(&target, 2..4), window(&target, 0..1)];
        let reads = [window(&source, 0..2), window(&source, 1..2)];
        let result = update::<f64>(&writes, &reads, |writes, reads| {
            for (to, from) in writes.into_iter().zip(reads) {
                to.copy_from_slice(from);
            }
        });
        assert_eq!(result, Ok(()));
        assert_eq!(target.as_slice::<f64>(), [2., 0., 1., 2.]);
    }

    #[test]
    fn refuses_memory_under_two_names() {
        let buffer = Buffer::zeroed(32);
        let at = |range| window(&buffer, range);
        let never = |_: Vec<&mut [f32]>, _: Vec<&[f32]>| panic!("not to be run");
        assert_eq!(update(&[at(0..3), at(2..4)], &[], never), Err(Overlap));
        assert_eq!(update(&[at(2..4)], &[at(0..3)], never), Err(Overlap));
        assert_eq!(update(&[at(0..3)], &[at(2..4)], never), Err(Overlap));
        assert_eq!(update(&[at(0..2)], &[at(2..8), at(3..4), at(1..1)], |_: Vec<&mut [f32]>, _| ()), Ok(()));
    }
}
