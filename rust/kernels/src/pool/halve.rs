//! Max pooling by windows of 2 by 2 that tile a plane, the commonest there are: of each window's largest element one byte
//! says which it was, an eighth of an index.

use crate::element::{Element, Float};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each_init, for_ranges};
use crate::stored::{Stored, by_pieces};
use crate::stream;

use super::{GRAIN, NS_PER_1024, Window, flat};

/// Planes of this height and width, and how many results they have each way.
#[derive(Clone, Copy)]
struct Halves {
    input: (usize, usize),
    output: (usize, usize),
}

impl Halves {
    fn of((height, width): (usize, usize)) -> Self {
        Self { input: (height, width), output: (height / 2, width / 2) }
    }

    fn lengths(self) -> (usize, usize) {
        (self.input.0 * self.input.1, self.output.0 * self.output.1)
    }

    /// Planes of one task, and the cost of 1024 planes.
    fn grain(self) -> (usize, usize) {
        let length = self.lengths().0;
        ((GRAIN / length.max(1)).max(1), length.saturating_mul(NS_PER_1024) / 4)
    }
}

impl Window {
    /// Whether the windows are of 2 by 2, tile planes of this size, and never leave them.
    #[must_use]
    pub fn is_halving(&self, (height, width): (usize, usize)) -> bool {
        let Self { kernel, stride, padding, dilation, ceil_mode } = *self;
        let whole = !ceil_mode || height % 2 == 0 && width % 2 == 0;
        (kernel, stride, padding, dilation) == ((2, 2), (2, 2), (0, 0), (1, 1)) && whole
    }
}

/// The largest element of each window that [halves](Window::is_halving), and its place in the window, counted along rows. A
/// NaN wins.
///
/// # Panics
/// If lengths do not match.
pub fn halve<T: Element, K: Stored<Value = T>>(
    x: &[K],
    planes: usize,
    input: (usize, usize),
    y: &mut [K],
    winners: &mut [u8],
) {
    let halves = Halves::of(input);
    let (in_len, out_len) = halves.lengths();
    assert!(x.len() == planes * in_len && y.len() == planes * out_len && winners.len() == y.len(), "lengths");
    let (y, winners) = (Disjoint::new(y), Disjoint::new(winners));
    let (grain, cost) = halves.grain();
    for_ranges(planes, grain, cost, |range| {
        by_pieces::<K, 2>(range, [in_len, out_len], |range, [x_room, y_room]| {
            // SAFETY: ranges of planes are disjoint.
            let (y, winners) = unsafe { (y.slice(flat(&range, out_len)), winners.slice(flat(&range, out_len))) };
            let x = K::load_slice(&x[flat(&range, in_len)], x_room);
            K::store_slice(y, y_room, |y| dispatch(Halve { halves, x, y, winners }));
        });
    });
}

/// Gradient of [`halve`].
///
/// # Panics
/// If lengths do not match.
pub fn halve_backward<T: Float, K: Stored<Value = T>>(
    g: &[K],
    winners: &[u8],
    planes: usize,
    input: (usize, usize),
    gx: &mut [K],
) {
    let halves = Halves::of(input);
    let (in_len, out_len) = halves.lengths();
    assert!(g.len() == planes * out_len && winners.len() == g.len() && gx.len() == planes * in_len, "lengths");
    let (grain, cost) = halves.grain();
    let cost = planes.saturating_mul(cost) / 1024;
    let room = if !K::NARROW && size_of_val(gx) >= stream::STREAM_FROM { in_len } else { 0 };
    let gx = Disjoint::new(gx);
    for_each_init(
        planes.div_ceil(grain),
        cost,
        || vec![T::ZERO; room],
        |room, task| {
            let range = task * grain..((task + 1) * grain).min(planes);
            by_pieces::<K, 2>(range, [out_len, in_len], |range, [g_room, gx_room]| {
                // SAFETY: ranges of planes are disjoint.
                let gx = unsafe { gx.slice(flat(&range, in_len)) };
                let results = flat(&range, out_len);
                let (g, winners) = (K::load_slice(&g[results.clone()], g_room), &winners[results]);
                K::store_slice(gx, gx_room, |gx| dispatch(Unhalve { halves, g, winners, room, gx }));
            });
        },
    );
}

struct Halve<'a, T> {
    halves: Halves,
    x: &'a [T],
    y: &'a mut [T],
    winners: &'a mut [u8],
}

impl<T: Element> Kernel for Halve<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { halves, x, y, winners } = self;
        let (width, (out_height, out_width)) = (halves.input.1, halves.output);
        let results = y.chunks_exact_mut(out_width.max(1)).zip(winners.chunks_exact_mut(out_width.max(1)));
        for (line, (y, winners)) in results.enumerate() {
            let start = line / out_height * halves.lengths().0 + line % out_height * 2 * width;
            let (upper, lower) = x[start..][..2 * width].split_at(width);
            match out_width {
                16.. => halve_row::<T, 16, 32>(upper, lower, y, winners),
                4.. => halve_row::<T, 4, 8>(upper, lower, y, winners),
                _ => halve_row::<T, 1, 2>(upper, lower, y, winners),
            }
        }
    }
}

/// A row of results, `N` at a time; the last of them once more where they are fewer.
#[inline(always)]
fn halve_row<T: Element, const N: usize, const TWICE: usize>(
    upper: &[T],
    lower: &[T],
    y: &mut [T],
    winners: &mut [u8],
) {
    const { assert!(TWICE == 2 * N) };
    for at in (0..y.len()).step_by(N) {
        let at = at.min(y.len() - N);
        let upper: &[T; TWICE] = upper[2 * at..].first_chunk().expect("two elements a result");
        let lower: &[T; TWICE] = lower[2 * at..].first_chunk().expect("two elements a result");
        let (mut best, mut best_winners) = ([T::ZERO; N], [0; N]);
        for lane in 0..N {
            let (mut largest, mut winner) = (upper[2 * lane], 0);
            for (n, value) in [(1, upper[2 * lane + 1]), (2, lower[2 * lane]), (3, lower[2 * lane + 1])] {
                let wins = (value > largest) | value.is_nan();
                largest = if wins { value } else { largest };
                winner = if wins { n } else { winner };
            }
            (best[lane], best_winners[lane]) = (largest, winner);
        }
        y[at..at + N].copy_from_slice(&best);
        winners[at..at + N].copy_from_slice(&best_winners);
    }
}

struct Unhalve<'a, T> {
    halves: Halves,
    g: &'a [T],
    winners: &'a [u8],
    /// Where planes are made that go past the caches; empty where they do not.
    room: &'a mut [T],
    gx: &'a mut [T],
}

impl<T: Float> Kernel for Unhalve<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { halves, g, winners, room, gx } = self;
        let (in_len, out_len) = halves.lengths();
        let (width, out_width) = (halves.input.1, halves.output.1);
        for (plane, gx) in gx.chunks_exact_mut(in_len.max(1)).enumerate() {
            let made = if room.is_empty() { &mut *gx } else { &mut *room };
            let results = plane * out_len..(plane + 1) * out_len;
            made.fill(T::ZERO);
            let results =
                g[results.clone()].chunks_exact(out_width.max(1)).zip(winners[results].chunks_exact(out_width.max(1)));
            for (made, (g, winners)) in made.chunks_exact_mut((2 * width).max(1)).zip(results) {
                for (pair, (&g, &winner)) in g.iter().zip(winners).enumerate() {
                    made[usize::from(winner >> 1) * width + 2 * pair + usize::from(winner & 1)] = g;
                }
            }
            if !room.is_empty() {
                // SAFETY: a plane each; `gx` is this task's own.
                unsafe { stream::store::<S>(gx.as_mut_ptr().cast(), room.as_ptr().cast(), size_of_val(gx)) }
            }
        }
        stream::fence();
    }
}
