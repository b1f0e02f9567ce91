//! Sizes of blocks: multiples of 64 bytes up to 1 KiB, then eight to each doubling, so that a freed block fits the next
//! request of about its size and at most an eighth of a large block is wasted.

const UNIT: usize = super::ALIGN;

/// The largest size that threads keep for themselves.
pub(super) const SMALL: usize = 4096;
/// Classes up to [`SMALL`].
pub(super) const SMALL_CLASSES: usize = class_of(SMALL) + 1;

/// The class of a block of `bytes` bytes, which is not zero.
#[inline]
pub(super) const fn class_of(bytes: usize) -> usize {
    let below = (bytes - 1) / UNIT;
    let shift = (below | 8).ilog2() as usize - 3;
    shift * 8 + (below >> shift)
}

/// Bytes of a block of `class`.
#[inline]
pub(super) const fn class_bytes(class: usize) -> usize {
    let shift = (class / 8).saturating_sub(1);
    ((class - shift * 8 + 1) << shift) * UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_not_the_one_below() {
        let sizes = (1..20_000).chain((1..=40).flat_map(|e| [(1 << e) - 1, 1 << e, (1 << e) + 1]));
        for bytes in sizes.filter(|&bytes| bytes > 0) {
            let class = class_of(bytes);
            let size = class_bytes(class);
            assert!(size >= bytes && size.is_multiple_of(UNIT), "{bytes} in a block of {size}");
            assert!(size - bytes < UNIT || size - bytes <= bytes / 8, "{bytes} wastes {}", size - bytes);
            assert!(class == 0 || class_bytes(class - 1) < bytes);
        }
    }

    #[test]
    fn known_sizes() {
        assert_eq!((class_of(1), class_bytes(0)), (0, 64));
        assert_eq!(class_bytes(class_of(1025)), 1152);
        assert_eq!(class_bytes(SMALL_CLASSES - 1), SMALL);
        assert_eq!(class_bytes(class_of(9 << 20)), 9 << 20);
        assert!(class_bytes(class_of(isize::MAX.unsigned_abs())) > isize::MAX.unsigned_abs());
    }
}
