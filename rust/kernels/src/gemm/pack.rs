//! Where the panels of an operand come from.
//!
//! The core multiplies panels and does not care what they were: a matrix with any strides ([`Strided2`]: a transpose
//! costs nothing) or the patches of an image that never exist in memory (`conv::im2col`).

use std::ops::Range;

use super::GemmFloat;
use super::driver::is_far;
use super::microkernel::Microkernels;

/// One operand of a product, seen from the core: `outer` counts rows of A or columns of B, the other index is k.
pub(crate) trait PanelSource<T: GemmFloat>: Sync {
    /// Fills `panel[step * width + o]` with element `(outer.start + o, k.start + step)` and zeros for the `o` that
    /// `outer` lacks to `width`.
    ///
    /// # Safety
    /// `panel` holds `k.len() * width` elements, the ranges are inside the operand, and `kernels` may run here.
    unsafe fn pack(&self, kernels: &Microkernels<T>, outer: Range<usize>, k: Range<usize>, width: usize, panel: *mut T);

    /// Steps of k to pack at a time for several panels, where neighbouring panels are neighbours in memory and the steps
    /// of one are far apart: the lines are then read whole, in the order that the hardware foresees.
    fn together(&self) -> Option<usize> {
        self.in_place().filter(is_far).map(|_| 8)
    }

    /// The operand as it lies in memory, if it is a matrix: lets the core skip packing.
    fn in_place(&self) -> Option<InPlace<T>> {
        None
    }
}

/// Element `(outer, k)` is at `start + outer * outer_stride + k * k_stride`.
#[derive(Clone, Copy)]
pub(crate) struct InPlace<T> {
    pub start: *const T,
    pub outer_stride: isize,
    pub k_stride: isize,
}

// SAFETY: a shared view of a slice that outlives the product (the constructors borrow it).
unsafe impl<T: Sync> Sync for InPlace<T> {}

/// A matrix with any strides; its elements were checked to be inside their slice.
pub(crate) struct Strided2<T>(pub InPlace<T>);

impl<T: GemmFloat> PanelSource<T> for Strided2<T> {
    unsafe fn pack(
        &self,
        kernels: &Microkernels<T>,
        outer: Range<usize>,
        k: Range<usize>,
        width: usize,
        panel: *mut T,
    ) {
        let InPlace { start, outer_stride, k_stride } = self.0;
        let from = start
            .wrapping_offset(outer.start.cast_signed() * outer_stride)
            .wrapping_offset(k.start.cast_signed() * k_stride);
        // SAFETY: the elements exist by the contract of this type and of `pack`.
        unsafe {
            if outer_stride == 1 {
                (kernels.copy)(from, outer.len(), k_stride, k.len(), panel, width);
            } else if k_stride == 1 {
                (kernels.transpose)(from, outer.len(), outer_stride, k.len(), panel, width);
            } else {
                for step in 0..k.len() {
                    let from = from.wrapping_offset(step.cast_signed() * k_stride);
                    let to = panel.add(step * width);
                    for o in 0..outer.len() {
                        *to.add(o) = *from.wrapping_offset(o.cast_signed() * outer_stride);
                    }
                    for o in outer.len()..width {
                        *to.add(o) = T::ZERO;
                    }
                }
            }
        }
    }

    fn in_place(&self) -> Option<InPlace<T>> {
        Some(self.0)
    }
}

/// The part of an operand from `outer` and `k` on.
#[cfg(target_arch = "x86_64")]
pub(super) struct Window<'a, T> {
    pub source: &'a dyn PanelSource<T>,
    pub outer: usize,
    pub k: usize,
}

#[cfg(target_arch = "x86_64")]
impl<T: GemmFloat> PanelSource<T> for Window<'_, T> {
    unsafe fn pack(
        &self,
        kernels: &Microkernels<T>,
        outer: Range<usize>,
        k: Range<usize>,
        width: usize,
        panel: *mut T,
    ) {
        let moved = |range: Range<usize>, by: usize| range.start + by..range.end + by;
        // SAFETY: passed on.
        unsafe { self.source.pack(kernels, moved(outer, self.outer), moved(k, self.k), width, panel) }
    }

    fn in_place(&self) -> Option<InPlace<T>> {
        self.source.in_place().map(|m| InPlace {
            start: m
                .start
                .wrapping_offset(self.outer.cast_signed() * m.outer_stride)
                .wrapping_offset(self.k.cast_signed() * m.k_stride),
            ..m
        })
    }
}
