//! The element types that are computed in: one arithmetic for generic loops.
//!
//! [`Element`] is what all share; its arithmetic never panics (integers wrap, division by zero gives 0) and its
//! order propagates NaN. [`Float`] adds what only float32 and float64 have. Methods that depend on the ISA take it as
//! a type parameter, so that they inline into loops compiled for it.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::division;
use crate::isa::{Isa, Simd};
use crate::math;
use crate::memory::Pod;

/// A number that is computed with: f32, f64, i64, i32, u64, u8. Bool is u8 with the values 0 and 1.
pub trait Element: Pod + PartialOrd + Default + Debug {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Below or equal to every other value: minus infinity for floats.
    const LOWEST: Self;
    /// Above or equal to every other value: infinity for floats.
    const HIGHEST: Self;
    /// Whether this is f32 or f64.
    const IS_FLOAT: bool;

    /// The nearest value to `x`, as Rust's `as` converts.
    fn from_f64(x: f64) -> Self;
    /// This value as float32, as Rust's `as` converts.
    fn to_f32(self) -> f32;
    /// This value as float64, as Rust's `as` converts.
    fn to_f64(self) -> f64;
    /// This value as int64: floats truncate; what it does not hold, and NaN, is its lowest.
    fn to_i64(self) -> i64;
    /// This value as int32: floats truncate, as to int64, and integers wrap.
    fn to_i32(self) -> i32;
    /// This value as uint64: integers wrap; of floats below half its range the bits of int64, otherwise of the rest.
    fn to_u64(self) -> u64;
    /// This value as uint8: the lowest bits of int32.
    fn to_u8(self) -> u8;
    /// `x` converted to this type.
    fn cast_from<T: Element>(x: T) -> Self;

    /// `self + other`; integers wrap.
    #[must_use]
    fn wrapping_add(self, other: Self) -> Self;
    /// `self - other`; integers wrap.
    #[must_use]
    fn wrapping_sub(self, other: Self) -> Self;
    /// `self * other`; integers wrap.
    #[must_use]
    fn wrapping_mul(self, other: Self) -> Self;
    /// `-self`; integers wrap.
    #[must_use]
    fn wrapping_neg(self) -> Self;
    /// `self / other`; integers truncate, and give 0 for a zero divisor.
    #[must_use]
    fn divide(self, other: Self) -> Self;
    /// The quotient without its fraction; integers give 0 for a zero divisor.
    #[must_use]
    fn trunc_divide(self, other: Self) -> Self;
    /// The quotient rounded down, of and by infinities the array API standard's; integers give 0 for a zero divisor.
    #[must_use]
    fn floor_divide<S: Simd>(self, other: Self) -> Self;
    /// As [`floor_divide`](Self::floor_divide), of and by infinities as Python's `//`: what the remainder leaves, NaN and -1.
    #[must_use]
    #[inline(always)]
    fn floor_divide_by_rest<S: Simd>(self, other: Self) -> Self {
        self.floor_divide::<S>(other)
    }
    /// The remainder that has the divisor's sign, as Python's `%`; integers give 0 for a zero divisor.
    #[must_use]
    fn remainder<S: Simd>(self, other: Self) -> Self;
    /// The remainder that has the dividend's sign, as C's `fmod`; integers give 0 for a zero divisor.
    #[must_use]
    fn truncated_remainder<S: Simd>(self, other: Self) -> Self;
    /// Whether the four above hold for [`Portable`](crate::isa::Portable) only: floats whose quotient is infinite or has
    /// more digits than they.
    #[inline(always)]
    fn is_far_from(self, _other: Self) -> bool {
        false
    }
    /// [`Element::trunc_divide`] but for special cases, sooner, and whether this is none.
    #[must_use]
    #[inline(always)]
    fn usual_trunc_divide<S: Simd>(self, other: Self) -> (Self, bool) {
        (self.trunc_divide(other), true)
    }
    /// [`Element::floor_divide`], likewise.
    #[must_use]
    #[inline(always)]
    fn usual_floor_divide<S: Simd>(self, other: Self) -> (Self, bool) {
        (self.floor_divide::<S>(other), !self.is_far_from(other))
    }
    /// [`Element::floor_divide_by_rest`], likewise.
    #[must_use]
    #[inline(always)]
    fn usual_floor_divide_by_rest<S: Simd>(self, other: Self) -> (Self, bool) {
        (self.floor_divide_by_rest::<S>(other), !self.is_far_from(other))
    }
    /// [`Element::remainder`], likewise.
    #[must_use]
    #[inline(always)]
    fn usual_remainder<S: Simd>(self, other: Self) -> (Self, bool) {
        (self.remainder::<S>(other), !self.is_far_from(other))
    }
    /// [`Element::truncated_remainder`], likewise.
    #[must_use]
    #[inline(always)]
    fn usual_truncated_remainder<S: Simd>(self, other: Self) -> (Self, bool) {
        (self.truncated_remainder::<S>(other), !self.is_far_from(other))
    }
    /// `self` to the power `exponent`. Integers wrap; a negative exponent truncates the exact result.
    #[must_use]
    fn pow<S: Simd>(self, exponent: Self) -> Self;
    /// [`Element::pow`] but for special cases, sooner, and whether this is none.
    #[must_use]
    #[inline(always)]
    fn usual_pow<S: Simd>(self, exponent: Self) -> (Self, bool) {
        (self.pow::<S>(exponent), true)
    }
    /// Absolute value; integers wrap.
    #[must_use]
    fn magnitude(self) -> Self;
    /// -1, 0 or 1; 0 for NaN.
    #[must_use]
    fn sign(self) -> Self;
    /// Whether this is a float's NaN.
    fn is_nan(self) -> bool;

    /// The larger value; NaN if either is.
    #[inline(always)]
    #[must_use]
    fn maximum(self, other: Self) -> Self {
        if (self > other) | self.is_nan() { self } else { other }
    }

    /// The smaller value; NaN if either is.
    #[inline(always)]
    #[must_use]
    fn minimum(self, other: Self) -> Self {
        if (self < other) | self.is_nan() { self } else { other }
    }
}

/// float32 or float64.
pub trait Float:
    Element
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// Distance from 1 to the next value.
    const EPSILON: Self;
    /// Not a number.
    const NAN: Self;

    /// `self * b + c`, fused where the ISA has FMA.
    #[must_use]
    fn fma<S: Simd>(self, b: Self, c: Self) -> Self;
    /// Square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// Largest integer that is not above.
    #[must_use]
    fn floor(self) -> Self;
    /// Smallest integer that is not below.
    #[must_use]
    fn ceil(self) -> Self;
    /// Nearest integer, ties to even.
    #[must_use]
    fn round(self) -> Self;
    /// The integer part.
    #[must_use]
    fn trunc(self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Plus or minus infinity.
    fn is_infinite(self) -> bool;
    /// Angle of the point `(x, self)`.
    #[must_use]
    fn atan2<S: Simd>(self, x: Self) -> Self;
    /// Magnitude of `self` with the sign of `sign`.
    #[must_use]
    fn copysign(self, sign: Self) -> Self;
    /// `sqrt(self * self + other * other)`, without overflow.
    #[must_use]
    fn hypot<S: Simd>(self, other: Self) -> Self;
    /// e to the power `self`.
    #[must_use]
    fn exp<S: Simd>(self) -> Self;
    /// The same, of what is not positive.
    #[must_use]
    fn exp_nonpositive<S: Simd>(self) -> Self;
    /// 2 to the power `self`.
    #[must_use]
    fn exp2<S: Simd>(self) -> Self;
    /// `exp(self) - 1`, accurate near zero.
    #[must_use]
    fn expm1<S: Simd>(self) -> Self;
    /// Natural logarithm.
    #[must_use]
    fn log<S: Simd>(self) -> Self;
    /// Logarithm to base 2.
    #[must_use]
    fn log2<S: Simd>(self) -> Self;
    /// Logarithm to base 10.
    #[must_use]
    fn log10<S: Simd>(self) -> Self;
    /// Natural logarithm but for special cases, sooner, and whether this is none.
    #[must_use]
    fn usual_log<S: Simd>(self) -> (Self, bool);
    /// Logarithm to base 2, likewise.
    #[must_use]
    fn usual_log2<S: Simd>(self) -> (Self, bool);
    /// Logarithm to base 10, likewise.
    #[must_use]
    fn usual_log10<S: Simd>(self) -> (Self, bool);
    /// `log(1 + self)`, accurate near zero.
    #[must_use]
    fn log1p<S: Simd>(self) -> Self;
    /// Hyperbolic tangent.
    #[must_use]
    fn tanh<S: Simd>(self) -> Self;
    /// `1 / (1 + exp(-self))` and its complement, each accurate where it is small.
    #[must_use]
    fn logistic<S: Simd>(self) -> (Self, Self);
    /// `1 / (1 + exp(-self))`.
    #[inline(always)]
    #[must_use]
    fn sigmoid<S: Simd>(self) -> Self {
        self.logistic::<S>().0
    }
    /// `self` times the standard normal distribution's mass below `self`; -0 at minus infinity.
    #[must_use]
    fn gelu<S: Simd>(self) -> Self;
    /// Gelu's approximation by tanh.
    #[inline(always)]
    #[must_use]
    fn gelu_tanh<S: Simd>(self) -> Self {
        weighted(self, self.gelu_argument::<S>().sigmoid::<S>())
    }
    /// Twice the argument of gelu's tanh: `(1 + tanh(u)) / 2` is `sigmoid(2 u)`.
    #[inline(always)]
    #[must_use]
    fn gelu_argument<S: Simd>(self) -> Self {
        let cubic = Self::from_f64(math::GELU_SCALE * math::GELU_CUBIC);
        self * (self * self).fma::<S>(cubic, Self::from_f64(math::GELU_SCALE))
    }
    /// `self` times its sigmoid; NaN at minus infinity, as in PyTorch.
    #[inline(always)]
    #[must_use]
    fn silu<S: Simd>(self) -> Self {
        self * self.sigmoid::<S>()
    }
    /// `log(1 + exp(self))`.
    #[inline(always)]
    #[must_use]
    fn softplus<S: Simd>(self) -> Self {
        let positive = if self < Self::ZERO { Self::ZERO } else { self };
        positive + (-self.magnitude()).exp::<S>().log1p::<S>()
    }
    /// `log(self / (1 - self))`.
    #[inline(always)]
    #[must_use]
    fn logit<S: Simd>(self) -> Self {
        (self / (Self::ONE - self)).log::<S>()
    }
    /// The same but for special cases, sooner, and whether this is none.
    #[inline(always)]
    #[must_use]
    fn usual_logit<S: Simd>(self) -> (Self, bool) {
        (self / (Self::ONE - self)).usual_log::<S>()
    }
    /// Error function.
    #[must_use]
    fn erf<S: Simd>(self) -> Self;
    /// The standard normal distribution: its mass below `self`, and its density there.
    #[must_use]
    fn normal<S: Simd>(self) -> (Self, Self);
    /// Sine; needs |self| up to [`math::TRIGONOMETRIC_LIMIT`].
    #[must_use]
    fn sin<S: Simd>(self) -> Self;
    /// Cosine; needs |self| up to [`math::TRIGONOMETRIC_LIMIT`].
    #[must_use]
    fn cos<S: Simd>(self) -> Self;
    /// Tangent; float32 needs |self| up to [`math::TRIGONOMETRIC_LIMIT`].
    #[must_use]
    fn tan<S: Simd>(self) -> Self;
    /// Tangent but for large arguments, sooner, and whether this is none.
    #[must_use]
    fn usual_tan<S: Simd>(self) -> (Self, bool);
    /// Inverse of the sine; NaN outside -1 to 1.
    #[must_use]
    fn asin<S: Simd>(self) -> Self;
    /// Inverse of the cosine; NaN outside -1 to 1.
    #[must_use]
    fn acos<S: Simd>(self) -> Self;
    /// Inverse of the tangent.
    #[must_use]
    fn atan<S: Simd>(self) -> Self;
    /// Hyperbolic sine.
    #[must_use]
    fn sinh<S: Simd>(self) -> Self;
    /// Hyperbolic cosine.
    #[must_use]
    fn cosh<S: Simd>(self) -> Self;
    /// Inverse of the hyperbolic sine.
    #[must_use]
    fn asinh<S: Simd>(self) -> Self;
    /// Inverse of the hyperbolic cosine; NaN below 1.
    #[must_use]
    fn acosh<S: Simd>(self) -> Self;
    /// Inverse of the hyperbolic tangent; NaN outside -1 to 1.
    #[must_use]
    fn atanh<S: Simd>(self) -> Self;
    /// Complementary error function.
    #[must_use]
    fn erfc<S: Simd>(self) -> Self;
    /// Inverse of the error function; NaN outside -1 to 1.
    #[must_use]
    fn erfinv<S: Simd>(self) -> Self;
    /// Logarithm of the gamma function's size; see [`Float::is_beyond_lgamma`].
    #[must_use]
    fn lgamma<S: Simd>(self) -> Self;
    /// Whether that holds for [`Portable`](crate::isa::Portable) only, which gave `value`: float32 that is not finite, or
    /// negative with a result near zero.
    #[inline(always)]
    fn is_beyond_lgamma(self, value: Self) -> bool {
        let is_plain = (self > Self::ZERO) | (value.magnitude() > Self::from_f64(0.25));
        size_of::<Self>() == 4 && !(self > Self::from_f64(-1e6) && self < Self::HIGHEST && is_plain)
    }
    /// Hurwitz's zeta function of this at `x`; see [`Float::is_beyond_zeta`].
    #[must_use]
    fn zeta<S: Simd>(self, x: Self) -> Self;
    /// Whether that holds for [`Portable`](crate::isa::Portable) only: float32 whose terms are many, or leave the range of
    /// float64.
    #[inline(always)]
    fn is_beyond_zeta(self, x: Self) -> bool {
        size_of::<Self>() == 4 && !math::is_near_zeta(self.to_f64(), x.to_f64())
    }
    /// Derivative of that logarithm; see [`Float::is_beyond_digamma`].
    #[must_use]
    fn digamma<S: Simd>(self) -> Self;
    /// Whether that holds for [`Portable`](crate::isa::Portable) only: float32 that is not positive or not finite.
    #[inline(always)]
    fn is_beyond_digamma(self, _value: Self) -> bool {
        size_of::<Self>() == 4 && !(self > Self::ZERO && self < Self::HIGHEST)
    }
    /// Quantile of the standard normal distribution; NaN outside 0 to 1.
    #[must_use]
    fn ndtri<S: Simd>(self) -> Self;
    /// Modified Bessel function of the first kind, of order 0.
    #[must_use]
    fn i0<S: Simd>(self) -> Self;
    /// The same over `exp(|self|)`.
    #[must_use]
    fn i0e<S: Simd>(self) -> Self;
    /// Modified Bessel function of the first kind, of order 1.
    #[must_use]
    fn i1<S: Simd>(self) -> Self;
    /// The same over `exp(|self|)`.
    #[must_use]
    fn i1e<S: Simd>(self) -> Self;
    /// Whether [`Float::sin`], [`Float::cos`] and [`Float::tan`] hold for this angle.
    fn is_moderate_angle(self) -> bool;
}

/// `x * weight` for a weight that vanishes at minus infinity faster than x grows.
#[inline(always)]
fn weighted<T: Float>(x: T, weight: T) -> T {
    if x == T::LOWEST { -T::ZERO } else { x * weight }
}

/// The quotient of two sizes rounded down, and the rest, both exact: where FMA is and the quotient has no more digits than
/// they. An infinite divisor leaves all.
#[inline(always)]
fn division<T: Float, S: Simd>(size: T, unit: T) -> (T, T) {
    // Rounding the quotient may have brought it up to the next integer, not further; the rest fits, so it is not rounded.
    let whole = (size / unit).trunc();
    let rest = (-whole).fma::<S>(unit, size);
    let (whole, rest) = if rest < T::ZERO { (whole - T::ONE, rest + unit) } else { (whole, rest) };
    (whole, if unit.is_infinite() { size } else { rest })
}

/// Conversions, as Rust's `as` where `$integers` does not say otherwise.
macro_rules! conversions {
    ($to_self:ident, |$x:ident| { $($name:ident: $out:ty = $integer:expr;)* }) => {
        #[inline(always)]
        fn from_f64(x: f64) -> Self {
            x as Self
        }
        #[inline(always)]
        fn to_f32(self) -> f32 {
            self as f32
        }
        #[inline(always)]
        fn to_f64(self) -> f64 {
            self as f64
        }
        $(
            #[inline(always)]
            fn $name(self) -> $out {
                let $x = self;
                $integer
            }
        )*
        #[inline(always)]
        fn cast_from<T: Element>(x: T) -> Self {
            x.$to_self()
        }
    };
}

/// `$x` without its fraction; the lowest integer for what the type does not hold, NaN among it, as x86 converts.
macro_rules! whole {
    ($x:ident: $t:ident as $Integer:ident) => {{
        const LOWEST: $t = $Integer::MIN as $t;
        let held = if ($x >= LOWEST) & ($x < -LOWEST) { $x } else { LOWEST };
        // SAFETY: between the lowest integer, which is a float, and the highest: the float next below minus the lowest.
        unsafe { held.to_int_unchecked::<$Integer>() }
    }};
}

/// Where the upper half of uint64 begins.
const HALF: u64 = 1 << 63;

macro_rules! integer {
    ($t:ty, $to_self:ident, |$x:ident| $magnitude:expr, $sign:expr) => {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            clippy::cast_lossless,
            trivial_numeric_casts,
            reason = "these are the conversions, for every pair of types; the trait says how they round"
        )]
        impl Element for $t {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LOWEST: Self = <$t>::MIN;
            const HIGHEST: Self = <$t>::MAX;
            const IS_FLOAT: bool = false;
            conversions!($to_self, |x| {
                to_i64: i64 = x as i64;
                to_i32: i32 = x as i32;
                to_u64: u64 = x as u64;
                to_u8: u8 = x as u8;
            });
            #[inline(always)]
            fn wrapping_add(self, other: Self) -> Self {
                <$t>::wrapping_add(self, other)
            }
            #[inline(always)]
            fn wrapping_sub(self, other: Self) -> Self {
                <$t>::wrapping_sub(self, other)
            }
            #[inline(always)]
            fn wrapping_mul(self, other: Self) -> Self {
                <$t>::wrapping_mul(self, other)
            }
            #[inline(always)]
            fn wrapping_neg(self) -> Self {
                <$t>::wrapping_neg(self)
            }
            #[inline(always)]
            fn divide(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            #[inline(always)]
            fn trunc_divide(self, other: Self) -> Self {
                self.divide(other)
            }
            #[inline(always)]
            fn usual_trunc_divide<S: Simd>(self, other: Self) -> (Self, bool) {
                division::trunc(self, other)
            }
            #[inline(always)]
            fn usual_floor_divide<S: Simd>(self, other: Self) -> (Self, bool) {
                division::floor(self, other)
            }
            #[inline(always)]
            fn usual_floor_divide_by_rest<S: Simd>(self, other: Self) -> (Self, bool) {
                division::floor(self, other)
            }
            #[inline(always)]
            fn usual_remainder<S: Simd>(self, other: Self) -> (Self, bool) {
                let (quotient, usual) = division::floor(self, other);
                (self.wrapping_sub(quotient.wrapping_mul(other)), usual)
            }
            #[inline(always)]
            fn usual_truncated_remainder<S: Simd>(self, other: Self) -> (Self, bool) {
                let (quotient, usual) = division::trunc(self, other);
                (self.wrapping_sub(quotient.wrapping_mul(other)), usual)
            }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one body for signed and unsigned")]
            fn floor_divide<S: Simd>(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let rest = self.wrapping_rem(other);
                let opposite = rest != 0 && (rest < 0) != (other < 0);
                self.wrapping_div(other).wrapping_sub(Self::from(opposite))
            }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one body for signed and unsigned")]
            fn remainder<S: Simd>(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let rest = self.wrapping_rem(other);
                if rest != 0 && (rest < 0) != (other < 0) { rest.wrapping_add(other) } else { rest }
            }
            #[inline(always)]
            fn truncated_remainder<S: Simd>(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_rem(other) }
            }
            #[inline(always)]
            #[allow(unused_comparisons, reason = "one body for signed and unsigned")]
            fn pow<S: Simd>(self, exponent: Self) -> Self {
                if exponent < 0 {
                    return match self {
                        1 => 1,
                        x if x == <$t>::wrapping_neg(1) => {
                            if exponent & 1 == 0 {
                                1
                            } else {
                                self
                            }
                        }
                        _ => 0,
                    };
                }
                let (mut result, mut square, mut rest): (Self, Self, Self) = (1, self, exponent);
                while rest != 0 {
                    if rest & 1 == 1 {
                        result = result.wrapping_mul(square);
                    }
                    square = square.wrapping_mul(square);
                    rest >>= 1;
                }
                result
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                let $x = self;
                $magnitude
            }
            #[inline(always)]
            fn sign(self) -> Self {
                let $x = self;
                $sign
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
        }
    };
}
// Not `signum`, of which the compiler makes no vectors.
integer!(i64, to_i64, |x| x.wrapping_abs(), Self::from(x > 0) - Self::from(x < 0));
integer!(i32, to_i32, |x| x.wrapping_abs(), Self::from(x > 0) - Self::from(x < 0));
integer!(u64, to_u64, |x| x, x.min(1));
integer!(u8, to_u8, |x| x, x.min(1));

macro_rules! float {
    ($t:ident, $to_self:ident, $fma:ident, |$x:ident, $y:ident, $S:ident| {
        pow: $pow:expr; usual_pow: $usual_pow:expr; atan2: $atan2:expr; hypot: $hypot:expr; zeta: $zeta:expr; $($name:ident: $out:ty = $body:expr;)*
    }) => {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_lossless,
            clippy::cast_precision_loss,
            clippy::manual_range_contains,
            trivial_numeric_casts,
            reason = "these are the conversions, for every pair of types; the trait says how they round"
        )]
        impl Element for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = <$t>::NEG_INFINITY;
            const HIGHEST: Self = <$t>::INFINITY;
            const IS_FLOAT: bool = true;
            conversions!($to_self, |x| {
                to_i64: i64 = whole!(x: $t as i64);
                to_i32: i32 = whole!(x: $t as i32);
                to_u64: u64 = if x >= HALF as $t {
                    x.wrapping_sub(HALF as $t).to_i64() as u64 ^ HALF
                } else {
                    x.to_i64() as u64
                };
                to_u8: u8 = x.to_i32() as u8;
            });
            #[inline(always)]
            fn wrapping_add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn wrapping_sub(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn wrapping_mul(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn wrapping_neg(self) -> Self {
                -self
            }
            #[inline(always)]
            fn divide(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn trunc_divide(self, other: Self) -> Self {
                (self / other).trunc()
            }
            #[inline(always)]
            fn floor_divide<S: Simd>(self, other: Self) -> Self {
                if S::ISA != Isa::Portable {
                    let (whole, rest) = division::<Self, S>(self.abs(), other.abs());
                    let opposite = self.is_sign_negative() != other.is_sign_negative();
                    let floor = if opposite { -(whole + if rest != 0.0 { 1.0 } else { 0.0 }) } else { whole };
                    return if other.is_infinite() { self / other } else { floor };
                }
                // Nothing to round down, or nothing left of it: the array API standard's quotients, also of infinities.
                if other == 0.0 || self.is_infinite() || other.is_infinite() {
                    return self / other;
                }
                let rest = self % other;
                let opposite = rest != 0.0 && (rest < 0.0) != (other < 0.0);
                let quotient = (self - rest) / other - if opposite { 1.0 } else { 0.0 };
                if quotient == 0.0 {
                    return <$t>::copysign(0.0, self / other);
                }
                let floor = quotient.floor();
                if quotient - floor > 0.5 { floor + 1.0 } else { floor }
            }
            #[inline(always)]
            fn floor_divide_by_rest<S: Simd>(self, other: Self) -> Self {
                let below = other.is_infinite() && self != 0.0 && (self < 0.0) != (other < 0.0);
                let floor = self.floor_divide::<S>(other);
                let floor = if below && !<$t>::is_nan(self) { -1.0 } else { floor };
                if self.is_infinite() && other != 0.0 { <$t>::NAN } else { floor }
            }
            #[inline(always)]
            fn remainder<S: Simd>(self, other: Self) -> Self {
                let rest = self.truncated_remainder::<S>(other);
                let opposite = (rest < 0.0) != (other < 0.0);
                let moved = if opposite { rest + other } else { rest };
                if rest == 0.0 { rest.copysign(other) } else { moved }
            }
            #[inline(always)]
            fn truncated_remainder<S: Simd>(self, other: Self) -> Self {
                if S::ISA == Isa::Portable {
                    return self % other;
                }
                division::<Self, S>(self.abs(), other.abs()).1.copysign(self)
            }
            #[inline(always)]
            fn is_far_from(self, other: Self) -> bool {
                self.abs() >= other.abs() / <$t>::EPSILON
            }
            #[inline(always)]
            fn pow<$S: Simd>(self, $y: Self) -> Self {
                let $x = self;
                $pow
            }
            #[inline(always)]
            fn usual_pow<$S: Simd>(self, $y: Self) -> (Self, bool) {
                let $x = self;
                $usual_pow
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn sign(self) -> Self {
                let unit = <$t>::copysign(1.0, self);
                if (self == 0.0) | self.is_nan() { 0.0 } else { unit }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self != self
            }
        }

        impl Float for $t {
            const EPSILON: Self = <$t>::EPSILON;
            const NAN: Self = <$t>::NAN;
            #[inline(always)]
            fn fma<S: Simd>(self, b: Self, c: Self) -> Self {
                S::$fma(self, b, c)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                <$t>::floor(self)
            }
            #[inline(always)]
            fn ceil(self) -> Self {
                <$t>::ceil(self)
            }
            #[inline(always)]
            fn round(self) -> Self {
                self.round_ties_even()
            }
            #[inline(always)]
            fn trunc(self) -> Self {
                <$t>::trunc(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$t>::is_finite(self)
            }
            #[inline(always)]
            fn is_infinite(self) -> bool {
                <$t>::is_infinite(self)
            }
            #[inline(always)]
            fn atan2<$S: Simd>(self, $y: Self) -> Self {
                let $x = self;
                $atan2
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                <$t>::copysign(self, sign)
            }
            #[inline(always)]
            fn hypot<$S: Simd>(self, $y: Self) -> Self {
                let $x = self;
                $hypot
            }
            #[inline(always)]
            fn zeta<$S: Simd>(self, $y: Self) -> Self {
                let $x = self;
                $zeta
            }
            $(
                #[inline(always)]
                fn $name<$S: Simd>(self) -> $out {
                    let $x = self;
                    $body
                }
            )*
            #[inline(always)]
            fn is_moderate_angle(self) -> bool {
                self.abs().to_f64() <= f64::from(math::TRIGONOMETRIC_LIMIT)
            }
        }
    };
}
float!(f32, to_f32, fma32, |x, y, S| {
    pow: math::pow::<S>(x, y);
    usual_pow: math::usual_pow::<S>(x, y);
    atan2: math::atan2::<S>(x, y);
    hypot: math::hypot::<S>(x, y);
    zeta: if S::ISA == Isa::Portable { Self::from_f64(math::zeta(x.into(), y.into())) } else { math::near_zeta::<S>(x, y) };
    exp: f32 = math::exp::<S>(x);
    exp_nonpositive: f32 = math::exp_nonpositive::<S>(x);
    exp2: f32 = math::exp2::<S>(x);
    expm1: f32 = math::expm1::<S>(x);
    log: f32 = math::log::<S>(x);
    log2: f32 = math::log2::<S>(x);
    log10: f32 = math::log10::<S>(x);
    usual_log: (f32, bool) = math::usual_log::<S>(x);
    usual_log2: (f32, bool) = math::usual_log2::<S>(x);
    usual_log10: (f32, bool) = math::usual_log10::<S>(x);
    log1p: f32 = math::log1p::<S>(x);
    tanh: f32 = math::tanh::<S>(x);
    logistic: (f32, f32) = math::logistic::<S>(x);
    gelu: f32 = math::gelu::<S>(x);
    gelu_tanh: f32 = math::gelu_tanh::<S>(x);
    silu: f32 = math::silu::<S>(x);
    softplus: f32 = math::softplus::<S>(x);
    erf: f32 = math::erf::<S>(x);
    normal: (f32, f32) = math::normal::<S>(x);
    sin: f32 = math::sin::<S>(x);
    cos: f32 = math::cos::<S>(x);
    tan: f32 = math::tan::<S>(x);
    usual_tan: (f32, bool) = math::usual_tan::<S>(x);
    asin: f32 = math::asin::<S>(x);
    acos: f32 = math::acos::<S>(x);
    atan: f32 = math::atan::<S>(x);
    sinh: f32 = math::sinh::<S>(x);
    cosh: f32 = math::cosh::<S>(x);
    asinh: f32 = math::asinh::<S>(x);
    acosh: f32 = math::acosh::<S>(x);
    atanh: f32 = math::atanh::<S>(x);
    erfc: f32 = math::erfc::<S>(x);
    erfinv: f32 = math::erfinv::<S>(x);
    lgamma: f32 = if S::ISA == Isa::Portable { Self::from_f64(math::lgamma(x.into())) } else { math::moderate_lgamma::<S>(x) };
    digamma: f32 = if S::ISA == Isa::Portable { Self::from_f64(math::digamma(x.into())) } else { math::positive_digamma::<S>(x) };
    ndtri: f32 = math::ndtri::<S>(x);
    i0: f32 = math::i0::<S>(x);
    i0e: f32 = math::i0e::<S>(x);
    i1: f32 = math::i1::<S>(x);
    i1e: f32 = math::i1e::<S>(x);
});
float!(f64, to_f64, fma64, |x, y, S| {
    pow: if S::ISA == Isa::Portable { x.powf(y) } else { math::pow64::<S>(x, y) };
    usual_pow: (Element::pow::<S>(x, y), true);
    atan2: math::atan2_64::<S>(x, y);
    hypot: if S::ISA == Isa::Portable { x.hypot(y) } else { math::hypot64::<S>(x, y) };
    zeta: math::zeta(x, y);
    exp: f64 = math::exp64::<S>(x);
    exp_nonpositive: f64 = math::exp64::<S>(x);
    exp2: f64 = if S::ISA == Isa::Portable { f64::exp2(x) } else { math::exp2_64::<S>(x) };
    expm1: f64 = if S::ISA == Isa::Portable { x.exp_m1() } else { math::expm1_64::<S>(x) };
    log: f64 = math::log64::<S>(x);
    log2: f64 = if S::ISA == Isa::Portable { f64::log2(x) } else { math::log2_64::<S>(x) };
    log10: f64 = if S::ISA == Isa::Portable { f64::log10(x) } else { math::log10_64::<S>(x) };
    usual_log: (f64, bool) = (math::log64::<S>(x), true);
    usual_log2: (f64, bool) = (Float::log2::<S>(x), true);
    usual_log10: (f64, bool) = (Float::log10::<S>(x), true);
    log1p: f64 = if S::ISA == Isa::Portable { x.ln_1p() } else { math::log1p_64::<S>(x) };
    tanh: f64 = math::tanh64::<S>(x);
    logistic: (f64, f64) = math::logistic64::<S>(x);
    gelu: f64 = weighted(x, math::normal64(x).0);
    erf: f64 = math::erf64::<S>(x);
    normal: (f64, f64) = math::normal64(x);
    sin: f64 = math::sin64::<S>(x);
    cos: f64 = math::cos64::<S>(x);
    tan: f64 = if S::ISA == Isa::Portable { f64::tan(x) } else { math::tan64::<S>(x) };
    usual_tan: (f64, bool) = (Float::tan::<S>(x), x.is_moderate_angle());
    asin: f64 = if S::ISA == Isa::Portable { f64::asin(x) } else { math::asin64::<S>(x) };
    acos: f64 = if S::ISA == Isa::Portable { f64::acos(x) } else { math::acos64::<S>(x) };
    atan: f64 = math::atan64::<S>(x);
    sinh: f64 = if S::ISA == Isa::Portable { f64::sinh(x) } else { math::sinh64::<S>(x) };
    cosh: f64 = if S::ISA == Isa::Portable { f64::cosh(x) } else { math::cosh64::<S>(x) };
    asinh: f64 = math::platform::asinh(x);
    acosh: f64 = math::platform::acosh(x);
    atanh: f64 = if S::ISA == Isa::Portable { math::platform::atanh(x) } else { math::atanh64::<S>(x) };
    erfc: f64 = if S::ISA == Isa::Portable { math::platform::erfc(x) } else { math::erfc64::<S>(x) };
    erfinv: f64 = math::erfinv64::<S>(x);
    lgamma: f64 = math::lgamma(x);
    digamma: f64 = math::digamma(x);
    ndtri: f64 = math::ndtri64::<S>(x);
    i0: f64 = math::i0_64::<S>(x);
    i0e: f64 = math::i0e_64::<S>(x);
    i1: f64 = math::i1_64::<S>(x);
    i1e: f64 = math::i1e_64::<S>(x);
});
