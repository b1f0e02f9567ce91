//! Data and comparisons that tests of row kernels share.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::many_single_char_names,
    clippy::needless_for_each,
    reason = "references are plain formulas over small numbers"
)]
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fmt::Debug;

use dlcore_kernels::element::{Element, Float};
use dlcore_kernels::parallel::set_num_threads;
use dlcore_kernels::stored::Stored;

/// `len` numbers between -2 and 2 that look random and differ between seeds.
pub fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX) * 4.0 - 2.0
    };
    (0..len).map(|_| T::from_f64(next())).collect()
}

/// Numbers of 16 bits as [`numbers`] are, with a NaN, an infinity and zeros among them.
pub fn halves<K: Stored<Value = f32>>(len: usize, seed: u64) -> Vec<K> {
    let mut values = numbers::<f32>(len, seed);
    for (at, special) in [(7, f32::NAN), (1000, f32::INFINITY), (2500, f32::NEG_INFINITY), (20, 0.0), (21, -0.0)] {
        if let Some(value) = values.get_mut(at) {
            *value = special;
        }
    }
    values.into_iter().map(K::store).collect()
}

/// What numbers of 16 bits are in float32.
pub fn wide<K: Stored<Value = f32>>(values: &[K]) -> Vec<f32> {
    values.iter().map(|x| x.load()).collect()
}

/// Asserts that `got` is `expected`, rounded once.
pub fn assert_rounded<K: Stored<Value = f32>>(got: &[K], expected: &[f32]) {
    let rounded = expected.iter().map(|&x| K::store(x).load()).collect::<Vec<_>>();
    assert_eq!(bits(&wide(got)), bits(&rounded));
}

/// The same numbers in float64.
pub fn widen<T: Element>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

/// Asserts that `got` is within `tolerance * (1 + |expected|)` of `expected`, and NaN or infinite where it is.
pub fn assert_close<T: Element>(got: &[T], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (index, (got, &expected)) in got.iter().zip(expected).enumerate() {
        let got = got.to_f64();
        let same = got.is_nan() && expected.is_nan() || got == expected;
        let close = (got - expected).abs() <= tolerance * (1.0 + expected.abs());
        assert!(same || close, "element {index}: got {got}, expected {expected}");
    }
}

/// Runs `make` with several thread counts and asserts that the results are the same bits.
pub fn assert_same_bits<R: PartialEq + Debug>(make: impl Fn() -> R) {
    let mut first = None;
    for threads in [1, 2, 3, 7] {
        set_num_threads(threads);
        let result = make();
        if let Some(first) = &first {
            assert!(*first == result, "{threads} threads give other bits than one");
        } else {
            first = Some(result);
        }
    }
}

/// The bits of each value, for comparisons in which NaN equals itself.
pub fn bits<T: Element>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.to_f64().to_bits()).collect()
}
