//! Keys: unsigned integers in the order of the elements, and items, which are a key and a position in one integer.

use crate::element::Element;
use crate::memory::Pod;

/// The order's lowest key belongs to the smallest element, or to the largest where `descending`.
#[inline(always)]
pub(super) fn key<T: Element>(x: T, descending: bool) -> u64 {
    let wide = size_of::<T>() > 4;
    let ascending = match (T::IS_FLOAT, wide) {
        // Adding zero makes zeros of both signs one.
        (true, false) => {
            let bits = if x.is_nan() { f32::NAN.to_bits() } else { (x.to_f32() + 0.0).to_bits() };
            u64::from(bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31))
        }
        (true, true) => {
            let bits = if x.is_nan() { f64::NAN.to_bits() } else { (x.to_f64() + 0.0).to_bits() };
            bits ^ ((bits.cast_signed() >> 63).cast_unsigned() | 1 << 63)
        }
        (false, _) => x.to_i64().wrapping_sub(T::LOWEST.to_i64()).cast_unsigned(),
    };
    let all = if wide { u64::MAX } else { u64::from(u32::MAX) };
    if descending { ascending ^ all } else { ascending }
}

/// The element of a key, but for the sign of zero and the bits of a NaN.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "keys of 32 bits")]
pub(super) fn element<T: Element>(key: u64, descending: bool) -> T {
    let wide = size_of::<T>() > 4;
    let all = if wide { u64::MAX } else { u64::from(u32::MAX) };
    let ascending = if descending { key ^ all } else { key };
    match (T::IS_FLOAT, wide) {
        (true, false) => {
            let bits = ascending as u32;
            T::cast_from(f32::from_bits(bits ^ ((!bits.cast_signed() >> 31).cast_unsigned() | 1 << 31)))
        }
        (true, true) => {
            let bits = ascending;
            T::cast_from(f64::from_bits(bits ^ ((!bits.cast_signed() >> 63).cast_unsigned() | 1 << 63)))
        }
        (false, _) => T::cast_from(ascending.cast_signed().wrapping_add(T::LOWEST.to_i64())),
    }
}

/// A key and, below it, a position.
pub(super) trait Item: Pod + Ord {
    fn new(key: u64, position: u32) -> Self;
    fn key(self) -> u64;
    fn position(self) -> u32;
    /// The lowest bits of how far the key is above that of `low`, without the last `skipped`.
    fn digit(self, low: Self, skipped: u32) -> usize;
}

impl Item for u64 {
    #[inline(always)]
    fn new(key: u64, position: u32) -> Self {
        key << 32 | u64::from(position)
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self >> 32
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    fn position(self) -> u32 {
        self as u32
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a digit")]
    fn digit(self, low: Self, skipped: u32) -> usize {
        ((self - low) >> (32 + skipped)) as usize
    }
}

impl Item for u128 {
    #[inline(always)]
    fn new(key: u64, position: u32) -> Self {
        Self::from(key) << 64 | Self::from(position)
    }
    #[inline(always)]
    fn key(self) -> u64 {
        (self >> 64) as u64
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower part")]
    fn position(self) -> u32 {
        self as u32
    }
    #[inline(always)]
    fn digit(self, low: Self, skipped: u32) -> usize {
        ((self - low) >> (64 + skipped)) as usize
    }
}
