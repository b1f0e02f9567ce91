//! Activation functions of neural networks with up to three parameters, and their derivatives.

use super::engine::{Function1, Function2, map1, map2};
use super::operations::{CHEAP, EXPONENTIAL};
use crate::element::{Element, Float};
use crate::isa::Simd;
use crate::layout::Strided;
use crate::stored::Stored;

/// Parameters as the functions below name them; those that a function lacks are not read.
pub type Parameters = [f64; 3];

/// Defines the enum and its two maps. A line reads: name, cost of 1024 elements in nanoseconds, value at `x`, which may be
/// sooner had where a condition holds for all, slope at `x`, all of the parameters in `p`.
macro_rules! activations {
    (
        |$x:ident, $p:ident, $T:ident, $S:ident|
        $($(#[$op_doc:meta])* $Op:ident[$cost:expr] =
            $value:expr $(, where $usual:expr => $sooner:expr)?, slope $slope:expr;)*
    ) => {
        /// An activation function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Activation {
            $($(#[$op_doc])* $Op,)*
        }

        /// `dst[i] = op(src[i])`.
        ///
        /// # Panics
        /// If the window leaves `src` or differs from `dst` in size.
        pub fn activation<K: Stored<Value: Float>>(
            op: Activation, parameters: Parameters, src: &[K], layout: Strided, dst: &mut [K],
        ) {
            let parameters = parameters.map(K::Value::from_f64);
            match op {
                $(Activation::$Op => {
                    #[derive(Clone, Copy)]
                    struct Op<T>([T; 3]);
                    impl<$T: Float> Function1<$T, $T> for Op<$T> {
                        const COST: usize = $cost;
                        const PLAIN: bool = $cost == CHEAP;
                        #[inline(always)]
                        fn call<$S: Simd>(self, $x: $T) -> $T {
                            #[allow(unused_variables, reason = "not all have parameters")]
                            let $p = self.0;
                            $value
                        }
                        $(
                            const USUAL: bool = true;
                            const TASTE: usize = 32;
                            #[inline(always)]
                            fn usual_call<$S: Simd>(self, $x: $T) -> ($T, bool) {
                                let $p = self.0;
                                ($sooner, $usual)
                            }
                        )?
                    }
                    map1(Op(parameters), src, layout, dst);
                })*
            }
        }

        /// `dst[i] = grad[i] * op'(src[i])`.
        ///
        /// # Panics
        /// If a window leaves its slice or differs from `dst` in size.
        pub fn activation_grad<K: Stored<Value: Float>>(
            op: Activation, parameters: Parameters, grad: (&[K], Strided), src: (&[K], Strided), dst: &mut [K],
        ) {
            let parameters = parameters.map(K::Value::from_f64);
            match op {
                $(Activation::$Op => {
                    #[derive(Clone, Copy)]
                    struct Op<T>([T; 3]);
                    impl<$T: Float> Function2<$T, $T, $T> for Op<$T> {
                        const COST: usize = $cost;
                        const PLAIN: bool = $cost == CHEAP;
                        #[inline(always)]
                        fn call<$S: Simd>(self, grad: $T, $x: $T) -> $T {
                            #[allow(unused_variables, reason = "not all have parameters")]
                            let $p = self.0;
                            grad * $slope
                        }
                    }
                    map2(Op(parameters), grad.0, grad.1, src.0, src.1, dst);
                })*
            }
        }
    };
}

activations! {
    |x, p, T, S|
    /// `p[1] * x` above zero, `p[0] * p[1] * (exp(p[2] * x) - 1)` elsewhere.
    Elu[EXPONENTIAL] =
        if x > T::ZERO { p[1] * x } else { p[0] * p[1] * (p[2] * x).expm1::<S>() },
        where x > T::ZERO => p[1] * x,
        slope if x > T::ZERO { p[1] } else { p[0] * p[1] * p[2] * (p[2] * x).exp::<S>() };
    /// `x` above zero, `p[0] * x` elsewhere.
    LeakyRelu[CHEAP] = if x > T::ZERO { x } else { p[0] * x }, slope if x > T::ZERO { T::ONE } else { p[0] };
    /// `x` kept between `p[0]` and `p[1]`, where the slope is zero.
    Hardtanh[CHEAP] = at_most(at_least(x, p[0]), p[1]), slope if x <= p[0] || x >= p[1] { T::ZERO } else { T::ONE };
    /// `x` above `p[0]`, `p[1]` elsewhere.
    Threshold[CHEAP] = if x <= p[0] { p[1] } else { x }, slope if x <= p[0] { T::ZERO } else { T::ONE };
    /// `x` where it is further than `p[0]` from zero, zero elsewhere.
    Hardshrink[CHEAP] =
        if x >= -p[0] && x <= p[0] { T::ZERO } else { x },
        slope if x >= -p[0] && x <= p[0] { T::ZERO } else { T::ONE };
    /// `x` moved towards zero by `p[0]`, at most up to there.
    Softshrink[CHEAP] =
        if x > p[0] { x - p[0] } else if x < -p[0] { x + p[0] } else { x * T::ZERO },
        slope if x >= -p[0] && x <= p[0] { T::ZERO } else { T::ONE };
    /// A sigmoid of three straight lines.
    Hardsigmoid[CHEAP] =
        ramp(x) * T::from_f64(1.0 / 6.0),
        slope if x > T::from_f64(-3.0) && x < T::from_f64(3.0) { T::from_f64(1.0 / 6.0) } else { T::ZERO };
    /// `x` times that sigmoid.
    Hardswish[CHEAP] = x * (ramp(x) * T::from_f64(1.0 / 6.0)), slope {
        let inside = x * T::from_f64(1.0 / 3.0) + T::from_f64(0.5);
        if x <= T::from_f64(-3.0) { T::ZERO } else if x >= T::from_f64(3.0) { T::ONE } else { inside }
    };
    /// `x / (1 + |x|)`.
    Softsign[CHEAP] =
        x / (T::ONE + x.magnitude()),
        slope { let divisor = T::ONE + x.magnitude(); T::ONE / (divisor * divisor) };
    /// `x * tanh(log(1 + exp(x)))`.
    Mish[EXPONENTIAL] = {
        let (n, _) = mish_parts::<T, S>(x);
        x * (n / (n + T::from_f64(2.0)))
    }, slope {
        let (n, e) = mish_parts::<T, S>(x);
        let divisor = n + T::from_f64(2.0);
        let x = at_most(at_least(x, -T::from_f64(MISH_END * 6.0)), T::from_f64(MISH_END));
        (n + T::from_f64(4.0) * x * e * (e + T::ONE) / divisor) / divisor
    };
}

/// From here on mish is its argument.
const MISH_END: f64 = 20.0;

/// The tangent of mish is `n / (n + 2)`, with `n = e * (e + 2)` and `e = exp(x)`.
#[inline(always)]
fn mish_parts<T: Float, S: Simd>(x: T) -> (T, T) {
    let e = at_most(x, T::from_f64(MISH_END)).exp::<S>();
    (e * (e + T::from_f64(2.0)), e)
}

/// `x + 3`, between 0 and 6.
#[inline(always)]
fn ramp<T: Float>(x: T) -> T {
    at_most(at_least(x + T::from_f64(3.0), T::ZERO), T::from_f64(6.0))
}

/// NaN stays.
#[inline(always)]
fn at_least<T: Float>(x: T, low: T) -> T {
    if x < low { low } else { x }
}

#[inline(always)]
fn at_most<T: Float>(x: T, high: T) -> T {
    if x > high { high } else { x }
}
