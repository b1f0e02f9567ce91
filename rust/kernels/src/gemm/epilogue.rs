//! What happens to a finished element of C: fused into the store of the last block of k.
//!
//! A bias and [`Activation::Relu`] are applied by the microkernels, in registers. Whatever is richer is applied to a tile
//! that they have just stored, in the first-level cache. Either gives the bits of the same steps one after the other.

use std::ops::Range;

use super::driver::SendPtr;
use super::{GemmFloat, Matrix};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::for_each;

/// The steps, in this order: scale, add the bias, add the residual, then the activation.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// Factor of the product, and of what C held if that was added.
    pub scale: f64,
    /// Added to the scaled product.
    pub bias: Bias<'a, T>,
    /// Added after it.
    pub residual: Option<Residual<'a, T>>,
    /// Applied last.
    pub activation: Activation,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Self { scale: 1.0, bias: Bias::None, residual: None, activation: Activation::Identity }
    }
}

/// A matrix of the size of C that is added to it.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a, T> {
    /// What is added; steps of zero repeat a row or a column.
    pub matrix: Matrix<'a, T>,
    /// Its factor.
    pub factor: f64,
}

/// A vector added to a matrix.
#[derive(Clone, Copy, Debug, Default)]
pub enum Bias<'a, T> {
    /// Nothing is added.
    #[default]
    None,
    /// One element for each row of C.
    PerRow(&'a [T]),
    /// One element for each column of C.
    PerColumn(&'a [T]),
}

/// An elementwise function of C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// C as it is.
    #[default]
    Identity,
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x` times the normal distribution's mass below it.
    Gelu,
    /// Gelu's approximation by tanh.
    GeluTanh,
    /// `x` times its sigmoid.
    Silu,
}

impl<T: GemmFloat> Epilogue<'_, T> {
    /// Panics unless the bias fits C.
    pub(super) fn check(&self, rows: usize, cols: usize) {
        match self.bias {
            Bias::None => {}
            Bias::PerRow(bias) => assert_eq!(bias.len(), rows, "bias per row"),
            Bias::PerColumn(bias) => assert_eq!(bias.len(), cols, "bias per column"),
        }
        if let Some(residual) = &self.residual {
            residual.matrix.check(rows, cols);
        }
    }

    /// Whether the last step of a microkernel is [`Activation::Relu`].
    pub(super) fn is_relu(&self) -> bool {
        self.activation == Activation::Relu
    }

    /// Whether C stays as it is.
    pub(super) fn is_none(&self) -> bool {
        self.is_simple() && matches!((self.bias, self.activation), (Bias::None, Activation::Identity))
    }

    /// Whether microkernels can do it all.
    fn is_simple(&self) -> bool {
        is_one(self.scale)
            && self.residual.is_none()
            && matches!(self.activation, Activation::Identity | Activation::Relu)
    }

    /// What microkernels do: everything or nothing.
    pub(super) fn in_registers(&self) -> Self {
        if self.is_simple() { *self } else { Self::default() }
    }

    /// What they leave to [`Epilogue::finish`].
    pub(super) fn afterwards(&self) -> Option<&Self> {
        (!self.is_simple()).then_some(self)
    }

    /// Brings the elements `rows` and `cols` of C, which hold sums, to their final values; the first of them is at `c`.
    ///
    /// # Safety
    /// They are inside C, which [`Epilogue::check`] measured, and the caller's alone.
    pub(super) unsafe fn finish(&self, c: *mut T, c_row: usize, rows: Range<usize>, cols: Range<usize>) {
        dispatch(Finish { epilogue: self, c, c_row, rows, cols });
    }

    /// The same for all of C, several threads sharing the rows unless the cost is zero.
    ///
    /// # Safety
    /// As [`Epilogue::finish`].
    pub(super) unsafe fn finish_all(&self, c: *mut T, c_row: usize, [m, n]: [usize; 2], cost: usize) {
        let (c, rows) = (SendPtr(c), 4096 / n.clamp(1, 4096));
        for_each(m.div_ceil(rows), cost, |task| {
            let range = task * rows..((task + 1) * rows).min(m);
            // SAFETY: by contract; tasks have rows of their own.
            unsafe { self.finish(c.get().add(range.start * c_row), c_row, range, 0..n) }
        });
    }

    /// The same for a part of C.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn window(&self, rows: &Range<usize>, cols: &Range<usize>) -> Self {
        let bias = match self.bias {
            Bias::None => Bias::None,
            Bias::PerRow(bias) => Bias::PerRow(&bias[rows.clone()]),
            Bias::PerColumn(bias) => Bias::PerColumn(&bias[cols.clone()]),
        };
        let residual =
            self.residual.map(|r| Residual { matrix: r.matrix.moved(r.matrix.place(rows.start, cols.start)), ..r });
        Self { bias, residual, ..*self }
    }

    /// The same for the transpose of C.
    pub(super) fn transposed(&self) -> Self {
        let bias = match self.bias {
            Bias::None => Bias::None,
            Bias::PerRow(bias) => Bias::PerColumn(bias),
            Bias::PerColumn(bias) => Bias::PerRow(bias),
        };
        let residual = self.residual.map(|r| Residual { matrix: r.matrix.transposed(), ..r });
        Self { bias, residual, ..*self }
    }

    /// The final value of element `(row, col)`, if microkernels could do it.
    #[inline(always)]
    pub(super) fn apply(&self, x: T, row: usize, col: usize) -> T {
        let x = match self.bias {
            Bias::None => x,
            Bias::PerRow(bias) => x + bias[row],
            Bias::PerColumn(bias) => x + bias[col],
        };
        match self.activation {
            Activation::Relu => relu(x),
            _ => x,
        }
    }

    /// The bias of the tile that starts at `(row, col)`, as the pair (per row, per column) of pointers that
    /// microkernels take.
    #[inline(always)]
    pub(super) fn bias_at(&self, row: usize, col: usize) -> (*const T, *const T) {
        match self.bias {
            Bias::None => (std::ptr::null(), std::ptr::null()),
            Bias::PerRow(bias) => (bias[row..].as_ptr(), std::ptr::null()),
            Bias::PerColumn(bias) => (std::ptr::null(), bias[col..].as_ptr()),
        }
    }
}

/// Zero where below zero, as the vector form: NaN and negative zero stay.
#[inline(always)]
pub(super) fn relu<T: GemmFloat>(x: T) -> T {
    if x < T::ZERO { T::ZERO } else { x }
}

/// Whether a factor can be left out.
fn is_one(factor: f64) -> bool {
    factor.to_bits() == 1f64.to_bits()
}

/// A rectangle of sums on its way to the final values.
struct Finish<'a, T> {
    epilogue: &'a Epilogue<'a, T>,
    c: *mut T,
    c_row: usize,
    rows: Range<usize>,
    cols: Range<usize>,
}

impl<T: GemmFloat> Kernel for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { epilogue, c, c_row, rows, cols } = self;
        for (r, row) in rows.enumerate() {
            // SAFETY: the contract of `Epilogue::finish`.
            let c = unsafe { std::slice::from_raw_parts_mut(c.add(r * c_row), cols.len()) };
            if !is_one(epilogue.scale) {
                let scale = T::from_f64(epilogue.scale);
                each(c, |x| x * scale);
            }
            match epilogue.bias {
                Bias::None => {}
                Bias::PerRow(bias) => each(c, |x| x + bias[row]),
                Bias::PerColumn(bias) => {
                    for (x, &bias) in c.iter_mut().zip(&bias[cols.clone()]) {
                        *x += bias;
                    }
                }
            }
            if let Some(residual) = &epilogue.residual {
                residual.add_to(c, row, cols.start);
            }
            match epilogue.activation {
                Activation::Identity => {}
                Activation::Relu => each(c, relu),
                Activation::Sigmoid => each(c, T::sigmoid::<S>),
                Activation::Tanh => each(c, T::tanh::<S>),
                Activation::Gelu => each(c, T::gelu::<S>),
                Activation::GeluTanh => each(c, T::gelu_tanh::<S>),
                Activation::Silu => each(c, T::silu::<S>),
            }
        }
    }
}

#[inline(always)]
fn each<T: Copy>(row: &mut [T], f: impl Fn(T) -> T) {
    for x in row {
        *x = f(*x);
    }
}

impl<T: GemmFloat> Residual<'_, T> {
    /// Adds the elements of a row from column `col` on.
    #[inline(always)]
    fn add_to(&self, c: &mut [T], row: usize, col: usize) {
        let Matrix { data, offset, col_stride, .. } = self.matrix;
        let start = offset.wrapping_add_signed(self.matrix.place(row, col));
        let factor = T::from_f64(self.factor);
        if col_stride == 1 {
            for (x, &residual) in c.iter_mut().zip(&data[start..]) {
                *x += residual * factor;
            }
        } else {
            for (j, x) in c.iter_mut().enumerate() {
                *x += data[start.wrapping_add_signed(j.cast_signed() * col_stride)] * factor;
            }
        }
    }
}
