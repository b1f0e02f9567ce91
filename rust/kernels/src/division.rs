//! Quotients of integers by arithmetic of float64, where both have few digits: a loop of them is vector code, and one
//! divisor for all costs one division.

use crate::element::Element;

/// Integers below this have quotients here: with half of one added, and divided by what was rounded twice, none reaches
/// the next integer.
const FEW: u64 = 1 << 50;
/// Adding it to an integral float64 below 2^51 leaves the integer in the low bits; see [`crate::math`].
const ROUND: f64 = 6_755_399_441_055_744.0;

/// An integer as a float64, and back; both hold up to [`FEW`].
pub(crate) trait Integer: Element {
    /// Whether the size is below [`FEW`].
    fn is_few(self) -> bool;
    /// As a float64.
    fn float(self) -> f64;
    /// The lowest bits of an integral float64.
    fn of(float: f64) -> Self;
}

macro_rules! integer {
    ($($t:ty: |$x:ident| $is_few:expr, $float:expr;)*) => { $(
        #[allow(
            clippy::cast_lossless,
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            clippy::cast_sign_loss,
            reason = "the lowest bits are those of the integer, with its sign or without one"
        )]
        impl Integer for $t {
            #[inline(always)]
            fn is_few(self) -> bool {
                let $x = self;
                $is_few
            }
            #[inline(always)]
            fn float(self) -> f64 {
                let $x = self;
                $float
            }
            #[inline(always)]
            fn of(float: f64) -> Self {
                (float + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as $t
            }
        }
    )* };
}
integer! {
    i64: |x| (x as u64).wrapping_add(FEW) < 2 * FEW, f64::from_bits((x as u64).wrapping_add(ROUND.to_bits())) - ROUND;
    u64: |x| x < FEW, f64::from_bits(x.wrapping_add(ROUND.to_bits())) - ROUND;
    i32: |x| (x as u64).wrapping_add(FEW) < 2 * FEW, x as f64;
    u8: |x| (x as u64) < FEW, x as f64;
}

/// The quotient of sizes rounded down, where that of `x` is `x` plus a half.
#[inline(always)]
fn quotient(x: f64, unit: f64) -> f64 {
    (x * (1.0 / unit).abs()).floor()
}

/// The quotient rounded down, and whether that is it: of few digits, by what is not zero.
#[inline(always)]
pub(crate) fn floor<T: Integer>(x: T, unit: T) -> (T, bool) {
    let sign = 1f64.copysign(unit.float());
    (T::of(quotient(x.float() * sign + 0.5, unit.float())), has_quotient(x, unit))
}

/// The quotient without its fraction, likewise.
#[inline(always)]
pub(crate) fn trunc<T: Integer>(x: T, unit: T) -> (T, bool) {
    let sign = 1f64.copysign(unit.float());
    let size = quotient(x.float().abs() + 0.5, unit.float());
    (T::of(size.copysign(x.float() * sign)), has_quotient(x, unit))
}

#[inline(always)]
#[expect(clippy::needless_bitwise_bool, reason = "branches would cost more than they spare")]
fn has_quotient<T: Integer>(x: T, unit: T) -> bool {
    x.is_few() & unit.is_few() & (unit != T::ZERO)
}
