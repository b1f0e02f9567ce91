//! Inverse trigonometric functions. The polynomials are minimax in the relative error of the result.

use super::{poly32, poly64};
use crate::isa::Simd;
use std::f64::consts::{FRAC_PI_2, PI};

/// An angle in two parts, the second what rounding the first lost.
#[derive(Clone, Copy)]
struct Parts<T> {
    high: T,
    low: T,
}

const fn parts(angle: f64) -> Parts<f32> {
    let high = angle as f32;
    Parts { high, low: (angle - high as f64) as f32 }
}

impl Parts<f32> {
    const ZERO: Self = Self { high: 0.0, low: 0.0 };
    const RIGHT: Self = parts(FRAC_PI_2);
    const STRAIGHT: Self = parts(PI);
    /// This angle and `y`, with one rounding of their size.
    #[inline(always)]
    fn plus(self, y: f32) -> f32 {
        self.high + (self.low + y)
    }
}

impl Parts<f64> {
    const ZERO: Self = Self { high: 0.0, low: 0.0 };
    const RIGHT: Self = Self { high: FRAC_PI_2, low: 6.123_233_995_736_766e-17 };
    const STRAIGHT: Self = Self { high: PI, low: 1.224_646_799_147_353_2e-16 };
    #[inline(always)]
    fn plus(self, y: f64) -> f64 {
        self.high + (self.low + y)
    }
}

/// Arc tangent of a number from 0 to 1.
#[inline(always)]
fn small_atan<S: Simd>(t: f32) -> f32 {
    // (atan(t) / t - 1) / t^2 by t^2, error 2.9e-9 of the result.
    let series = [
        -1.795_939e-3,
        1.091_762_7e-2,
        -3.116_935_1e-2,
        5.793_503e-2,
        -8.401_376e-2,
        1.095_126_7e-1,
        -1.426_404_3e-1,
        1.999_853e-1,
        -3.333_33e-1,
    ];
    let square = t * t;
    S::fma32(poly32::<S, 9>(square, series) * square, t, t)
}

/// The same in float64.
#[inline(always)]
fn small_atan64<S: Simd>(t: f64) -> f64 {
    // Error 1.2e-19 of the result.
    let series = [
        5.675_279_172_282_299e-6,
        -7.093_963_525_806_941e-5,
        4.222_982_220_847_694_5e-4,
        -1.599_845_407_699_396_7e-3,
        4.357_325_935_816_818e-3,
        -9.164_231_720_524_505e-3,
        1.567_218_835_294_068_7e-2,
        -2.276_782_578_702_817_4e-2,
        2.927_517_504_130_320_4e-2,
        -3.465_060_934_554_716e-2,
        3.909_671_640_515_366e-2,
        -4.319_891_456_166_341_5e-2,
        4.754_930_951_880_592e-2,
        -5.261_772_604_500_961e-2,
        5.882_137_907_553_764e-2,
        -6.666_641_185_232_053e-2,
        7.692_305_457_666_361e-2,
        -9.090_908_951_941_981e-2,
        1.111_111_110_534_866_6e-1,
        -1.428_571_428_556_943e-1,
        1.999_999_999_999_813e-1,
        -3.333_333_333_333_332_6e-1,
    ];
    let square = t * t;
    S::fma64(poly64::<S, 22>(square, series) * square, t, t)
}

/// Defines the arc tangent and the angle of the point `(x, y)` for a type, by its arc tangent of what is from 0 to 1.
macro_rules! tangents {
    ($t:ident: $atan:ident, $atan2:ident by $small_atan:ident) => {
        /// Arc tangent.
        #[inline(always)]
        #[must_use]
        pub fn $atan<S: Simd>(x: $t) -> $t {
            let size = x.abs();
            let steep = size > 1.0;
            let (small, large) = if steep { (1.0, size) } else { (size, 1.0) };
            let y = $small_atan::<S>(small / large);
            (if steep { Parts::<$t>::RIGHT.plus(-y) } else { y }).copysign(x)
        }

        /// Angle of the point `(x, y)`.
        #[inline(always)]
        #[must_use]
        pub fn $atan2<S: Simd>(y: $t, x: $t) -> $t {
            let (height, width) = (y.abs(), x.abs());
            let steep = height > width;
            let (small, large) = if steep { (width, height) } else { (height, width) };
            // Both zero or both infinite.
            let equal = if large == 0.0 { 0.0 } else { 1.0 };
            let part = $small_atan::<S>(if small == large { equal } else { small / large });
            let behind = x.is_sign_negative();
            let flat = if behind { Parts::<$t>::STRAIGHT } else { Parts::<$t>::ZERO };
            let origin = if steep { Parts::<$t>::RIGHT } else { flat };
            let angle = origin.plus(if steep == behind { part } else { -part }).copysign(y);
            if x.is_nan() || y.is_nan() { x + y } else { angle }
        }
    };
}
tangents!(f32: atan, atan2 by small_atan);
tangents!(f64: atan64, atan2_64 by small_atan64);

/// Up to here the series is of the number itself: so far that twice the angle of its counterpart stays below 1.
const NEAR: f32 = 0.55;

/// Arc sine of a `size` up to [`NEAR`]; else of its counterpart `sqrt((1 - size) / 2)`, which is half of the complement, NaN
/// above 1.
#[inline(always)]
fn half_asin<S: Simd>(size: f32, near: bool) -> f32 {
    // The difference is exact: of numbers that are less than twice one another.
    let square = if near { size * size } else { (1.0 - size) * 0.5 };
    let x = if near { size } else { square.sqrt() };
    // (asin(x) / x - 1) / x^2 by x^2, error 1.3e-9 of the result.
    let series = [4.530_092_7e-2, 8.573_889e-3, 3.344_403_2e-2, 4.431_096e-2, 7.501_627e-2, 1.666_664e-1];
    S::fma32(poly32::<S, 6>(square, series) * square, x, x)
}

/// Arc sine.
#[inline(always)]
#[must_use]
pub fn asin<S: Simd>(x: f32) -> f32 {
    let size = x.abs();
    let near = size <= NEAR;
    let y = half_asin::<S>(size, near);
    (if near { y } else { Parts::<f32>::RIGHT.plus(-2.0 * y) }).copysign(x)
}

/// Arc cosine.
#[inline(always)]
#[must_use]
pub fn acos<S: Simd>(x: f32) -> f32 {
    let size = x.abs();
    let near = size <= NEAR;
    let y = half_asin::<S>(size, near);
    let large = if x < 0.0 { Parts::<f32>::STRAIGHT.plus(-2.0 * y) } else { 2.0 * y };
    if near { Parts::<f32>::RIGHT.plus(-y.copysign(x)) } else { large }
}
