//! The operations: what each computes for one element, and what it costs.

use super::engine::{Function1, Function2, map1, map2, update, update1};
use crate::element::{Element, Float};
use crate::half::round_to_odd;
use crate::isa::{Portable, Simd};
use crate::layout::Strided;
use crate::math::{self, GELU_CUBIC, GELU_SCALE};
use crate::stored::Stored;

/// Defines an enum of functions of one argument and the function that maps one of them over elements that are stored
/// as `K`. A line reads: name, cost of 1024 elements in nanoseconds, value for `x` with ISA `S`. A method of `x` may say
/// where the value is that for `Portable`, another has the value sooner, but for special cases.
macro_rules! unary {
    (
        $(#[$doc:meta])* $Enum:ident, $map:ident: $Bound:ident => $R:ty as $D:ty;
        |$x:ident, $T:ident, $S:ident|
        $($(#[$op_doc:meta])* $Op:ident
            [$cost:expr $(, portable where $beyond:ident)? $(, by $usual:ident)?] = $body:expr;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Enum {
            $($(#[$op_doc])* $Op,)*
        }

        #[doc = concat!("`dst[i] = op(src[i])` for a [`", stringify!($Enum), "`]; without elements in `src`, `dst[i] = op(dst[i])`.")]
        ///
        /// # Panics
        /// If the window leaves `src` or differs from `dst` in size.
        pub fn $map<K: Stored<Value: $Bound>>(op: $Enum, src: &[K], layout: Strided, dst: &mut [$D]) {
            match op {
                $($Enum::$Op => {
                    #[derive(Clone, Copy)]
                    struct Op;
                    impl<$T: $Bound> Function1<$T, $R> for Op {
                        const COST: usize = $cost;
                        const PLAIN: bool = $cost == CHEAP;
                        #[inline(always)]
                        fn call<$S: Simd>(self, $x: $T) -> $R {
                            $body
                        }
                        $(
                            const MENDED: bool = true;
                            #[inline(always)]
                            fn mend(self, a: &[$T], dst: &mut [$R]) {
                                if a.iter().zip(&*dst).fold(false, |any, (x, &d)| any | x.$beyond(d)) {
                                    for (d, &x) in dst.iter_mut().zip(a) {
                                        if x.$beyond(*d) {
                                            *d = self.call::<Portable>(x);
                                        }
                                    }
                                }
                            }
                        )?
                        $(
                            const USUAL: bool = true;
                            #[inline(always)]
                            fn usual_call<$S: Simd>(self, $x: $T) -> ($R, bool) {
                                $x.$usual::<$S>()
                            }
                        )?
                    }
                    map1(Op, src, layout, dst);
                })*
            }
        }
    };
}

/// The same for functions of two arguments.
macro_rules! binary {
    (
        $(#[$doc:meta])* $Enum:ident, $map:ident: $Bound:ident => $R:ty as $D:ty;
        |$x:ident, $y:ident, $T:ident, $S:ident|
        $($(#[$op_doc:meta])* $Op:ident
            [$cost:expr $(, portable where $beyond:ident)? $(, by $usual:ident)?] = $body:expr;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Enum {
            $($(#[$op_doc])* $Op,)*
        }

        #[doc = concat!("`dst[i] = op(a[i], b[i])` for a [`", stringify!($Enum), "`]; without elements in `a`, `dst[i]` stands for `a[i]`.")]
        ///
        /// # Panics
        /// If a window leaves its slice or differs from `dst` in size.
        pub fn $map<K: Stored<Value: $Bound>>(op: $Enum, a: &[K], la: Strided, b: &[K], lb: Strided, dst: &mut [$D]) {
            match op {
                $($Enum::$Op => {
                    #[derive(Clone, Copy)]
                    struct Op;
                    impl<$T: $Bound> Function2<$T, $T, $R> for Op {
                        const COST: usize = $cost;
                        const PLAIN: bool = $cost == CHEAP;
                        #[inline(always)]
                        fn call<$S: Simd>(self, $x: $T, $y: $T) -> $R {
                            $body
                        }
                        $(
                            const MENDED: bool = true;
                            #[inline(always)]
                            fn is_beyond(self, $x: $T, $y: $T) -> bool {
                                $x.$beyond($y)
                            }
                        )?
                        $(
                            const USUAL: bool = true;
                            #[inline(always)]
                            fn usual_call<$S: Simd>(self, $x: $T, $y: $T) -> ($R, bool) {
                                $x.$usual::<$S>($y)
                            }
                        )?
                    }
                    map2(Op, a, la, b, lb, dst);
                })*
            }
        }
    };
}

/// Cost of 1024 elements, in nanoseconds: of plain arithmetic (the same on every ISA), of an exponential, of a longer
/// polynomial, of a division with its remainder, of a call into the C library.
pub(super) const CHEAP: usize = 100;
pub(super) const EXPONENTIAL: usize = 300;
const POLYNOMIAL: usize = 500;
const DIVISION: usize = 1_000;
pub(super) const CALL: usize = 10_000;

unary! {
    /// Functions that every element type has.
    Unary, unary: Element => T as K;
    |x, T, S|
    /// `-x`; integers wrap.
    Neg[CHEAP] = x.wrapping_neg();
    /// Absolute value; integers wrap.
    Abs[CHEAP] = x.magnitude();
    /// -1, 0 or 1; 0 for NaN.
    Sign[CHEAP] = x.sign();
    /// `x * x`; integers wrap.
    Square[CHEAP] = x.wrapping_mul(x);
    /// `max(x, 0)`; NaN for NaN.
    Relu[CHEAP] = if x < T::ZERO { T::ZERO } else { x };
    /// 1 where x is 0, else 0.
    LogicalNot[CHEAP] = if x == T::ZERO { T::ONE } else { T::ZERO };
}

unary! {
    /// Functions of floats.
    FloatUnary, float_unary: Float => T as K;
    |x, T, S|
    /// e to the power x.
    Exp[EXPONENTIAL] = x.exp::<S>();
    /// 2 to the power x.
    Exp2[EXPONENTIAL] = x.exp2::<S>();
    /// `exp(x) - 1`, accurate near zero.
    Expm1[EXPONENTIAL] = x.expm1::<S>();
    /// Natural logarithm.
    Log[POLYNOMIAL, by usual_log] = x.log::<S>();
    /// Logarithm to base 2.
    Log2[POLYNOMIAL, by usual_log2] = x.log2::<S>();
    /// Logarithm to base 10.
    Log10[POLYNOMIAL, by usual_log10] = x.log10::<S>();
    /// `log(1 + x)`, accurate near zero.
    Log1p[POLYNOMIAL] = x.log1p::<S>();
    /// `-x log(x)`: zero at zero, minus infinity below.
    Entr[POLYNOMIAL] = {
        let below = if x < T::ZERO { T::LOWEST } else { T::ZERO };
        // Not where x is NaN.
        if x <= T::ZERO { below } else { -(x * x.log::<S>()) }
    };
    /// Square root.
    Sqrt[CHEAP] = x.sqrt();
    /// `1 / sqrt(x)`.
    Rsqrt[CHEAP] = T::ONE / x.sqrt();
    /// `1 / x`.
    Reciprocal[CHEAP] = T::ONE / x;
    /// Hyperbolic tangent.
    Tanh[EXPONENTIAL] = x.tanh::<S>();
    /// `1 / (1 + exp(-x))`.
    Sigmoid[POLYNOMIAL] = x.sigmoid::<S>();
    /// `log(sigmoid(x))`.
    LogSigmoid[POLYNOMIAL] = -(-x).softplus::<S>();
    /// `log(1 + exp(x))`.
    Softplus[POLYNOMIAL] = x.softplus::<S>();
    /// `x * P(X <= x)` for X standard normal.
    Gelu[POLYNOMIAL] = x.gelu::<S>();
    /// Gelu's approximation by tanh.
    GeluTanh[POLYNOMIAL] = x.gelu_tanh::<S>();
    /// `x * sigmoid(x)`.
    Silu[POLYNOMIAL] = x.silu::<S>();
    /// Error function.
    Erf[POLYNOMIAL] = x.erf::<S>();
    /// Inverse of the sine.
    Asin[2 * POLYNOMIAL] = x.asin::<S>();
    /// Inverse of the cosine.
    Acos[2 * POLYNOMIAL] = x.acos::<S>();
    /// Inverse of the tangent.
    Atan[2 * POLYNOMIAL] = x.atan::<S>();
    /// Hyperbolic sine.
    Sinh[2 * POLYNOMIAL] = x.sinh::<S>();
    /// Hyperbolic cosine.
    Cosh[2 * POLYNOMIAL] = x.cosh::<S>();
    /// Inverse of the hyperbolic sine.
    Asinh[2 * POLYNOMIAL] = x.asinh::<S>();
    /// Inverse of the hyperbolic cosine.
    Acosh[2 * POLYNOMIAL] = x.acosh::<S>();
    /// Inverse of the hyperbolic tangent.
    Atanh[2 * POLYNOMIAL] = x.atanh::<S>();
    /// Complementary error function.
    Erfc[POLYNOMIAL] = x.erfc::<S>();
    /// Inverse of the error function.
    Erfinv[2 * POLYNOMIAL] = x.erfinv::<S>();
    /// Logarithm of the gamma function's size.
    Lgamma[4 * POLYNOMIAL, portable where is_beyond_lgamma] = x.lgamma::<S>();
    /// Its derivative.
    Digamma[4 * POLYNOMIAL, portable where is_beyond_digamma] = x.digamma::<S>();
    /// Modified Bessel function of the first kind, of order 0.
    I0[4 * POLYNOMIAL] = x.i0::<S>();
    /// The same over `exp(|x|)`.
    I0e[4 * POLYNOMIAL] = x.i0e::<S>();
    /// Modified Bessel function of the first kind, of order 1.
    I1[4 * POLYNOMIAL] = x.i1::<S>();
    /// The same over `exp(|x|)`.
    I1e[4 * POLYNOMIAL] = x.i1e::<S>();
    /// `exp(x^2) erfc(x)`.
    Erfcx[4 * POLYNOMIAL] = T::from_f64(math::erfcx::<S>(x.to_f64()));
    /// Quantile of the standard normal distribution.
    Ndtri[2 * POLYNOMIAL] = x.ndtri::<S>();
    /// Largest integer that is not above.
    Floor[CHEAP] = x.floor();
    /// Smallest integer that is not below.
    Ceil[CHEAP] = x.ceil();
    /// Nearest integer, ties to even.
    Round[CHEAP] = x.round();
    /// The integer part.
    Trunc[CHEAP] = x.trunc();
    /// pi below zero, NaN for NaN, else zero.
    Angle[CHEAP] = {
        let turned = if x < T::ZERO { T::from_f64(std::f64::consts::PI) } else { T::ZERO };
        if x.is_nan() { x } else { turned }
    };
    /// What lies beside the integer part.
    Frac[CHEAP] = x - x.trunc();
    /// `x * x * x`.
    Cube[CHEAP] = x * (x * x);
    /// `1 / (x * x)`.
    InverseSquare[CHEAP] = T::ONE / (x * x);
    /// `log(x / (1 - x))`.
    Logit[POLYNOMIAL, by usual_logit] = x.logit::<S>();
}

unary! {
    /// Questions about floats.
    FloatTest, float_test: Float => u8 as u8;
    |x, T, S|
    /// Whether x is not a number.
    IsNan[CHEAP] = u8::from(x.is_nan());
    /// Whether x is plus or minus infinity.
    IsInf[CHEAP] = u8::from(x.is_infinite());
    /// Whether x is neither.
    IsFinite[CHEAP] = u8::from(x.is_finite());
}

binary! {
    /// Arithmetic that every element type has. It never panics: integers wrap, and division by zero gives 0.
    Binary, binary: Element => T as K;
    |x, y, T, S|
    /// `x + y`.
    Add[CHEAP] = x.wrapping_add(y);
    /// `x - y`.
    Sub[CHEAP] = x.wrapping_sub(y);
    /// `x * y`.
    Mul[CHEAP] = x.wrapping_mul(y);
    /// `x / y`; integers truncate.
    Div[CHEAP] = x.divide(y);
    /// The quotient without its fraction.
    TruncDivide[DIVISION, by usual_trunc_divide] = x.trunc_divide(y);
    /// The quotient rounded down.
    FloorDivide[DIVISION, portable where is_far_from, by usual_floor_divide] = x.floor_divide::<S>(y);
    /// The quotient rounded down, of and by infinities what the remainder leaves.
    FloorDivideByRest[DIVISION, portable where is_far_from, by usual_floor_divide_by_rest] = x.floor_divide_by_rest::<S>(y);
    /// The remainder that has the divisor's sign.
    Remainder[DIVISION, portable where is_far_from, by usual_remainder] = x.remainder::<S>(y);
    /// The remainder that has the dividend's sign.
    Fmod[DIVISION, portable where is_far_from, by usual_truncated_remainder] = x.truncated_remainder::<S>(y);
    /// x to the power y.
    Pow[4 * POLYNOMIAL, by usual_pow] = x.pow::<S>(y);
    /// The larger; NaN if either is.
    Maximum[CHEAP] = x.maximum(y);
    /// The smaller; NaN if either is.
    Minimum[CHEAP] = x.minimum(y);
    /// 0 for x below zero, 1 above, y at zero; NaN for NaN.
    Heaviside[CHEAP] = {
        let beside = if x > T::ZERO { T::ONE } else { T::ZERO };
        let step = if x == T::ZERO { y } else { beside };
        if x.is_nan() { x } else { step }
    };
}

/// The smaller less the larger; of equal infinities, too, zero.
#[inline(always)]
fn below<T: Float>(x: T, y: T) -> T {
    if x == y { T::ZERO } else { x.minimum(y) - x.maximum(y) }
}

binary! {
    /// Functions of two floats. In the gradients x is the incoming gradient and y what the forward pass saved.
    FloatBinary, float_binary: Float => T as K;
    |x, y, T, S|
    /// Angle of the point `(y, x)`.
    Atan2[2 * POLYNOMIAL] = x.atan2::<S>(y);
    /// `sqrt(x * x + y * y)`, without overflow.
    Hypot[POLYNOMIAL] = x.hypot::<S>(y);
    /// The size of x with the sign of y.
    Copysign[CHEAP] = x.copysign(y);
    /// `log(exp(x) + exp(y))`, without overflow.
    LogAddExp[2 * POLYNOMIAL] = x.maximum(y) + below::<T>(x, y).exp_nonpositive::<S>().log1p::<S>();
    /// `log2(2^x + 2^y)`, without overflow.
    LogAddExp2[2 * POLYNOMIAL] = {
        let more = below::<T>(x, y).exp2::<S>().log1p::<S>();
        x.maximum(y) + more * T::from_f64(std::f64::consts::LOG2_E)
    };
    /// Lower incomplete gamma function of order x at y, regularised.
    Igamma[CALL] = math::incomplete_gamma(x, y).0;
    /// Upper incomplete gamma function of order x at y, regularised.
    Igammac[CALL] = math::incomplete_gamma(x, y).1;
    /// Hurwitz's zeta function of x at y.
    Zeta[4 * POLYNOMIAL, portable where is_beyond_zeta] = x.zeta::<S>(y);
    /// `-(y log(x) + (1 - y) log(1 - x))`, the logarithms at least -100; NaN where x is not between 0 and 1.
    BinaryCrossEntropy[2 * POLYNOMIAL] = {
        let floor = T::from_f64(-100.0);
        let (yes, no) = (x.log::<S>().maximum(floor), (-x).log1p::<S>().maximum(floor));
        -(y * yes + (T::ONE - y) * no)
    };
    /// Gradient of relu at argument or result y.
    ReluGrad[CHEAP] = if y <= T::ZERO { T::ZERO } else { x };
    /// Gradient of tanh with result y.
    TanhGrad[CHEAP] = x * (T::ONE - y * y);
    /// Gradient of sigmoid with result y.
    SigmoidGrad[CHEAP] = x * (y * (T::ONE - y));
    /// Gradient of softplus at argument y.
    SoftplusGrad[POLYNOMIAL] = x * y.sigmoid::<S>();
    /// Gradient of gelu at argument y.
    GeluGrad[POLYNOMIAL] = { let (mass, density) = y.normal::<S>(); x * y.fma::<S>(density, mass) };
    /// Gradient of gelu's tanh form at argument y.
    GeluTanhGrad[POLYNOMIAL] = x * gelu_tanh_slope::<T, S>(y);
    /// Gradient of silu at argument y.
    SiluGrad[POLYNOMIAL] = { let (s, complement) = y.logistic::<S>(); x * (s * (T::ONE + y * complement)) };
}

binary! {
    /// Comparisons and logic.
    Compare, compare: Element => u8 as u8;
    |x, y, T, S|
    /// `x == y`.
    Eq[CHEAP] = u8::from(x == y);
    /// `x != y`.
    Ne[CHEAP] = u8::from(x != y);
    /// `x < y`.
    Lt[CHEAP] = u8::from(x < y);
    /// `x <= y`.
    Le[CHEAP] = u8::from(x <= y);
    /// `x > y`.
    Gt[CHEAP] = u8::from(x > y);
    /// `x >= y`.
    Ge[CHEAP] = u8::from(x >= y);
    /// Whether both are not 0.
    And[CHEAP] = u8::from(x != T::ZERO) & u8::from(y != T::ZERO);
    /// Whether one is not 0.
    Or[CHEAP] = u8::from(x != T::ZERO) | u8::from(y != T::ZERO);
    /// Whether exactly one is not 0.
    Xor[CHEAP] = u8::from(x != T::ZERO) ^ u8::from(y != T::ZERO);
}

/// Derivative of gelu's tanh form.
#[inline(always)]
fn gelu_tanh_slope<T: Float, S: Simd>(x: T) -> T {
    let (s, complement) = x.gelu_argument::<S>().logistic::<S>();
    let slope = (x * x).fma::<S>(T::from_f64(3.0 * GELU_CUBIC * GELU_SCALE), T::from_f64(GELU_SCALE));
    s + x * slope * (s * complement)
}

macro_rules! trigonometric {
    ($Op:ident, $map:ident, |$x:ident, $T:ident, $S:ident| $value:expr $(, by $usual:ident)?, of $angle:expr,
     beyond $beyond:expr, $doc:literal) => {
        #[derive(Clone, Copy)]
        struct $Op;

        impl<$T: Float> Function1<$T, $T> for $Op {
            const COST: usize = 2 * POLYNOMIAL;
            #[inline(always)]
            fn call<$S: Simd>(self, $x: $T) -> $T {
                $value
            }
            const MENDED: bool = true;
            #[inline(always)]
            fn mend(self, a: &[$T], dst: &mut [$T]) {
                if !a.iter().fold(true, |all, &$x| all & $angle.is_moderate_angle()) {
                    for (d, &$x) in dst.iter_mut().zip(a) {
                        if !$angle.is_moderate_angle() {
                            let beyond: fn(f64) -> f64 = $beyond;
                            *d = T::from_f64(beyond($angle.to_f64()));
                        }
                    }
                }
            }
            $(
                const USUAL: bool = true;
                #[inline(always)]
                fn usual_call<$S: Simd>(self, $x: $T) -> ($T, bool) {
                    $x.$usual::<$S>()
                }
            )?
        }

        #[doc = $doc]
        ///
        /// # Panics
        /// If the window leaves `src` or differs from `dst` in size.
        pub fn $map<K: Stored<Value: Float>>(src: &[K], layout: Strided, dst: &mut [K]) {
            map1($Op, src, layout, dst);
        }
    };
}
trigonometric!(Sin, sin, |x, T, S| x.sin::<S>(), of x, beyond f64::sin, "Sine of each element.");
trigonometric!(Cos, cos, |x, T, S| x.cos::<S>(), of x, beyond f64::cos, "Cosine of each element.");
trigonometric!(Tan, tan, |x, T, S| x.tan::<S>(), by usual_tan, of x, beyond f64::tan, "Tangent of each element.");
trigonometric!(
    Sinc,
    sinc,
    |x, T, S| {
        let angle = x * T::from_f64(std::f64::consts::PI);
        if x == T::ZERO { T::ONE } else { angle.sin::<S>() / angle }
    },
    of(x * T::from_f64(std::f64::consts::PI)),
    beyond | angle | angle.sin() / angle,
    "`sin(pi x) / (pi x)` of each element, 1 at zero."
);

#[derive(Clone, Copy)]
struct Polygamma {
    n: u32,
    factor: f64,
}
impl<T: Float> Function1<T, T> for Polygamma {
    const COST: usize = CALL;
    #[inline(always)]
    fn call<S: Simd>(self, x: T) -> T {
        T::from_f64(self.factor * math::moderate_zeta::<S>(self.n.saturating_add(1), x.to_f64()))
    }
    const MENDED: bool = true;
    #[inline(always)]
    fn mend(self, a: &[T], dst: &mut [T]) {
        let s = self.n.saturating_add(1);
        if a.iter().fold(true, |all, x| all & math::is_moderate_zeta(s, x.to_f64())) {
            return;
        }
        for (d, &x) in dst.iter_mut().zip(a) {
            if !math::is_moderate_zeta(s, x.to_f64()) {
                *d = T::from_f64(self.factor * math::zeta(f64::from(self.n) + 1.0, x.to_f64()));
            }
        }
    }
}

/// The `n`th derivative of digamma, `n` at least 1, of each element.
///
/// # Panics
/// If the window leaves `src` or differs from `dst` in size.
pub fn polygamma<K: Stored<Value: Float>>(n: u32, src: &[K], layout: Strided, dst: &mut [K]) {
    map1(Polygamma { n, factor: math::polygamma_factor(n) }, src, layout, dst);
}

/// A conversion, in one loop from and to numbers as they are stored, or else piece by piece.
#[derive(Clone, Copy)]
struct Cast<const IN_ONE: bool>;
impl<A: Element, R: Element, const IN_ONE: bool> Function1<A, R> for Cast<IN_ONE> {
    const COST: usize = CHEAP;
    const PLAIN: bool = IN_ONE;
    #[inline(always)]
    fn call<S: Simd>(self, x: A) -> R {
        R::cast_from(x)
    }
}

/// The float32 from which a narrower float is rounded.
#[derive(Clone, Copy)]
struct Odd;
impl<A: Element, R: Element> Function1<A, R> for Odd {
    const COST: usize = CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, x: A) -> R {
        R::cast_from(round_to_odd(x.to_f64()))
    }
}

/// Whether a conversion is worth a loop of its own: between all pairs of types there would be 169. Those that are computed
/// as they are stored have one with each other, and 16-bit floats with float32.
const fn is_frequent<A: Stored, R: Stored>() -> bool {
    match (A::NARROW, R::NARROW) {
        (false, false) => true,
        (true, false) => A::Value::IS_FLOAT && R::Value::IS_FLOAT && size_of::<R>() == 4,
        (false, true) => R::Value::IS_FLOAT && A::Value::IS_FLOAT && size_of::<A>() == 4,
        (true, true) => false,
    }
}

/// Whether float32 holds every number of `A`.
const fn exact_in_f32<A: Stored>() -> bool {
    size_of::<A>() < 4 || A::Value::IS_FLOAT && size_of::<A>() == 4
}

/// See [`crate::copy::cast`].
pub(crate) fn convert<A: Stored, R: Stored>(src: &[A], layout: Strided, dst: &mut [R]) {
    if const { R::NARROW && R::Value::IS_FLOAT && !exact_in_f32::<A>() } {
        map1(Odd, src, layout, dst);
    } else if const { is_frequent::<A, R>() } {
        map1(Cast::<true>, src, layout, dst);
    } else {
        map1(Cast::<false>, src, layout, dst);
    }
}

#[derive(Clone, Copy)]
struct Truth;
impl<A: Element> Function1<A, u8> for Truth {
    const COST: usize = CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, x: A) -> u8 {
        u8::from(x != A::ZERO)
    }
}

/// `dst[i] = src[i] != 0`: the conversion to bool.
///
/// # Panics
/// If the window leaves `src` or differs from `dst` in size.
pub fn to_bool<K: Stored>(src: &[K], layout: Strided, dst: &mut [u8]) {
    map1(Truth, src, layout, dst);
}

#[derive(Clone, Copy)]
pub(super) struct Clamp<T>(pub T, pub T);
impl<T: Element> Function1<T, T> for Clamp<T> {
    const COST: usize = CHEAP;
    const PLAIN: bool = true;
    #[inline(always)]
    fn call<S: Simd>(self, x: T) -> T {
        let x = if x < self.0 { self.0 } else { x };
        if x > self.1 { self.1 } else { x }
    }
}

/// `min(max(src[i], low), high)`, either bound optional; NaN stays NaN.
///
/// # Panics
/// If the window leaves `src` or differs from `dst` in size.
pub fn clamp<K: Stored>(low: Option<K::Value>, high: Option<K::Value>, src: &[K], layout: Strided, dst: &mut [K]) {
    map1(Clamp(low.unwrap_or(K::Value::LOWEST), high.unwrap_or(K::Value::HIGHEST)), src, layout, dst);
}

/// As [`clamp`], over the elements themselves.
pub fn clamp_over<T: Element>(low: Option<T>, high: Option<T>, dst: &mut [T]) {
    update1(Clamp(low.unwrap_or(T::LOWEST), high.unwrap_or(T::HIGHEST)), dst);
}

/// Huber's loss of a difference.
#[derive(Clone, Copy)]
struct Huber<T>(T);
impl<T: Float> Function2<T, T, T> for Huber<T> {
    const COST: usize = CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, x: T, y: T) -> T {
        let (delta, half) = (self.0, T::from_f64(0.5));
        let difference = x - y;
        let size = difference.magnitude();
        let (near, far) = (half * (difference * difference), delta * (size - half * delta));
        if size < delta { near } else { far }
    }
}

/// `d * d / 2` for `d = a[i] - b[i]` of a size below `delta`, else `delta * (|d| - delta / 2)`.
///
/// # Panics
/// If a window leaves its slice or differs from `dst` in size.
pub fn huber<T: Float>(delta: T, a: (&[T], Strided), b: (&[T], Strided), dst: &mut [T]) {
    map2(Huber(delta), a.0, a.1, b.0, b.1, dst);
}

/// What stands for NaN, infinity and its negative.
#[derive(Clone, Copy)]
struct Finite<T>([T; 3]);
impl<T: Float> Function1<T, T> for Finite<T> {
    const COST: usize = CHEAP;
    const PLAIN: bool = true;
    #[inline(always)]
    fn call<S: Simd>(self, x: T) -> T {
        let Self([nan, above, below]) = self;
        let y = if x.is_nan() { nan } else { x };
        let y = if x == T::HIGHEST { above } else { y };
        if x == T::LOWEST { below } else { y }
    }
}

/// `src[i]`, or for NaN, infinity and its negative the first, second and third of `numbers`.
///
/// # Panics
/// If the window leaves `src` or differs from `dst` in size.
pub fn finite<K: Stored<Value: Float>>(numbers: [f64; 3], src: &[K], layout: Strided, dst: &mut [K]) {
    let number = |x: f64| if K::NARROW { K::Value::cast_from(round_to_odd(x)) } else { K::Value::from_f64(x) };
    map1(Finite(numbers.map(number)), src, layout, dst);
}

#[derive(Clone, Copy)]
struct Plus;
impl<T: Element> Function2<T, T, T> for Plus {
    const COST: usize = CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, x: T, y: T) -> T {
        x.wrapping_add(y)
    }
}

/// `dst[i] += src[i]`.
///
/// # Panics
/// If the window leaves `src` or differs from `dst` in size.
pub fn add_assign<T: Element>(dst: &mut [T], src: &[T], layout: Strided) {
    update(Plus, dst, src, layout);
}

#[derive(Clone, Copy)]
struct Axpy<T>(T);
impl<T: Float> Function2<T, T, T> for Axpy<T> {
    const COST: usize = CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, y: T, x: T) -> T {
        x.fma::<S>(self.0, y)
    }
}

/// `dst[i] += alpha * src[i]`, fused.
///
/// # Panics
/// If the window leaves `src` or differs from `dst` in size.
pub fn axpy<T: Float>(dst: &mut [T], alpha: T, src: &[T], layout: Strided) {
    update(Axpy(alpha), dst, src, layout);
}
