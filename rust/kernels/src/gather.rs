//! Reading and adding at positions that an index tensor names: embeddings, `gather`, `scatter_add`, flat offsets.
//!
//! Indices are int64. Those that a user gave are checked and made non-negative once, by [`normalize_indices`]; kernels
//! then take positions. Where several sources add to one destination, they do so in the order of the sources.

use crate::element::Element;
use crate::layout::{Order, Strided, coalesce};
use crate::memory::Pod;
use crate::parallel::{Disjoint, for_each, for_ranges, num_threads};

/// Elements that one task moves, about.
pub(crate) const GRAIN: usize = 1 << 13;
/// Estimated cost of moving 1024 elements, in nanoseconds.
pub(crate) const MOVE_NS: usize = 300;

/// An index outside its dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadIndex {
    /// Where it stands among the indices.
    pub position: usize,
    /// What it is.
    pub value: i64,
}

/// Elements of a slice from which on sorting the slices costs less than adding them.
const LONG: usize = 64;

/// Indices that are checked side by side.
const CHECKED: usize = 1 << 10;

/// Writes `ids` to `out` with `extent` added to the negative ones.
///
/// # Errors
/// The first index outside `-extent..extent`.
///
/// # Panics
/// If lengths differ.
pub fn normalize_indices(ids: &[i64], extent: usize, out: &mut [i64]) -> Result<(), BadIndex> {
    assert_eq!(ids.len(), out.len(), "as many results as indices");
    let extent = extent.cast_signed() as i64;
    for (piece, (ids, out)) in ids.chunks(CHECKED).zip(out.chunks_mut(CHECKED)).enumerate() {
        let mut all = true;
        for (&value, out) in ids.iter().zip(out) {
            *out = if value < 0 { value.wrapping_add(extent) } else { value };
            all &= (-extent..extent).contains(&value);
        }
        if !all && let Some(at) = ids.iter().position(|value| !(-extent..extent).contains(value)) {
            return Err(BadIndex { position: piece * CHECKED + at, value: ids[at] });
        }
    }
    Ok(())
}

/// The first index outside `0..extent`: for operations that count no index from the end (embedding, gather).
#[must_use]
pub fn first_bad_index(ids: &[i64], extent: usize) -> Option<BadIndex> {
    let inside = |id: &i64| id.cast_unsigned() < extent as u64;
    let sound = |ids: &[i64]| ids.iter().fold(true, |all, id| all & inside(id));
    let piece = ids.chunks(CHECKED).position(|ids| !sound(ids))?;
    let position = piece * CHECKED + ids[piece * CHECKED..].iter().position(|id| !inside(id))?;
    Some(BadIndex { position, value: ids[position] })
}

/// A checked index as a position.
#[expect(clippy::cast_possible_truncation, reason = "checked indices are positions in memory")]
#[inline(always)]
pub(crate) fn position(id: i64) -> usize {
    id.cast_unsigned() as usize
}

/// Adds slices along one dimension to what is there: `source` is `[outer, ids.len(), inner]`, `out` is
/// `[outer, extent, inner]`, and `out[o, ids[n]] += source[o, n]`. Of long slices the ids are sorted, so that each
/// destination belongs to one task and takes its sources in their order; short ones are added sooner than sorted.
///
/// # Panics
/// On an id outside `extent`.
pub fn index_add<T: Element>(source: &[T], extent: usize, inner: usize, ids: &[i64], out: &mut [T]) {
    let outer = outer_extent(out.len(), extent, inner, ids.len(), source.len());
    if outer == 0 || ids.is_empty() || inner == 0 {
        return;
    }
    assert!(ids.iter().all(|&id| position(id) < extent), "index outside {extent}");
    let add = |out: &mut [T], from: usize| {
        for (out, &value) in out.iter_mut().zip(&source[from * inner..][..inner]) {
            *out = out.wrapping_add(value);
        }
    };
    let cost = (outer * ids.len()).saturating_mul(inner) * MOVE_NS / 1024;
    if inner < LONG || cost < crate::parallel::SERIAL_BELOW_NS {
        let out = Disjoint::new(out);
        return for_each(outer, cost, |block| {
            // SAFETY: each task has a block of its own.
            let out = unsafe { out.slice(block * extent * inner..(block + 1) * extent * inner) };
            if inner == 1 {
                return put_add(&source[block * ids.len()..][..ids.len()], ids, out);
            }
            for (n, &id) in ids.iter().enumerate() {
                add(&mut out[position(id) * inner..][..inner], block * ids.len() + n);
            }
        });
    }
    let order = sorted(ids, extent);
    let segments = ids.len().div_ceil((GRAIN / inner).max(1));
    let grain = ids.len().div_ceil(segments);
    let out = Disjoint::new(out);
    for_each(outer * segments, cost, |task| {
        let (block, range) = (task / segments, task % segments * grain..(task % segments + 1) * grain);
        let range = segment_start(&order, range.start)..segment_start(&order, range.end);
        for &(id, n) in &order[range] {
            let start = (block * extent + position(id)) * inner;
            // SAFETY: every source of one destination lies in one range.
            add(unsafe { out.slice(start..start + inner) }, block * ids.len() + n);
        }
    });
}

/// Counts for each id that are kept in place of comparisons.
const MOST_COUNTS: usize = 8;

/// The ids with their positions, equal ids in the order of their positions.
fn sorted(ids: &[i64], extent: usize) -> Vec<(i64, usize)> {
    if extent <= MOST_COUNTS * ids.len() {
        let mut places = vec![0; extent + 1];
        for &id in ids {
            places[position(id) + 1] += 1;
        }
        for id in 0..extent {
            places[id + 1] += places[id];
        }
        let mut order = vec![(0, 0); ids.len()];
        for (at, &id) in ids.iter().enumerate() {
            let place = &mut places[position(id)];
            order[*place] = (id, at);
            *place += 1;
        }
        return order;
    }
    let mut order: Vec<(i64, usize)> = ids.iter().copied().zip(0..).collect();
    order.sort_unstable();
    order
}

/// The first position from `at` on where an id differs from the one before it.
fn segment_start(order: &[(i64, usize)], at: usize) -> usize {
    let at = at.min(order.len());
    if at == 0 {
        return 0;
    }
    let before = order[at - 1].0;
    at + order[at..].iter().take_while(|(id, _)| *id == before).count()
}

/// The product of the dimensions before the indexed one, with every length checked against it.
pub(crate) fn outer_extent(whole: usize, extent: usize, inner: usize, count: usize, picked: usize) -> usize {
    let outer = whole.checked_div(extent * inner).unwrap_or(0);
    assert!(
        whole == outer * extent * inner && (picked == outer * count * inner || outer == 0 && picked == 0),
        "lengths do not match the shapes"
    );
    outer
}

/// `out[..i..] = source[..index[..i..]..]` along `dim`, row-major over the shape of `index`, which exceeds the
/// shape of `source` nowhere but along `dim`.
///
/// # Panics
/// On an index outside `source`.
pub fn gather<T: Pod>(
    (source, source_window): (&[T], Strided<'_>),
    dim: usize,
    (index, index_window): (&[i64], Strided<'_>),
    out: &mut [T],
) {
    source_window.check(source.len());
    index_window.check(index.len());
    assert_eq!(out.len(), index_window.numel(), "one result an index");
    let base = off_dim(&source_window, dim, index_window.shape);
    let (extent, step) = (source_window.shape[dim], source_window.strides[dim]);
    let loops = coalesce(index_window.shape, [index_window.strides, &base], Order::Index);
    let (inner, [index_step, source_step]) = (loops.inner(), loops.inner_strides());
    let grain = (GRAIN / inner.max(1)).max(1);
    let out = Disjoint::new(out);
    for_ranges(loops.rows(), grain, inner.saturating_mul(2 * MOVE_NS), |rows| {
        // SAFETY: ranges of rows are disjoint.
        let out = unsafe { out.slice(rows.start * inner..rows.end * inner) };
        for ([index_at, source_at], out) in loops.walk(rows).zip(out.chunks_exact_mut(inner.max(1))) {
            let mut index_at = index_window.offset.strict_add_signed(index_at);
            let mut source_at = source_window.offset.strict_add_signed(source_at);
            if (index_step, source_step, step) == (1, 0, 1) {
                let line = &source[source_at..][..extent];
                for (out, &id) in out.iter_mut().zip(&index[index_at..]) {
                    *out = line[position(id)];
                }
                continue;
            }
            for out in out {
                let id = position(index[index_at]);
                assert!(id < extent, "index {id} outside {extent}");
                *out = source[source_at.wrapping_add_signed(id.cast_signed() * step)];
                index_at = index_at.wrapping_add_signed(index_step);
                source_at = source_at.wrapping_add_signed(source_step);
            }
        }
    });
}

/// `out[..index[..i..]..] += source[..i..]` along `dim`, in row-major order over the shape of `index`; `out` is
/// contiguous with shape `out_shape`, and `source` is at least as large as `index`.
///
/// Coordinates that differ off `dim` never meet, so the longest of the other dimensions is split into tasks.
///
/// # Panics
/// On an index outside `out`.
pub fn scatter_add<T: Element>(
    (source, source_window): (&[T], Strided<'_>),
    dim: usize,
    (index, index_window): (&[i64], Strided<'_>),
    (out, out_shape): (&mut [T], &[usize]),
) {
    source_window.check(source.len());
    index_window.check(index.len());
    let out_strides = row_major(out_shape);
    let out_window = Strided { shape: out_shape, strides: &out_strides, offset: 0 };
    out_window.check(out.len());
    let shape = index_window.shape;
    assert!(shape.iter().zip(source_window.shape).all(|(i, s)| i <= s), "the source is smaller than the index");
    let base = off_dim(&out_window, dim, shape);
    let (extent, step) = (out_shape[dim], out_strides[dim]);
    let numel = index_window.numel();
    if numel == 0 {
        return;
    }
    let split = (0..shape.len()).filter(|&axis| axis != dim).max_by_key(|&axis| shape[axis]).unwrap_or(dim);
    let length = if split == dim { 1 } else { shape[split] };
    let width = numel / length;
    let out = Disjoint::new(out);
    // Wide parts: the last dimension is often the one that is split, and a column has a line of memory for each element.
    let grain = (GRAIN / width).max(length.div_ceil(num_threads()));
    for_ranges(length, grain, width.saturating_mul(3 * MOVE_NS), |range| {
        let mut part = shape.to_vec();
        if split != dim {
            part[split] = range.len();
        }
        let start = |strides: &[isize]| range.start.cast_signed() * strides[split];
        let loops = coalesce(&part, [index_window.strides, source_window.strides, &base], Order::Index);
        let [index_step, source_step, out_step] = loops.inner_strides();
        for [index_at, source_at, out_at] in loops.walk(0..loops.rows()) {
            let mut index_at = index_window.offset.strict_add_signed(index_at + start(index_window.strides));
            let mut source_at = source_window.offset.strict_add_signed(source_at + start(source_window.strides));
            let mut out_at = 0usize.strict_add_signed(out_at + start(&base));
            if (index_step, source_step, out_step, step) == (1, 1, 0, 1) {
                // SAFETY: tasks differ in a coordinate off `dim`, so their lines along it do.
                let line = unsafe { out.slice(out_at..out_at + extent) };
                for (&id, &value) in index[index_at..].iter().zip(&source[source_at..]).take(loops.inner()) {
                    let target = &mut line[position(id)];
                    *target = target.wrapping_add(value);
                }
                continue;
            }
            for _ in 0..loops.inner() {
                let id = position(index[index_at]);
                assert!(id < extent, "index {id} outside {extent}");
                let target = out_at.wrapping_add_signed(id.cast_signed() * step);
                // SAFETY: tasks differ in a coordinate off `dim`, so their targets do.
                let target = &mut unsafe { out.slice(target..target + 1) }[0];
                *target = target.wrapping_add(source[source_at]);
                index_at = index_at.wrapping_add_signed(index_step);
                source_at = source_at.wrapping_add_signed(source_step);
                out_at = out_at.wrapping_add_signed(out_step);
            }
        }
    });
}

/// For each row of an index of `extents`, in order: where in a contiguous array of `shape` its first element would go if it
/// said 0, how far on an index of one more along `dim` is, and how far the row's next element.
pub(crate) fn row_starts(
    extents: &[usize],
    dim: usize,
    shape: &[usize],
) -> impl Iterator<Item = (usize, usize, usize)> {
    let strides = row_major(shape);
    let leading = extents.len().saturating_sub(1);
    (0..extents[..leading].iter().product()).map(move |row: usize| {
        let (mut rest, mut start) = (row, 0);
        for axis in (0..leading).rev() {
            if axis != dim {
                start += rest % extents[axis] * strides[axis].unsigned_abs();
            }
            rest /= extents[axis];
        }
        (start, strides[dim].unsigned_abs(), usize::from(dim != leading))
    })
}

/// Where each of `index` says along `dim` of a contiguous array of `shape`, counted from its first element. The index is
/// contiguous and of `extents`.
///
/// # Panics
/// If the ranks differ.
pub fn places(index: &[i64], extents: &[usize], dim: usize, shape: &[usize], out: &mut [i64]) {
    assert_eq!(extents.len(), shape.len(), "ranks differ");
    let width = extents.last().copied().unwrap_or(1).max(1);
    let rows = index.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(row_starts(extents, dim, shape));
    for ((index, out), (start, step, next)) in rows {
        for (i, (out, &id)) in out.iter_mut().zip(index).enumerate() {
            *out = (start + i * next + position(id) * step).cast_signed() as i64;
        }
    }
}

/// `out[..., index[i], ...] = source[i]` along `dim` of a contiguous array of `shape`, the last of several to one place; the
/// index and the source are contiguous and of `extents`.
///
/// # Panics
/// On an index outside of `dim`, or if the ranks or sizes differ.
pub fn scatter<T: Pod>(source: &[T], index: &[i64], extents: &[usize], dim: usize, shape: &[usize], out: &mut [T]) {
    assert!(extents.len() == shape.len() && source.len() == index.len(), "ranks or sizes differ");
    let width = extents.last().copied().unwrap_or(1).max(1);
    let rows = index.chunks_exact(width).zip(source.chunks_exact(width)).zip(row_starts(extents, dim, shape));
    for ((index, source), (start, step, next)) in rows {
        let out = &mut out[start..];
        if next == 0 {
            let out = &mut out[..shape[dim]];
            index.iter().zip(source).for_each(|(&id, &value)| out[position(id)] = value);
            continue;
        }
        for (i, (&id, &value)) in index.iter().zip(source).enumerate() {
            out[i + position(id) * step] = value;
        }
    }
}

/// The strides of `window` with a step of zero along `dim`, whose place the index takes.
fn off_dim(window: &Strided<'_>, dim: usize, shape: &[usize]) -> Vec<isize> {
    assert!(dim < shape.len() && shape.len() == window.shape.len(), "ranks differ");
    let fits = |axis: usize| axis == dim || shape[axis] <= window.shape[axis];
    assert!((0..shape.len()).all(fits), "the index is larger than what it indexes");
    let mut strides = window.strides.to_vec();
    strides[dim] = 0;
    strides
}

/// Strides of a contiguous row-major array.
fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1).cast_signed();
    }
    strides
}

/// `out[i] = source[offsets[i]]`.
///
/// # Panics
/// On an offset outside `source`.
pub fn take<T: Pod>(source: &[T], offsets: &[i64], out: &mut [T]) {
    assert_eq!(offsets.len(), out.len(), "one result an offset");
    let out = Disjoint::new(out);
    for_ranges(offsets.len(), GRAIN, 2 * MOVE_NS, |range| {
        // SAFETY: ranges are disjoint.
        for (out, &at) in unsafe { out.slice(range.clone()) }.iter_mut().zip(&offsets[range]) {
            *out = source[position(at)];
        }
    });
}

/// `out[offsets[i]] = source[i]`, the last of several to one place.
///
/// # Panics
/// On an offset outside `out`.
pub fn put<T: Pod>(source: &[T], offsets: &[i64], out: &mut [T]) {
    assert_eq!(offsets.len(), source.len(), "one source an offset");
    for (&at, &value) in offsets.iter().zip(source) {
        out[position(at)] = value;
    }
}

/// `out[offsets[i]] += source[i]`, in order.
///
/// # Panics
/// On an offset outside `out`.
pub fn put_add<T: Element>(source: &[T], offsets: &[i64], out: &mut [T]) {
    assert_eq!(offsets.len(), source.len(), "one source an offset");
    for (&at, &value) in offsets.iter().zip(source) {
        let out = &mut out[position(at)];
        *out = out.wrapping_add(value);
    }
}

/// How many elements of each piece of `mask` are not zero: what [`nonzero`] needs to write all pieces at once.
#[must_use]
pub fn count_nonzero(mask: &[u8]) -> Vec<usize> {
    let mut counts = vec![0usize; mask.len().div_ceil(GRAIN)];
    let slots = Disjoint::new(&mut counts);
    for_ranges(mask.len(), GRAIN, 50, |range| {
        let task = range.start / GRAIN;
        // SAFETY: each task writes its own element.
        let slot = unsafe { slots.slice(task..task + 1) };
        // As many bytes as a byte counts, which a vector adds up side by side.
        let count = |mask: &[u8]| usize::from(mask.iter().map(|&m| u8::from(m != 0)).sum::<u8>());
        slot[0] = mask[range].chunks(255).map(count).sum();
    });
    counts
}

/// Coordinates in `shape` of the elements of `mask` that are not zero, in order, a row of `out` for each. `counts` are
/// those of [`count_nonzero`].
///
/// # Panics
/// If lengths do not match.
pub fn nonzero(mask: &[u8], shape: &[usize], counts: &[usize], out: &mut [i64]) {
    let rank = shape.len();
    assert_eq!(mask.len(), shape.iter().product(), "as many elements as the shape says");
    assert_eq!(out.len(), counts.iter().sum::<usize>() * rank, "a row for each element");
    if rank == 0 {
        return;
    }
    let starts: Vec<usize> = counts.iter().scan(0, |sum, count| Some(std::mem::replace(sum, *sum + count))).collect();
    let rows = Disjoint::new(out);
    for_ranges(mask.len(), GRAIN, (1 + rank) * MOVE_NS, |range| {
        let task = range.start / GRAIN;
        let piece = starts[task] * rank..(starts[task] + counts[task]) * rank;
        // SAFETY: the pieces follow one another.
        let out = unsafe { rows.slice(piece) };
        // The usual ranks as constants, so that a row is written without a loop.
        match rank {
            1 => write_rows([0; 1], &mask[range.clone()], range.start, shape, out),
            2 => write_rows([0; 2], &mask[range.clone()], range.start, shape, out),
            3 => write_rows([0; 3], &mask[range.clone()], range.start, shape, out),
            4 => write_rows([0; 4], &mask[range.clone()], range.start, shape, out),
            _ => write_rows(vec![0; rank], &mask[range.clone()], range.start, shape, out),
        }
    });
}

/// A one in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

/// For each set of eight bits the numbers of those that are set, a byte each from the lowest on.
const PLACES: [u64; 256] = {
    let (mut table, mut set) = ([0u64; 256], 0);
    while set < 256 {
        let (mut bit, mut shift) = (0, 0);
        while bit < 8 {
            if set >> bit & 1 == 1 {
                table[set] |= bit << shift;
                shift += 8;
            }
            bit += 1;
        }
        set += 1;
    }
    table
};

/// The numbers of the bytes of `word` that are not zero, a byte each from the lowest on, and how many there are.
#[inline(always)]
fn places_of(word: u64) -> (u64, usize) {
    // The highest bit of each byte that is not zero, moved to its lowest; no sum here carries from byte to byte.
    let ones = ((((word & (0x7f * EACH)) + 0x7f * EACH) | word) >> 7) & EACH;
    let set = ones.wrapping_mul(0x0102_0408_1020_4080) >> 56;
    (PLACES[usize::from(set.to_le_bytes()[0])], usize::from((ones.wrapping_mul(EACH) >> 56).to_le_bytes()[0]))
}

/// The part of [`nonzero`] for a piece of the mask that begins at element `start`.
fn write_rows(mut row: impl AsMut<[i64]>, mask: &[u8], start: usize, shape: &[usize], mut out: &mut [i64]) {
    let row = row.as_mut();
    let last = row.len() - 1;
    let inner = shape[last];
    // The first element of the row of the tensor that `row` names.
    let mut base = start - start % inner;
    let move_to = |row: &mut [i64], mut at: usize| {
        for (coordinate, extent) in row.iter_mut().zip(shape).rev() {
            *coordinate = (at % extent).cast_signed() as i64;
            at /= extent;
        }
    };
    move_to(row, base);
    for (chunk, mask) in mask.chunks(64).enumerate() {
        let first = start + 64 * chunk;
        // The places of eight elements at a time, whatever they are: no branch to predict.
        let (mut found, mut count) = ([0u8; 64 + 8], 0);
        for (mask, at) in mask.chunks(8).zip((0..).step_by(8)) {
            let mut word = [0; 8];
            word[..mask.len()].copy_from_slice(mask);
            let (places, more) = places_of(u64::from_le_bytes(word));
            found[count..count + 8].copy_from_slice(&(places + at * EACH).to_le_bytes());
            count += more;
        }
        if count == 0 {
            continue;
        }
        let (head, tail) = out.split_at_mut(count * (last + 1));
        out = tail;
        if last == 0 {
            head.iter_mut().zip(found).for_each(|(out, at)| *out = (first + usize::from(at)).cast_signed() as i64);
            continue;
        }
        for (out, &at) in head.chunks_exact_mut(last + 1).zip(&found) {
            let at = first + usize::from(at);
            if at - base >= inner {
                base = at - at % inner;
                move_to(row, base);
            }
            row[last] = (at - base).cast_signed() as i64;
            out.copy_from_slice(row);
        }
    }
}

/// Rows of `classes` numbers, zero but for a one at each id; `out` is `[ids.len(), classes]`.
///
/// # Panics
/// On an id outside `classes`.
pub fn one_hot(ids: &[i64], classes: usize, out: &mut [i64]) {
    assert_eq!(out.len(), ids.len() * classes, "lengths do not match the shapes");
    let out = Disjoint::new(out);
    for_ranges(ids.len(), (GRAIN / classes.max(1)).max(1), classes.saturating_mul(MOVE_NS), |range| {
        // SAFETY: ranges of rows are disjoint.
        let out = unsafe { out.slice(range.start * classes..range.end * classes) };
        out.fill(0);
        for (row, &id) in ids[range].iter().enumerate() {
            assert!(position(id) < classes, "index {id} outside {classes}");
            out[row * classes + position(id)] = 1;
        }
    });
}
