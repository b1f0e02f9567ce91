//! 16-bit floats: a way to store numbers, which are computed in float32.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    _MM_FROUND_TO_NEAREST_INT, _mm_loadu_si128, _mm_storeu_si128, _mm256_cvtph_ps, _mm256_cvtps_ph, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_storeu_ps, _mm256_storeu_si256, _mm512_cvtph_ps, _mm512_cvtps_ph, _mm512_loadu_ps,
    _mm512_storeu_ps,
};
use std::mem::MaybeUninit;

#[cfg(target_arch = "x86_64")]
use crate::isa::{Isa, Simd};
use crate::stored::{Narrow, Stored, narrow};

/// bfloat16, by its bits: the upper half of a float32.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct Bf16(pub u16);

/// IEEE 754 binary16, by its bits.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct F16(pub u16);

impl Narrow for Bf16 {}

#[cfg(target_arch = "x86_64")]
impl Bf16 {
    pub(crate) fn bits(numbers: &[Self]) -> &[u16] {
        // SAFETY: the type is its bits.
        unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len()) }
    }

    pub(crate) fn bits_mut(numbers: &mut [Self]) -> &mut [u16] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Narrow for F16 {}

/// The CPU has instructions for these.
#[cfg(target_arch = "x86_64")]
impl Narrow for F16 {
    #[inline(always)]
    fn widen<S: Simd>(src: &[Self], dst: &mut [MaybeUninit<f32>]) {
        let (mut src, mut dst) = (src, dst);
        if S::ISA == Isa::Avx512 {
            let ((all, rest), (wide, last)) = (src.as_chunks::<16>(), dst.as_chunks_mut::<16>());
            for (d, s) in wide.iter_mut().zip(all) {
                // SAFETY: the ISA has the instruction; sixteen elements are read and written.
                unsafe {
                    _mm512_storeu_ps(d.as_mut_ptr().cast(), _mm512_cvtph_ps(_mm256_loadu_si256(s.as_ptr().cast())));
                }
            }
            (src, dst) = (rest, last);
        }
        let ((eights, rest), (wide, last)) = (src.as_chunks::<8>(), dst.as_chunks_mut::<8>());
        for (d, s) in wide.iter_mut().zip(eights) {
            if matches!(S::ISA, Isa::Avx2 | Isa::Avx512) {
                // SAFETY: these ISAs have F16C; eight elements are read and written.
                unsafe { _mm256_storeu_ps(d.as_mut_ptr().cast(), _mm256_cvtph_ps(_mm_loadu_si128(s.as_ptr().cast()))) }
            } else {
                d.iter_mut().zip(s).for_each(|(d, x)| _ = d.write(x.load()));
            }
        }
        last.iter_mut().zip(rest).for_each(|(d, x)| _ = d.write(x.load()));
    }

    #[inline(always)]
    fn narrow<S: Simd>(src: &[f32], dst: &mut [Self]) {
        let (mut src, mut dst) = (src, dst);
        if S::ISA == Isa::Avx512 {
            let ((all, rest), (narrow, last)) = (src.as_chunks::<16>(), dst.as_chunks_mut::<16>());
            for (d, s) in narrow.iter_mut().zip(all) {
                // SAFETY: as above.
                unsafe {
                    let halves = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm512_loadu_ps(s.as_ptr()));
                    _mm256_storeu_si256(d.as_mut_ptr().cast(), halves);
                }
            }
            (src, dst) = (rest, last);
        }
        let ((eights, rest), (narrow, last)) = (src.as_chunks::<8>(), dst.as_chunks_mut::<8>());
        for (d, s) in narrow.iter_mut().zip(eights) {
            if matches!(S::ISA, Isa::Avx2 | Isa::Avx512) {
                // SAFETY: as above.
                unsafe {
                    let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(s.as_ptr()));
                    _mm_storeu_si128(d.as_mut_ptr().cast(), halves);
                }
            } else {
                d.iter_mut().zip(s).for_each(|(d, &x)| *d = Self::store(x));
            }
        }
        last.iter_mut().zip(rest).for_each(|(d, &x)| *d = Self::store(x));
    }
}

narrow! {
    Bf16 as f32, bounds: (f32::NEG_INFINITY, f32::INFINITY), simple: true, |x| bf16_to_f32(x.0), Self(f32_to_bf16(x));
    F16 as f32, bounds: (f32::NEG_INFINITY, f32::INFINITY), simple: false, |x| f16_to_f32(x.0), Self(f32_to_f16(x));
}

#[inline(always)]
fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[inline(always)]
fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    low(if x.is_nan() { quiet } else { rounded })
}

/// Exponents of float32 and float16 differ by this.
const REBIAS: u32 = (127 - 15) << 23;
/// The smallest normal float16.
const SMALLEST: u32 = REBIAS + (1 << 23);

#[inline(always)]
fn f16_to_f32(bits: u16) -> f32 {
    let (sign, magnitude) = (u32::from(bits & 0x8000) << 16, u32::from(bits & 0x7fff) << 13);
    // A subnormal number has no leading one; that of the smallest normal is added and taken away again.
    let subnormal = f32::from_bits(magnitude + SMALLEST) - f32::from_bits(SMALLEST);
    // NaN is made quiet, as the CPU's own conversion does.
    let special = magnitude | 0x7f80_0000 | u32::from(magnitude > 31 << 23) << 22;
    let bits = if magnitude >= 31 << 23 { special } else { magnitude + REBIAS };
    f32::from_bits(sign | if magnitude < 1 << 23 { subnormal.to_bits() } else { bits })
}

#[inline(always)]
fn f32_to_f16(x: f32) -> u16 {
    let magnitude = x.to_bits() & 0x7fff_ffff;
    let sign = x.to_bits() >> 16 & 0x8000;
    // 0.5 has its last bit where the subnormals have theirs, so that the addition rounds there.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let normal = magnitude.wrapping_sub(REBIAS).wrapping_add(0xfff + (magnitude >> 13 & 1)) >> 13;
    let finite = if magnitude < SMALLEST { subnormal } else { normal };
    let overflow = if x.is_nan() { 0x7e00 | magnitude >> 13 & 0x3ff } else { 0x7c00 };
    low(sign | if magnitude >= 143 << 23 { overflow } else { finite })
}

/// The lower half.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "what it is for")]
fn low(bits: u32) -> u16 {
    bits as u16
}

/// `x` as float32, rounded to odd: another rounding, to a narrower float, then gives what one alone would.
#[inline(always)]
#[must_use]
pub fn round_to_odd(x: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation, reason = "corrected below")]
    let nearest = x as f32;
    let bits = nearest.to_bits();
    let back = f64::from(nearest);
    let inexact = back.to_bits() != x.to_bits();
    let toward = if back.abs() < x.abs() { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    f32::from_bits(if inexact && bits & 1 == 0 { toward } else { bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a 16-bit float with `mantissa` bits after the leading one, from the definition.
    fn value(bits: u16, mantissa: i32) -> f64 {
        let exponents = 1i32 << (15 - mantissa);
        let (exponent, fraction) = (i32::from(bits & 0x7fff) >> mantissa, i32::from(bits) & ((1 << mantissa) - 1));
        let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
        let scale = |e: i32| 2f64.powi(e - (exponents / 2 - 1) - mantissa);
        sign * match exponent {
            0 => f64::from(fraction) * scale(1),
            e if e == exponents - 1 => {
                if fraction == 0 {
                    f64::INFINITY
                } else {
                    f64::NAN
                }
            }
            e => f64::from(fraction + (1 << mantissa)) * scale(e),
        }
    }

    /// Every number widens to its value, every float32 between two neighbours rounds to the nearer one, and the middle
    /// to the even one.
    fn check<K: Stored<Value = f32>>(of: impl Fn(u16) -> K, bits: impl Fn(K) -> u16, mantissa: i32) {
        let infinity = ((1 << (15 - mantissa)) - 1) << mantissa;
        for sign in [0, 0x8000] {
            for at in 0..=infinity {
                let x = of(at | sign).load();
                assert_eq!(f64::from(x).to_bits(), value(at | sign, mantissa).to_bits(), "{at:#x}");
                assert_eq!(bits(K::store(x)), at | sign, "{at:#x}");
                if at == infinity {
                    continue;
                }
                // Beyond the largest lies what would be the next if there were no infinity.
                let next = if at + 1 == infinity {
                    2.0 * value(at, mantissa) - value(at - 1, mantissa)
                } else {
                    value(at + 1, mantissa)
                };
                let middle = value(at, mantissa).midpoint(next);
                let even = at + (at & 1);
                let sign_of = if sign == 0 { 1.0 } else { -1.0 };
                for (x, expected) in [(middle, even), (middle * (1.0 - 1e-12), at), (middle * (1.0 + 1e-12), at + 1)] {
                    let x = round_to_odd(sign_of * x);
                    assert_eq!(bits(K::store(x)), expected | sign, "{x:e} beside {at:#x}");
                }
            }
            for nan in infinity + 1..=0x7fff {
                assert!(of(nan | sign).load().is_nan());
                let back = bits(K::store(of(nan | sign).load()));
                assert!(back & 0x7fff > infinity, "{nan:#x} became {back:#x}");
            }
            // A NaN whose upper bits are those of infinity.
            assert!(of(bits(K::store(f32::from_bits(0x7f80_0001)))).load().is_nan());
        }
    }

    #[test]
    fn every_bfloat16() {
        check(Bf16, |x| x.0, 7);
    }

    #[test]
    fn every_float16() {
        check(F16, |x| x.0, 10);
    }

    #[test]
    fn slices_convert_as_single_numbers_do() {
        let bits: Vec<u16> = (0..=u16::MAX).collect();
        let (bf16, f16): (Vec<_>, Vec<_>) = bits.iter().map(|&b| (Bf16(b), F16(b))).unzip();
        let mut room = vec![MaybeUninit::uninit(); bits.len()];
        let same = |wide: &[f32], one: &dyn Fn(u16) -> f32| {
            wide.iter().zip(&bits).all(|(x, &b)| x.to_bits() == one(b).to_bits())
        };
        assert!(same(Bf16::load_slice(&bf16, &mut room), &|b| Bf16(b).load()));
        assert!(same(F16::load_slice(&f16, &mut room), &|b| F16(b).load()));
        let values: Vec<f32> = bits.iter().map(|&b| f32::from_bits(u32::from(b).wrapping_mul(0x9e37_79b9))).collect();
        let mut stored = f16;
        F16::store_slice(&mut stored, &mut room, |dst| dst.copy_from_slice(&values));
        assert!(stored.iter().zip(&values).all(|(d, &x)| d.0 == F16::store(x).0));
        let mut stored = bf16;
        Bf16::store_slice(&mut stored, &mut room, |dst| dst.copy_from_slice(&values));
        assert!(stored.iter().zip(&values).all(|(d, &x)| d.0 == Bf16::store(x).0));
    }

    #[test]
    fn rounding_to_odd_keeps_what_is_exact() {
        for x in [0.0, -0.0, 1.5, f64::INFINITY, f64::NEG_INFINITY, f64::from(f32::MAX)] {
            assert_eq!(f64::from(round_to_odd(x)).to_bits(), x.to_bits());
        }
        assert!(round_to_odd(f64::NAN).is_nan());
        assert_eq!(round_to_odd(1e300).to_bits(), f32::MAX.to_bits());
        assert_eq!(round_to_odd(-1e-300).to_bits(), 0x8000_0001);
    }
}
