//! Shape and strides as kernels see them. No ownership, no dtype: a window over somebody's slice.

/// A strided window over a slice, in elements: index `(i0, i1, ..)` lives at `offset + sum(i_d * strides[d])`.
/// Strides may be zero (broadcast) or negative.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// Extent of each dimension.
    pub shape: &'a [usize],
    /// Step of each dimension, in elements.
    pub strides: &'a [isize],
    /// Position of the element at index zero.
    pub offset: usize,
}

impl Strided<'_> {
    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// Row-major without gaps (dimensions of extent 1 may have any stride).
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1isize;
        for (&extent, &stride) in self.shape.iter().zip(self.strides).rev() {
            if extent == 0 {
                return true;
            }
            if extent != 1 {
                if stride != expected {
                    return false;
                }
                expected *= extent.cast_signed();
            }
        }
        true
    }

    /// Panics unless every index of this window lies inside a slice of `len` elements. Each kernel calls it once at
    /// its door, so that its inner loops may use unchecked access.
    pub fn check(&self, len: usize) {
        assert_eq!(self.shape.len(), self.strides.len(), "shape and strides differ in rank");
        let (mut low, mut high) = (self.offset.cast_signed(), self.offset.cast_signed());
        for (&extent, &stride) in self.shape.iter().zip(self.strides) {
            if extent == 0 {
                return;
            }
            let reach = (extent.cast_signed() - 1) * stride;
            if reach < 0 { low += reach } else { high += reach }
        }
        assert!(low >= 0 && high < len.cast_signed(), "window {low}..={high} outside a slice of {len}");
    }
}
