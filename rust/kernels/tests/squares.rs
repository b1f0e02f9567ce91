//! Variances and lengths of rows against float64, and the same bits for any number of threads.

#![allow(clippy::cast_precision_loss, reason = "references are plain formulas over small numbers")]

mod support;

use dlcore_kernels::element::Float;
use dlcore_kernels::reduce::{deviation, length, variance};
use support::{assert_close, assert_same_bits, bits, numbers, widen};

fn check<T: Float>(tolerance: f64) {
    for (rows, cols) in [(1, 1), (3, 2), (5, 17), (7, 1000), (1, 70_000), (2, 300_001), (900, 64)] {
        let x = numbers::<T>(rows * cols, 3);
        let mut found = vec![T::ZERO; rows];
        variance(&x, cols, cols as f64, &mut found);
        let wide = widen(&x);
        let expected = wide.chunks(cols).map(|row| {
            let mean = row.iter().sum::<f64>() / cols as f64;
            row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / cols as f64
        });
        assert_close(&found, &expected.collect::<Vec<_>>(), tolerance);
        length(&x, cols, &mut found);
        let expected = wide.chunks(cols).map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt());
        assert_close(&found, &expected.collect::<Vec<_>>(), tolerance * (cols as f64).sqrt());
    }
}

#[test]
fn matches_float64() {
    check::<f32>(2e-6);
    check::<f64>(1e-14);
}

#[test]
fn a_mean_far_from_zero_costs_nothing() {
    // The mean of so many is no float32: what it is rounded by must not count as deviation.
    let x: Vec<f32> = (0..300_000).map(|i| if i % 3 == 0 { 10_000.0 } else { 10_000.001 }).collect();
    let mut found = [0.0];
    variance(&x, x.len(), x.len() as f64, &mut found);
    let step = f64::from(10_000.001_f32) - 10_000.0;
    let expected = step * step * 2.0 / 9.0;
    assert!((f64::from(found[0]) / expected - 1.0).abs() < 1e-3, "{} is not {expected}", found[0]);
}

#[test]
fn what_is_nothing_or_no_number() {
    let mut found = [1.0_f32; 2];
    variance(&[], 0, 0.0, &mut found);
    assert!(found.iter().all(|x| x.is_nan()));
    length(&[], 0, &mut found);
    assert!(found.iter().all(|&x| x == 0.0));
    variance(&[f32::INFINITY, 1.0, f32::NAN, 1.0], 2, 2.0, &mut found);
    assert!(found.iter().all(|x| x.is_nan()));
    length(&[f32::INFINITY, 1.0, f32::NAN, 1.0], 2, &mut found);
    assert!(found[0].is_infinite() && found[1].is_nan());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (rows, cols) in [(1, 400_000), (3000, 70)] {
        let x = numbers::<f32>(rows * cols, 4);
        assert_same_bits(|| {
            let [mut a, mut b] = [vec![0.0; rows], vec![0.0; rows]];
            variance(&x, cols, cols as f64, &mut a);
            length(&x, cols, &mut b);
            [bits(&a), bits(&b)]
        });
    }
}

#[test]
#[allow(clippy::cast_possible_truncation, reason = "rounds")]
fn roots_where_squares_are_no_float32() {
    for factor in [1e30, 1e-30, 1e-42] {
        let x: Vec<f32> = [1.0, -1.0, 0.5, 0.0].map(|x: f64| (x * factor) as f32).to_vec();
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let mean = wide.iter().sum::<f64>() / 4.0;
        let mut found = [f32::NAN];
        deviation(&x, 4, 3.0, &mut found);
        let expected = (wide.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
        assert!((f64::from(found[0]) - expected).abs() <= 1e-6 * expected + 1e-45, "{found:?} {expected}");
        length(&x, 4, &mut found);
        let expected = wide.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((f64::from(found[0]) - expected).abs() <= 1e-6 * expected + 1e-45, "{found:?} {expected}");
    }
    let mut found = [0.0; 3];
    deviation(&[f32::INFINITY, 1.0, f32::NAN, 1.0, 3.0, 3.0], 2, 1.0, &mut found);
    assert!(found[0].is_nan() && found[1].is_nan());
    assert_eq!(found[2].to_bits(), 0.0f32.to_bits());
}
