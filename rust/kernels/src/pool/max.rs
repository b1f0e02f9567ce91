//! Max pooling: the largest element of each window, and where it stands: in its plane, or, in one byte, in its window.

use crate::element::{Element, Float};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_ranges};
use crate::stored::{Stored, by_pieces};

use super::{ABREAST, GRAIN, Geometry, Margined, NS_PER_1024, VECTOR, Window, flat};

/// What is told of where the largest elements stand.
#[derive(Debug)]
pub enum Found<'a> {
    /// Nothing.
    Nothing,
    /// The position in the plane of the input, -1 for a window that lies in the padding alone.
    Positions(&'a mut [i64]),
    /// Which element of its window each is, counted along rows; [`NOWHERE`] for a window that lies in the padding alone.
    Winners(&'a mut [u8]),
}

/// The winner of no element.
pub const NOWHERE: u8 = u8::MAX;

impl Window {
    /// Whether a byte tells which element of a window is the largest.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.kernel.0.saturating_mul(self.kernel.1) <= usize::from(NOWHERE)
    }
}

impl Found<'_> {
    fn len(&self) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::Positions(positions) => Some(positions.len()),
            Self::Winners(winners) => Some(winners.len()),
        }
    }
}

/// [`Found`], of which tasks take pieces.
enum Pieces<'a> {
    Nothing,
    Positions(Disjoint<'a, i64>),
    Winners(Disjoint<'a, u8>),
}

/// The largest element of each window, and where it stands as `found` asks. A NaN wins.
///
/// # Panics
/// If no window fits (see [`Window::output`]), lengths do not match the shapes, or winners are asked for of a window that is
/// not small.
pub fn max_pool2d<T: Element, K: Stored<Value = T>>(
    x: &[K],
    planes: usize,
    input: (usize, usize),
    window: &Window,
    y: &mut [K],
    found: Found<'_>,
) {
    let geometry = window.geometry(input);
    let (in_len, out_len) = (geometry.in_len(), geometry.out_len());
    assert!(x.len() == planes * in_len && y.len() == planes * out_len, "lengths do not match the shapes");
    assert!(found.len().is_none_or(|len| len == y.len()), "one place a result");
    let (y, found) = (
        Disjoint::new(y),
        match found {
            Found::Nothing => Pieces::Nothing,
            Found::Positions(positions) => Pieces::Positions(Disjoint::new(positions)),
            Found::Winners(winners) => {
                assert!(window.is_small(), "a byte for {window:?}");
                Pieces::Winners(Disjoint::new(winners))
            }
        },
    );
    geometry.for_planes(planes, |range| {
        by_pieces::<K, 2>(range, [in_len, out_len], |range, [x_room, y_room]| {
            let results = flat(&range, out_len);
            // SAFETY: ranges of planes are disjoint.
            let y = unsafe { y.slice(results.clone()) };
            let found = match &found {
                Pieces::Nothing => Found::Nothing,
                // SAFETY: as above.
                Pieces::Positions(positions) => Found::Positions(unsafe { positions.slice(results) }),
                // SAFETY: as above.
                Pieces::Winners(winners) => Found::Winners(unsafe { winners.slice(results) }),
            };
            let x = K::load_slice(&x[flat(&range, in_len)], x_room);
            K::store_slice(y, y_room, |y| dispatch(Max { geometry, x, y, found }));
        });
    });
}

struct Max<'a, T> {
    geometry: Geometry,
    x: &'a [T],
    y: &'a mut [T],
    found: Found<'a>,
}

impl<T: Element> Kernel for Max<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { geometry, x, y, mut found } = self;
        let (width, out_width) = (geometry.input.1, geometry.output.1);
        let halving = geometry.is_halving() && !matches!(found, Found::Winners(_));
        let mut plane = Margined::new(&geometry, T::LOWEST);
        let mut winners = vec![0; geometry.lanes()];
        let mut largest = vec![T::ZERO; geometry.lanes()];
        let offsets = geometry.offsets();
        let mut runs: Vec<(usize, i32)> = Vec::new();
        for (line, y) in y.chunks_exact_mut(out_width).enumerate() {
            let (index, row) = (line / geometry.output.0, line % geometry.output.0);
            let x = &x[index * geometry.in_len()..][..geometry.in_len()];
            let results = line * out_width..(line + 1) * out_width;
            if halving {
                let positions = match &mut found {
                    Found::Positions(positions) => Some(&mut positions[results]),
                    _ => None,
                };
                halve(x, 2 * row * width, width, y, positions);
                continue;
            }
            if row == 0 {
                plane.load(x, width);
            }
            let rows = geometry.rows(row);
            runs.clear();
            for (nth, row) in rows.positions().enumerate() {
                let taps = 0..geometry.window.kernel.1;
                runs.extend(taps.map(|tap| (plane.run(row, tap), number(&geometry, rows.before + nth, tap))));
            }
            if runs.is_empty() {
                largest.fill(T::LOWEST);
                winners.fill(-1);
            }
            for (nth, runs) in runs.chunks(ABREAST).enumerate() {
                let (rows, is_first) = (plane.rows.as_slice(), nth == 0);
                match *runs {
                    [first, second, third, fourth] => {
                        join(rows, [first, second, third, fourth], is_first, &mut largest, &mut winners);
                    }
                    [first, second, third] => join(rows, [first, second, third], is_first, &mut largest, &mut winners),
                    [first, second] => join(rows, [first, second], is_first, &mut largest, &mut winners),
                    [first] => join(rows, [first], is_first, &mut largest, &mut winners),
                    _ => {}
                }
            }
            y.copy_from_slice(&largest[..out_width]);
            // Where nothing is above the margin the first element of the window is the largest.
            if winners[..out_width].iter().fold(0, |all, winner| all | winner) < 0 {
                for (col, winner) in winners[..out_width].iter_mut().enumerate().filter(|(_, winner)| **winner < 0) {
                    let cols = geometry.cols(col);
                    if rows.count > 0 && cols.count > 0 {
                        *winner = number(&geometry, rows.before, cols.before);
                    }
                }
            }
            match &mut found {
                Found::Nothing => {}
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "-1 becomes NOWHERE")]
                Found::Winners(found) => {
                    found[results].iter_mut().zip(&winners).for_each(|(found, &winner)| *found = winner as u8);
                }
                Found::Positions(found) => {
                    for (col, (found, &winner)) in found[results].iter_mut().zip(&winners).enumerate() {
                        let at = usize::try_from(winner).map(|winner| geometry.corner(row, col) + offsets[winner]);
                        *found = at.unwrap_or(-1) as i64;
                    }
                }
            }
        }
    }
}

impl Geometry {
    /// Where in its plane the first element of a window is, or would be.
    #[inline(always)]
    fn corner(&self, row: usize, col: usize) -> isize {
        let Window { stride, padding, .. } = self.window;
        let (row, col) = ((row * stride.0).cast_signed(), (col * stride.1).cast_signed());
        (row - padding.0.cast_signed()) * self.input.1.cast_signed() + col - padding.1.cast_signed()
    }

    /// How far behind its first each element of a window is.
    fn offsets(&self) -> Vec<isize> {
        let Window { kernel, dilation, .. } = self.window;
        let rows = (0..kernel.0).map(|row| row * dilation.0 * self.input.1);
        rows.flat_map(|row| (0..kernel.1).map(move |col| (row + col * dilation.1).cast_signed())).collect()
    }
}

/// Which element of a window the one in this row and column of it is.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "windows are smaller than 2^31")]
#[inline(always)]
fn number(geometry: &Geometry, row: usize, col: usize) -> i32 {
    (row * geometry.window.kernel.1 + col) as i32
}

/// Joins `N` runs to a row of results and to the numbers of the largest elements, -1 where none is above the margin.
#[inline(always)]
fn join<T: Element, const N: usize>(
    rows: &[T],
    runs: [(usize, i32); N],
    is_first: bool,
    largest: &mut [T],
    winners: &mut [i32],
) {
    let mut values: [&[[T; VECTOR]]; N] = [&[]; N];
    for (values, (start, _)) in values.iter_mut().zip(runs) {
        *values = rows[start..][..largest.len()].as_chunks().0;
    }
    let results = largest.as_chunks_mut::<VECTOR>().0.iter_mut().zip(winners.as_chunks_mut::<VECTOR>().0);
    for (i, (largest, winners)) in results.enumerate() {
        let (mut best, mut winner) = (*largest, *winners);
        for lane in 0..VECTOR {
            if is_first {
                (best[lane], winner[lane]) = (T::LOWEST, -1);
            }
            for nth in 0..N {
                let value = values[nth][i][lane];
                let wins = (value > best[lane]) | value.is_nan();
                best[lane] = if wins { value } else { best[lane] };
                winner[lane] = if wins { runs[nth].1 } else { winner[lane] };
            }
        }
        (*largest, *winners) = (best, winner);
    }
}

/// Where in its plane each of the largest elements stands, of which [`Found::Winners`] tells.
///
/// # Panics
/// If no window fits.
pub fn positions(winners: &[u8], input: (usize, usize), window: &Window, positions: &mut [i64]) {
    let geometry = window.geometry(input);
    let (offsets, (height, width)) = (geometry.offsets(), geometry.output);
    for (n, (position, &winner)) in positions.iter_mut().zip(winners).enumerate() {
        let corner = geometry.corner(n / width % height, n % width);
        *position = if winner == NOWHERE { -1 } else { (corner + offsets[usize::from(winner)]) as i64 };
    }
}

/// Gradient of [`max_pool2d`] where it told the winners.
///
/// # Panics
/// If no window fits or lengths do not match.
pub fn max_pool2d_backward_to_winners<T: Float, K: Stored<Value = T>>(
    g: &[K],
    winners: &[u8],
    planes: usize,
    input: (usize, usize),
    window: &Window,
    gx: &mut [K],
) {
    let geometry = window.geometry(input);
    let (in_len, out_len) = (geometry.in_len(), geometry.out_len());
    assert!(g.len() == planes * out_len && winners.len() == g.len() && gx.len() == planes * in_len, "lengths");
    let offsets = geometry.offsets();
    let gx = Disjoint::new(gx);
    let cost = (in_len + 2 * out_len).saturating_mul(NS_PER_1024);
    for_ranges(planes, (GRAIN / (in_len + out_len).max(1)).max(1), cost, |range| {
        by_pieces::<K, 2>(range, [out_len, in_len], |range, [g_room, gx_room]| {
            // SAFETY: planes are disjoint.
            let gx = unsafe { gx.slice(flat(&range, in_len)) };
            let results = flat(&range, out_len);
            let (g, winners) = (K::load_slice(&g[results.clone()], g_room), &winners[results]);
            K::store_slice(gx, gx_room, |gx| {
                gx.fill(T::ZERO);
                for (line, (g, winners)) in
                    g.chunks_exact(geometry.output.1).zip(winners.chunks_exact(geometry.output.1)).enumerate()
                {
                    let (plane, row) = (line / geometry.output.0, line % geometry.output.0);
                    let gx = &mut gx[plane * in_len..][..in_len];
                    let (mut corner, step) = (geometry.corner(row, 0), geometry.window.stride.1.cast_signed());
                    for (&g, &winner) in g.iter().zip(winners) {
                        if let Some(offset) = offsets.get(usize::from(winner)) {
                            gx[(corner + offset).cast_unsigned()] += g;
                        }
                        corner += step;
                    }
                }
            });
        });
    });
}

/// One row of results of a 2 by 2 window that steps by its extent, whose first element is at `base`: the same
/// comparisons in the same order.
#[inline(always)]
fn halve<T: Element>(x: &[T], base: usize, width: usize, y: &mut [T], indices: Option<&mut [i64]>) {
    let (upper, lower) = x[base..][..2 * width].split_at(width);
    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
    let best = |upper: &[T; 2], lower: &[T; 2]| {
        let (mut best, mut at) = (upper[0], 0);
        for (value, position) in [(upper[1], 1), (lower[0], width), (lower[1], width + 1)] {
            let wins = (value > best) | value.is_nan();
            best = if wins { value } else { best };
            at = if wins { position } else { at };
        }
        (best, at)
    };
    match indices {
        Some(indices) => {
            for (col, ((y, index), (upper, lower))) in y.iter_mut().zip(indices).zip(pairs).enumerate() {
                let at;
                (*y, at) = best(upper, lower);
                *index = position(base + 2 * col + at);
            }
        }
        None => {
            for (y, (upper, lower)) in y.iter_mut().zip(pairs) {
                *y = best(upper, lower).0;
            }
        }
    }
}

/// A position in memory as an index.
#[inline(always)]
fn position(at: usize) -> i64 {
    at.cast_signed() as i64
}

/// Gradient of [`max_pool2d`]: each result's gradient goes to the element at its index. `in_len` and `out_len` are the
/// elements of a plane.
///
/// # Panics
/// If lengths do not match, or an index lies outside its plane.
pub fn max_pool2d_backward<T: Float, K: Stored<Value = T>>(
    g: &[K],
    indices: &[i64],
    planes: usize,
    (in_len, out_len): (usize, usize),
    gx: &mut [K],
) {
    assert!(g.len() == planes * out_len && indices.len() == g.len() && gx.len() == planes * in_len);
    let gx = Disjoint::new(gx);
    let cost = (in_len + 2 * out_len).saturating_mul(NS_PER_1024);
    for_ranges(planes, (GRAIN / (in_len + out_len).max(1)).max(1), cost, |range| {
        by_pieces::<K, 2>(range, [out_len, in_len], |range, [g_room, gx_room]| {
            // SAFETY: planes are disjoint.
            let gx = unsafe { gx.slice(flat(&range, in_len)) };
            let results = flat(&range, out_len);
            let (g, indices) = (K::load_slice(&g[results.clone()], g_room), &indices[results]);
            K::store_slice(gx, gx_room, |gx| {
                gx.fill(T::ZERO);
                for plane in 0..range.len() {
                    let (gx, results) = (&mut gx[plane * in_len..][..in_len], plane * out_len..(plane + 1) * out_len);
                    for (&g, &at) in g[results.clone()].iter().zip(&indices[results]) {
                        if let Ok(at) = usize::try_from(at) {
                            gx[at] += g;
                        }
                    }
                }
            });
        });
    });
}
