//! Convolution on AMX: what it takes to multiply weights by windows that lie in place.
//!
//! A step of k is 32 channels under one tap. Planes of terms hold pairs of channels ([`split_rows`]), so that the windows
//! of neighbouring pixels are neighbours in memory whatever the tap, and a tile of B is loaded from where its first
//! window is; for the weight's gradient, where k is the pixels, they hold pairs of pixels ([`split_turned`]). A pixel is
//! split into its terms once, not once for each tap that sees it.

mod pixel;
mod planes;
mod store;
mod weights;

pub(crate) use super::amx::windows::WindowTile;
use super::amx::{self, windows};
use super::pack::Span;
use super::{BLOCK_STEPS, PANEL, TERM_LEN, Unit, dot};
pub(crate) use pixel::Pixel;
pub(crate) use planes::{Rows, Watch, copy_rows, split_rows, split_turned};
pub(crate) use store::{Kept, add_rows, add_tile, store_kept};
pub(crate) use weights::{Weights, pack_rows};

/// Rows and columns of a tile of C, and k of a step.
pub(crate) const EDGE: usize = PANEL;
/// Estimated products of terms that one thread does in a nanosecond.
pub(crate) const PRODUCTS_PER_NS: usize = super::PRODUCTS_PER_NS;

/// The extremes of what was split.
#[derive(Clone, Copy)]
pub(crate) struct Seen(Span);

impl Seen {
    /// Nothing but zeros.
    pub const NOTHING: Self = Self(Span::ZEROS);

    pub fn and(self, other: Self) -> Self {
        Self(self.0.and(other.0))
    }

    /// Whether products of the terms of two operands lose nothing that float32 would keep.
    pub fn is_safe(self, other: Self, terms: usize) -> bool {
        terms == 1 || self.0.is_safe(other.0)
    }
}

/// Longest block of k, in steps: sums of longer ones are added up in float32.
pub(crate) fn block_steps(terms: usize) -> usize {
    BLOCK_STEPS[terms - 1]
}

/// Elements of a panel of A of `steps`.
pub(crate) fn panel_len(terms: usize, steps: usize) -> usize {
    steps * terms * TERM_LEN
}

/// What multiplies windows on this thread, for as long as the value lives.
pub(crate) struct Configured(Option<amx::Configuration>);

/// Tiles of AMX where there are, otherwise dot products.
pub(crate) fn configure() -> Configured {
    // SAFETY: tiles are available.
    Configured((Unit::available() == Some(Unit::Tiles)).then(|| unsafe { amx::Configuration::new() }))
}

impl Configured {
    /// Runs the microkernel.
    ///
    /// # Safety
    /// Some unit is available, tiles if there are several terms, and every element that `tile` names is valid.
    #[inline(always)]
    pub(crate) unsafe fn multiply(&self, terms: usize, tile: &WindowTile) {
        // SAFETY: passed on.
        unsafe { if self.0.is_some() { windows::WINDOWS[terms - 1](tile) } else { dot::windows(tile) } }
    }
}
