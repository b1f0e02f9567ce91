//! Average pooling.

use crate::element::{Element, Float};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::Disjoint;
use crate::stored::{Stored, by_pieces};

use super::{Geometry, Margined, Window, flat};

/// What an average divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divisor {
    /// The window's extent, padding included.
    WithPadding,
    /// The elements of the input in the window.
    WithoutPadding,
    /// A given number.
    Fixed(i64),
}

impl Geometry {
    /// What averages divide by is a product: the factor of a row of windows.
    #[expect(clippy::cast_precision_loss, reason = "windows have fewer than 2^53 elements")]
    fn row_size(&self, divisor: Divisor, row: usize) -> f64 {
        let Window { kernel, stride, padding, .. } = self.window;
        match divisor {
            Divisor::WithPadding => padded_size(row, self.input.0, kernel.0, stride.0, padding.0) as f64,
            Divisor::WithoutPadding => self.rows(row).count.max(1) as f64,
            Divisor::Fixed(size) => size as f64,
        }
    }

    /// The factor of a column of windows.
    #[expect(clippy::cast_precision_loss, reason = "windows have fewer than 2^53 elements")]
    fn col_size(&self, divisor: Divisor, col: usize) -> f64 {
        let Window { kernel, stride, padding, .. } = self.window;
        match divisor {
            Divisor::WithPadding => padded_size(col, self.input.1, kernel.1, stride.1, padding.1) as f64,
            Divisor::WithoutPadding => self.cols(col).count.max(1) as f64,
            Divisor::Fixed(_) => 1.0,
        }
    }

    fn col_sizes<T: Element>(&self, divisor: Divisor) -> Vec<T> {
        (0..self.output.1).map(|col| T::from_f64(self.col_size(divisor, col))).collect()
    }
}

/// The part of a window that lies in the padded input: in ceil mode it may hang over that.
fn padded_size(index: usize, input: usize, kernel: usize, stride: usize, padding: usize) -> usize {
    kernel.min((input + 2 * padding).saturating_sub(index * stride))
}

/// The average of each window, of integers without its fraction; 0 for a window without elements.
///
/// # Panics
/// If no window fits (see [`Window::output`]) or lengths do not match the shapes.
pub fn avg_pool2d<T: Element, K: Stored<Value = T>>(
    x: &[K],
    planes: usize,
    input: (usize, usize),
    window: &Window,
    divisor: Divisor,
    y: &mut [K],
) {
    let geometry = window.geometry(input);
    let (in_len, out_len) = (geometry.in_len(), geometry.out_len());
    assert!(x.len() == planes * in_len && y.len() == planes * out_len, "lengths do not match the shapes");
    let (y, col_sizes) = (Disjoint::new(y), &geometry.col_sizes::<T>(divisor));
    geometry.for_planes(planes, |range| {
        by_pieces::<K, 2>(range, [in_len, out_len], |range, [x_room, y_room]| {
            // SAFETY: ranges of planes are disjoint.
            let y = unsafe { y.slice(flat(&range, out_len)) };
            let x = K::load_slice(&x[flat(&range, in_len)], x_room);
            K::store_slice(y, y_room, |y| dispatch(Average { geometry, divisor, col_sizes, x, y }));
        });
    });
}

struct Average<'a, T> {
    geometry: Geometry,
    divisor: Divisor,
    col_sizes: &'a [T],
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for Average<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { geometry, divisor, col_sizes, x, y } = self;
        let (width, out_width) = (geometry.input.1, geometry.output.1);
        let halving = T::IS_FLOAT && geometry.is_halving() && !matches!(divisor, Divisor::Fixed(_));
        let quarter = T::from_f64(0.25);
        let mut plane = Margined::new(&geometry, T::ZERO);
        let mut sums = vec![T::ZERO; geometry.lanes()];
        for (x, y) in x.chunks_exact(geometry.in_len()).zip(y.chunks_exact_mut(geometry.out_len())) {
            if halving {
                for (row, y) in y.chunks_exact_mut(out_width).enumerate() {
                    let (upper, lower) = x[2 * row * width..][..2 * width].split_at(width);
                    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                    for (y, (upper, lower)) in y.iter_mut().zip(pairs) {
                        *y = upper[0]
                            .wrapping_add(upper[1])
                            .wrapping_add(lower[0])
                            .wrapping_add(lower[1])
                            .wrapping_mul(quarter);
                    }
                }
                continue;
            }
            plane.load(x, width);
            for (row, y) in y.chunks_exact_mut(out_width).enumerate() {
                sums.fill(T::ZERO);
                for row in geometry.rows(row).positions() {
                    for tap in 0..geometry.window.kernel.1 {
                        let run = &plane.rows[plane.run(row, tap)..][..sums.len()];
                        sums.iter_mut().zip(run).for_each(|(sum, &x)| *sum = sum.wrapping_add(x));
                    }
                }
                let row_size = T::from_f64(geometry.row_size(divisor, row));
                for ((y, &sum), &col_size) in y.iter_mut().zip(&sums).zip(col_sizes) {
                    *y = sum.divide(row_size.wrapping_mul(col_size));
                }
            }
        }
    }
}

/// Gradient of [`avg_pool2d`].
///
/// # Panics
/// If no window fits or lengths do not match the shapes.
pub fn avg_pool2d_backward<T: Float, K: Stored<Value = T>>(
    g: &[K],
    planes: usize,
    input: (usize, usize),
    window: &Window,
    divisor: Divisor,
    gx: &mut [K],
) {
    let geometry = window.geometry(input);
    let (in_len, out_len) = (geometry.in_len(), geometry.out_len());
    assert!(gx.len() == planes * in_len && g.len() == planes * out_len, "lengths do not match the shapes");
    let (gx, col_sizes) = (Disjoint::new(gx), &geometry.col_sizes::<T>(divisor));
    geometry.for_planes(planes, |range| {
        by_pieces::<K, 2>(range, [out_len, in_len], |range, [g_room, gx_room]| {
            // SAFETY: ranges of planes are disjoint.
            let gx = unsafe { gx.slice(flat(&range, in_len)) };
            let g = K::load_slice(&g[flat(&range, out_len)], g_room);
            K::store_slice(gx, gx_room, |gx| dispatch(AverageBackward { geometry, divisor, col_sizes, g, gx }));
        });
    });
}

struct AverageBackward<'a, T> {
    geometry: Geometry,
    divisor: Divisor,
    col_sizes: &'a [T],
    g: &'a [T],
    gx: &'a mut [T],
}

impl<T: Float> Kernel for AverageBackward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { geometry, divisor, col_sizes, g, gx } = self;
        let width = geometry.input.1;
        let mut plane = Margined::new(&geometry, T::ZERO);
        let mut shares = vec![T::ZERO; geometry.lanes()];
        for (g, gx) in g.chunks_exact(geometry.out_len()).zip(gx.chunks_exact_mut(geometry.in_len())) {
            plane.rows.fill(T::ZERO);
            for (row, g) in g.chunks_exact(geometry.output.1).enumerate() {
                let row_size = T::from_f64(geometry.row_size(divisor, row));
                for ((share, &g), &col_size) in shares.iter_mut().zip(g).zip(col_sizes) {
                    *share = g / (row_size * col_size);
                }
                for row in geometry.rows(row).positions() {
                    for tap in 0..geometry.window.kernel.1 {
                        let run = plane.run(row, tap);
                        plane.rows[run..][..shares.len()].iter_mut().zip(&shares).for_each(|(x, &share)| *x += share);
                    }
                }
            }
            plane.store(gx, width);
        }
    }
}
