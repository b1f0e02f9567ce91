//! Max pooling: the largest element of each window, and where it stands.

use crate::element::{Element, Float};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_ranges};
use crate::stored::{Stored, by_pieces};

use super::{GRAIN, Geometry, LANES, Margined, NS_PER_1024, Span, Window, flat, strided};

/// The largest element of each window, and its position in the plane of the input if `indices` is given. A NaN wins.
///
/// # Panics
/// If no window fits (see [`Window::output`]) or lengths do not match the shapes.
pub fn max_pool2d<T: Element, K: Stored<Value = T>>(
    x: &[K],
    planes: usize,
    input: (usize, usize),
    window: &Window,
    y: &mut [K],
    indices: Option<&mut [i64]>,
) {
    let geometry = window.geometry(input);
    let (in_len, out_len) = (geometry.in_len(), geometry.out_len());
    assert!(x.len() == planes * in_len && y.len() == planes * out_len, "lengths do not match the shapes");
    assert!(indices.as_ref().is_none_or(|indices| indices.len() == y.len()), "one index a result");
    let (y, indices) = (Disjoint::new(y), indices.map(Disjoint::new));
    geometry.for_planes(planes, |range| {
        by_pieces::<K, 2>(range, [in_len, out_len], |range, [x_room, y_room]| {
            // SAFETY: ranges of planes are disjoint.
            let y = unsafe { y.slice(flat(&range, out_len)) };
            // SAFETY: as above.
            let indices = indices.as_ref().map(|indices| unsafe { indices.slice(flat(&range, out_len)) });
            let x = K::load_slice(&x[flat(&range, in_len)], x_room);
            K::store_slice(y, y_room, |y| dispatch(Max { geometry, x, y, indices }));
        });
    });
}

struct Max<'a, T> {
    geometry: Geometry,
    x: &'a [T],
    y: &'a mut [T],
    indices: Option<&'a mut [i64]>,
}

impl<T: Element> Kernel for Max<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { geometry, x, y, mut indices } = self;
        let (width, out_width, stride) = (geometry.input.1, geometry.output.1, geometry.window.stride.1);
        let halving = geometry.is_halving();
        let mut plane = Margined::new(&geometry, T::LOWEST);
        let cols: Vec<Span> = (0..out_width).map(|col| geometry.cols(col)).collect();
        // Where each run begins in the plane of the input, less the margin.
        let mut bases = Vec::new();
        for (line, y) in y.chunks_exact_mut(out_width).enumerate() {
            let (index, row) = (line / geometry.output.0, line % geometry.output.0);
            let x = &x[index * geometry.in_len()..][..geometry.in_len()];
            let mut indices = indices.as_mut().map(|indices| &mut indices[line * out_width..][..out_width]);
            if halving {
                halve(x, 2 * row * width, width, y, indices);
                continue;
            }
            if row == 0 {
                plane.load(x, width);
            }
            let rows = geometry.rows(row);
            for start in (0..out_width).step_by(LANES) {
                let lanes = (geometry.lanes() - start).min(LANES);
                let (mut best, mut winner) = ([T::LOWEST; LANES], [-1; LANES]);
                bases.clear();
                for (run, (row, tap)) in
                    (0i32..).zip(rows.positions().flat_map(|row| geometry.taps().map(move |tap| (row, tap))))
                {
                    let column = start * stride + tap;
                    bases.push(row * width + column);
                    let values = &plane.rows[row * plane.width + column..][..lanes * stride];
                    let lanes = best[..lanes].iter_mut().zip(&mut winner[..lanes]);
                    strided(values, stride, lanes, |x, (best, winner)| {
                        let wins = (x > *best) | x.is_nan();
                        *best = if wins { x } else { *best };
                        *winner = if wins { run } else { *winner };
                    });
                }
                let count = (out_width - start).min(LANES);
                y[start..start + count].copy_from_slice(&best[..count]);
                let Some(indices) = &mut indices else { continue };
                for (lane, index) in indices[start..start + count].iter_mut().enumerate() {
                    let cols = cols[start + lane];
                    *index = match usize::try_from(winner[lane]) {
                        Ok(run) => position(bases[run] + lane * stride - plane.left),
                        // A window that lies in the padding alone has no position.
                        Err(_) if rows.count == 0 || cols.count == 0 => -1,
                        Err(_) => position(rows.first * width + cols.first),
                    };
                }
            }
        }
    }
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
