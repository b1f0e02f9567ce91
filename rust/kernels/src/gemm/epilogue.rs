//! What happens to a finished element of C before it is stored: fused into the store of the last block of k.

#[cfg(target_arch = "x86_64")]
use std::ops::Range;

use super::GemmFloat;

/// The steps, in this order: add the bias, then the activation.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// Added to the product.
    pub bias: Bias<'a, T>,
    /// Applied last.
    pub activation: Activation,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Self { bias: Bias::None, activation: Activation::Identity }
    }
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
}

impl<T: GemmFloat> Epilogue<'_, T> {
    /// Panics unless the bias fits C.
    pub(super) fn check(&self, rows: usize, cols: usize) {
        match self.bias {
            Bias::None => {}
            Bias::PerRow(bias) => assert_eq!(bias.len(), rows, "bias per row"),
            Bias::PerColumn(bias) => assert_eq!(bias.len(), cols, "bias per column"),
        }
    }

    /// Whether C stays as it is.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self { bias: Bias::None, activation: Activation::Identity })
    }

    /// The same for a part of C.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn window(&self, rows: &Range<usize>, cols: &Range<usize>) -> Self {
        let bias = match self.bias {
            Bias::None => Bias::None,
            Bias::PerRow(bias) => Bias::PerRow(&bias[rows.clone()]),
            Bias::PerColumn(bias) => Bias::PerColumn(&bias[cols.clone()]),
        };
        Self { bias, ..*self }
    }

    /// The same for the transpose of C.
    pub(super) fn transposed(&self) -> Self {
        let bias = match self.bias {
            Bias::None => Bias::None,
            Bias::PerRow(bias) => Bias::PerColumn(bias),
            Bias::PerColumn(bias) => Bias::PerRow(bias),
        };
        Self { bias, ..*self }
    }

    /// The final value of element `(row, col)`.
    #[inline(always)]
    pub(super) fn apply(&self, x: T, row: usize, col: usize) -> T {
        let x = match self.bias {
            Bias::None => x,
            Bias::PerRow(bias) => x + bias[row],
            Bias::PerColumn(bias) => x + bias[col],
        };
        match self.activation {
            Activation::Identity => x,
            Activation::Relu => relu(x),
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
