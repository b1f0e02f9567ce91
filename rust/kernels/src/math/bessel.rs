//! Modified Bessel functions of the first kind, of orders 0 and 1, in float64 (Abramowitz and Stegun, 1964, 9.6.10 and
//! 9.7.1). The polynomials are minimax in the relative error.

use super::exp64;
use super::poly64;
use crate::isa::Simd;

/// Where the two polynomials of a function meet.
const BORDER: f64 = 8.0;

/// A function of order 0 or 1 as two polynomials: over `(x / 2)^order` by `x^2 / 4` up to [`BORDER`], and times `sqrt(x)`
/// over `exp(x)` from there on, by `2 BORDER / x - 1`.
struct Series<const N: usize, const F: usize> {
    near: [f64; N],
    far: [f64; F],
}

/// Order 0 for float32, relative error 1.3e-9.
const SHORT_0: Series<11, 7> = Series {
    near: [
        1.422_562_522_055_645e-13,
        5.220_018_134_233_891_4e-12,
        6.599_230_252_099_472e-10,
        3.886_506_452_847_782_3e-8,
        1.932_492_642_617_170_6e-6,
        6.942_960_731_729_819e-5,
        1.736_148_652_493_295_8e-3,
        2.777_772_557_056_755_8e-2,
        2.500_000_345_723_477e-1,
        9.999_999_918_700_5e-1,
        1.000_000_000_280_437_5,
    ],
    far: [
        1.089_421_623_532_592_8e-7,
        3.621_552_331_872_114e-7,
        1.475_625_010_421_457_3e-6,
        1.111_277_479_150_794e-5,
        1.362_174_070_777_323e-4,
        3.360_555_549_788_829_4e-3,
        4.021_765_093_996_027_6e-1,
    ],
};

/// Order 1 for float32, relative error 1.5e-9.
const SHORT_1: Series<11, 7> = Series {
    near: [
        1.251_435_551_816_907_9e-14,
        5.519_903_653_505_072e-13,
        7.242_158_335_212_264e-11,
        4.872_986_091_821_722e-9,
        2.759_250_391_352_021e-7,
        1.157_246_680_747_785_2e-5,
        3.472_266_442_200_751e-4,
        6.944_437_629_330_579e-3,
        8.333_333_846_200_339e-2,
        4.999_999_985_829_030_6e-1,
        1.000_000_000_060_05,
    ],
    far: [
        -1.237_470_983_327_583_4e-7,
        -4.204_847_887_043_519e-7,
        -1.824_077_382_269_697_6e-6,
        -1.500_464_162_587_138_7e-5,
        -2.192_377_861_501_767_8e-4,
        -9.749_581_206_909_644e-3,
        3.893_984_591_023_115e-1,
    ],
};

/// Order 0 for float64, relative error 6e-17.
const LONG_0: Series<15, 23> = Series {
    near: [
        2.125_936_487_731_841_7e-22,
        2.156_043_678_983_689_7e-20,
        4.483_484_353_248_47e-18,
        6.252_235_501_915_875e-16,
        7.597_160_248_774_023e-14,
        7.593_775_788_901_071e-12,
        6.151_205_511_210_888e-10,
        3.936_759_067_894_642e-8,
        1.929_012_371_226_6e-6,
        6.944_444_439_152_832e-5,
        1.736_111_111_180_216_1e-3,
        2.777_777_777_772_563e-2,
        2.500_000_000_000_196e-1,
        9.999_999_999_999_972e-1,
        1.0,
    ],
    far: [
        8.966_695_017_940_66e-11,
        3.945_689_226_413_640_6e-11,
        -6.425_525_815_655_545e-10,
        -2.965_474_398_156_398_4e-10,
        2.150_391_573_595_853_6e-9,
        1.140_578_899_391_902_6e-9,
        -4.517_171_278_576_215e-9,
        -3.178_096_477_506_3e-9,
        6.515_032_313_284_007e-9,
        7.368_494_494_106_909_6e-9,
        -5.015_968_975_603_304e-9,
        -1.334_141_506_656_426e-8,
        -6.856_216_901_491_666e-9,
        7.538_863_089_996_303e-9,
        2.156_755_929_004_049e-8,
        3.932_809_994_154_491e-8,
        8.872_020_242_098_496e-8,
        2.973_596_811_342_777_7e-7,
        1.483_847_672_684_485e-6,
        1.114_303_379_734_937_1e-5,
        1.362_160_743_896_985e-4,
        3.360_551_983_667_793_7e-3,
        4.021_765_094_450_081e-1,
    ],
};

/// Order 1 for float64, relative error 3e-17.
const LONG_1: Series<15, 23> = Series {
    near: [
        1.390_112_851_561_683_6e-23,
        1.568_333_716_109_097_8e-21,
        3.435_748_683_698_512_4e-19,
        5.213_737_053_012_573e-17,
        6.905_886_928_912_296e-15,
        7.593_850_376_939_963e-13,
        6.834_666_565_951_408e-11,
        4.920_949_197_876_733_5e-9,
        2.755_731_944_254_090_3e-7,
        1.157_407_406_923_713_8e-5,
        3.472_222_222_290_483e-4,
        6.944_444_444_438_798e-3,
        8.333_333_333_333_57e-2,
        4.999_999_999_999_996e-1,
        1.0,
    ],
    far: [
        -9.338_801_532_114_178e-11,
        -3.686_769_933_147_566e-11,
        6.701_742_253_534_438e-10,
        2.798_434_157_476_613e-10,
        -2.248_889_579_185_143_4e-9,
        -1.095_403_455_467_657_7e-9,
        4.750_304_754_557_471e-9,
        3.130_784_453_145_814_6e-9,
        -6.937_356_998_637_621e-9,
        -7.477_213_504_307_258e-9,
        5.570_612_727_607_309e-9,
        1.397_394_943_463_809_3e-8,
        6.847_190_324_598_262e-9,
        -8.413_699_829_233_155e-9,
        -2.339_383_986_801_253_6e-8,
        -4.313_117_165_956_774_4e-8,
        -1.000_108_127_342_696_5e-7,
        -3.483_854_199_568_000_7e-7,
        -1.834_910_243_543_719_3e-6,
        -1.503_854_720_617_131_3e-5,
        -2.192_357_638_315_749e-4,
        -9.749_577_193_235_678e-3,
        3.893_984_590_258_723_3e-1,
    ],
};

impl<const N: usize, const F: usize> Series<N, F> {
    /// The polynomial for small sizes, whose terms are all positive.
    #[inline(always)]
    fn near<S: Simd>(&self, size: f64) -> f64 {
        let half = 0.5 * size;
        poly64::<S, N>(half * half, self.near)
    }

    /// The function over `exp(size)` for large sizes.
    #[inline(always)]
    fn far<S: Simd>(&self, size: f64) -> f64 {
        poly64::<S, F>(2.0 * BORDER / size - 1.0, self.far) / size.sqrt()
    }

    /// The function of order 0, or 1 where `factor` is half the size.
    #[inline(always)]
    fn value<S: Simd>(&self, size: f64, factor: f64) -> f64 {
        // It is infinite well before, and no infinity times zero.
        let size = if size > 1e3 { 1e3 } else { size };
        // By halves, as the exponential alone overflows first.
        let half = exp64::<S>(0.5 * size);
        let far = self.far::<S>(size) * half * half;
        if size > BORDER { far } else { factor * self.near::<S>(size) }
    }

    /// The same over `exp(size)`.
    #[inline(always)]
    fn scaled<S: Simd>(&self, size: f64, factor: f64) -> f64 {
        let near = factor * self.near::<S>(size) * exp64::<S>(-size);
        if size > BORDER { self.far::<S>(size) } else { near }
    }
}

/// Defines the four functions for a type, in float64 inside.
macro_rules! functions {
    ($t:ident, $zero:ident, $one:ident; $i0:ident, $i0e:ident, $i1:ident, $i1e:ident) => {
        /// The function of order 0.
        #[inline(always)]
        #[must_use]
        pub fn $i0<S: Simd>(x: $t) -> $t {
            $zero.value::<S>(f64::from(x).abs(), 1.0) as $t
        }

        /// The function of order 0 over `exp(|x|)`.
        #[inline(always)]
        #[must_use]
        pub fn $i0e<S: Simd>(x: $t) -> $t {
            $zero.scaled::<S>(f64::from(x).abs(), 1.0) as $t
        }

        /// The function of order 1.
        #[inline(always)]
        #[must_use]
        pub fn $i1<S: Simd>(x: $t) -> $t {
            let size = f64::from(x).abs();
            ($one.value::<S>(size, 0.5 * size) as $t).copysign(x)
        }

        /// The function of order 1 over `exp(|x|)`.
        #[inline(always)]
        #[must_use]
        pub fn $i1e<S: Simd>(x: $t) -> $t {
            let size = f64::from(x).abs();
            ($one.scaled::<S>(size, 0.5 * size) as $t).copysign(x)
        }
    };
}
functions!(f32, SHORT_0, SHORT_1; i0, i0e, i1, i1e);
functions!(f64, LONG_0, LONG_1; i0_64, i0e_64, i1_64, i1e_64);
