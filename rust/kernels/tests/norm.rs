//! Layer and batch normalisation against float64 references.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::many_single_char_names,
    clippy::needless_for_each,
    reason = "references are plain formulas over small numbers"
)]

mod support;

use dlcore_kernels::element::Float;
use dlcore_kernels::half::{Bf16, F16};
use dlcore_kernels::norm::{batch, layer, rms};
use dlcore_kernels::stored::Stored;
use support::{assert_close, assert_rounded, assert_same_bits, bits, halves, numbers, wide, widen};

/// Normalises the numbers at `members` of `x`: mean, biased variance, results before scale and shift.
fn normalised(x: &[f64], eps: f64) -> (f64, f64, Vec<f64>) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let rstd = 1.0 / (variance + eps).sqrt();
    (mean, variance, x.iter().map(|x| (x - mean) * rstd).collect())
}

/// Gradient of `x` through [`normalised`] for the gradient `h` of its results.
fn pulled_back(x: &[f64], h: &[f64], eps: f64) -> Vec<f64> {
    let n = x.len() as f64;
    let (_, variance, z) = normalised(x, eps);
    let rstd = 1.0 / (variance + eps).sqrt();
    let average = h.iter().sum::<f64>() / n;
    let slope = h.iter().zip(&z).map(|(h, z)| h * z).sum::<f64>() / n;
    h.iter().zip(&z).map(|(h, z)| rstd * (h - average - z * slope)).collect()
}

fn check_rms<T: Float>(tolerance: f64) {
    for (rows, cols) in [(0, 4), (3, 0), (1, 1), (7, 33), (129, 64), (3, 4099)] {
        let [x, g] = [1, 2].map(|seed| numbers::<T>(rows * cols, seed));
        let w = numbers::<T>(cols, 3);
        for weight in [Some(&w[..]), None] {
            let (mut y, mut factors) = (vec![T::NAN; x.len()], vec![T::NAN; rows]);
            rms::forward(&x, cols, weight, 1e-5, &mut y, &mut factors);
            let (mut gx, mut gweight) = (vec![T::NAN; x.len()], vec![T::NAN; cols]);
            rms::backward(&g, &x, cols, &factors, weight, &mut gx, Some(&mut gweight));
            let mut expected = vec![0.0; cols];
            for row in (0..rows).filter(|_| cols > 0) {
                let at = row * cols..(row + 1) * cols;
                let (x, g) = (widen(&x[at.clone()]), widen(&g[at.clone()]));
                let scale = |col: usize| weight.map_or(1.0, |w| w[col].to_f64());
                let n = cols as f64;
                let factor = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / n + 1e-5).sqrt();
                let out: Vec<f64> = (0..cols).map(|col| x[col] * factor * scale(col)).collect();
                assert_close(&y[at.clone()], &out, tolerance);
                let dot = (0..cols).map(|col| g[col] * scale(col) * x[col]).sum::<f64>() / n;
                let back = (0..cols).map(|col| factor * (g[col] * scale(col) - x[col] * factor * factor * dot));
                assert_close(&gx[at], &back.collect::<Vec<_>>(), tolerance);
                (0..cols).for_each(|col| expected[col] += g[col] * x[col] * factor);
            }
            if cols > 0 {
                assert_close(&gweight, &expected, 10.0 * tolerance);
            }
        }
    }
}

#[test]
fn rms_norm_matches_float64() {
    check_rms::<f32>(1e-5);
    check_rms::<f64>(1e-13);
}

fn check_layer<T: Float>(tolerance: f64) {
    for (rows, cols) in [(0, 4), (3, 0), (1, 1), (2, 3), (7, 33), (129, 64), (3, 4099), (100, 7)] {
        let x: Vec<T> = numbers::<T>(rows * cols, 1).iter().map(|&x| x + T::from_f64(3.0)).collect();
        let (g, w, b) = (numbers::<T>(rows * cols, 2), numbers::<T>(cols, 3), numbers::<T>(cols, 4));
        for (weight, bias) in [(Some(&w), Some(&b)), (Some(&w), None), (None, Some(&b)), (None, None)] {
            let (weight, bias) = (weight.map(|w| &w[..]), bias.map(|b| &b[..]));
            let (mut y, mut mean, mut rstd) = (vec![T::NAN; x.len()], vec![T::NAN; rows], vec![T::NAN; rows]);
            layer::forward(&x, cols, weight, bias, 1e-5, &mut y, &mut mean, &mut rstd);
            let mut gx = vec![T::NAN; x.len()];
            let (mut gweight, mut gbias) = (vec![T::NAN; cols], vec![T::NAN; cols]);
            layer::backward(&g, &x, cols, &mean, &rstd, weight, &mut gx, Some(&mut gweight), Some(&mut gbias));
            let mut alone = vec![T::NAN; x.len()];
            layer::backward(&g, &x, cols, &mean, &rstd, weight, &mut alone, None, None);
            assert_eq!(bits(&gx), bits(&alone));
            if cols == 0 {
                continue;
            }
            let (mut expected_w, mut expected_b) = (vec![0.0; cols], vec![0.0; cols]);
            for row in 0..rows {
                let at = row * cols..(row + 1) * cols;
                let (wide, wide_g) = (widen(&x[at.clone()]), widen(&g[at.clone()]));
                let (center, variance, z) = normalised(&wide, 1e-5);
                let scale = |col: usize| weight.map_or(1.0, |w| w[col].to_f64());
                let shift = |col: usize| bias.map_or(0.0, |b| b[col].to_f64());
                let expected: Vec<f64> = (0..cols).map(|col| z[col] * scale(col) + shift(col)).collect();
                assert_close(&y[at.clone()], &expected, tolerance);
                assert_close(&[mean[row], rstd[row]], &[center, 1.0 / (variance + 1e-5).sqrt()], tolerance);
                let h: Vec<f64> = (0..cols).map(|col| wide_g[col] * scale(col)).collect();
                assert_close(&gx[at], &pulled_back(&wide, &h, 1e-5), tolerance);
                for col in 0..cols {
                    expected_w[col] += wide_g[col] * z[col];
                    expected_b[col] += wide_g[col];
                }
            }
            assert_close(&gweight, &expected_w, tolerance * 10.0);
            assert_close(&gbias, &expected_b, tolerance * 10.0);
        }
    }
}

#[test]
fn layer_norm_matches_float64() {
    check_layer::<f32>(5e-6);
    check_layer::<f64>(1e-12);
}

#[test]
fn layer_norm_survives_a_large_mean() {
    let x: Vec<f32> = (0..64u8).map(|i| 1e4 + f32::from(i)).collect();
    let (mut y, mut mean, mut rstd) = (vec![0.0; 64], [0.0], [0.0]);
    layer::forward(&x, 64, None, None, 1e-5, &mut y, &mut mean, &mut rstd);
    assert_close(&y, &normalised(&widen(&x), 1e-5).2, 1e-6);
    let (mut y, mut mean, mut rstd) = (vec![0.0; 3], [0.0], [0.0]);
    layer::forward(&[1.0, f32::NAN, 2.0], 3, None, None, 1e-5, &mut y, &mut mean, &mut rstd);
    assert!(y.iter().all(|y| y.is_nan()));
}

/// The numbers of one channel, sample after sample.
fn channel<T: Float>(x: &[T], shape: batch::Shape, channel: usize) -> Vec<f64> {
    let plane = |sample: usize| (sample * shape.channels + channel) * shape.plane;
    (0..shape.batch).flat_map(|sample| widen(&x[plane(sample)..][..shape.plane])).collect()
}

const SHAPES: [(usize, usize, usize); 11] = [
    (4, 3, 1),
    (33, 300, 1),
    (5, 7, 4),
    (3, 70, 31),
    (2, 5, 32),
    (7, 3, 49),
    (2, 2, 5000),
    (1, 1, 2),
    (3, 0, 4),
    (64, 17, 9),
    // So large that results go past the caches, in planes that begin anywhere in a line.
    (3, 2, 400_001),
];

fn check_batch<T: Float>(tolerance: f64) {
    for (batch, channels, plane) in SHAPES {
        let shape = batch::Shape { batch, channels, plane };
        let x: Vec<T> = numbers::<T>(shape.numel(), 1).iter().map(|&x| x - T::from_f64(4.0)).collect();
        let (g, w, b) = (numbers::<T>(x.len(), 2), numbers::<T>(channels, 3), numbers::<T>(channels, 4));
        let affine = batch::Affine { weight: Some(&w[..]), bias: Some(&b[..]) };
        let mut y = vec![T::NAN; x.len()];
        let (mut mean, mut variance, mut rstd) =
            (vec![T::NAN; channels], vec![T::NAN; channels], vec![T::NAN; channels]);
        let mut saved = batch::Statistics { mean: &mut mean, variance: &mut variance, rstd: &mut rstd };
        batch::forward(shape, &x, affine, 1e-3, &mut y, &mut saved);
        let (mut again, mut gx) = (vec![T::NAN; x.len()], vec![T::NAN; x.len()]);
        batch::inference(shape, &x, affine, &mean, &rstd, &mut again);
        assert_eq!(bits(&y), bits(&again));
        let (mut gweight, mut gbias) = (vec![T::NAN; channels], vec![T::NAN; channels]);
        let mut saved = batch::Saved { g: &g, x: &x, mean: &mean, rstd: &rstd, weight: Some(&w), training: true };
        batch::backward(shape, saved, &mut gx, &mut gweight, &mut gbias);
        saved.training = false;
        let mut fixed = vec![T::NAN; x.len()];
        batch::backward(shape, saved, &mut fixed, &mut gweight, &mut gbias);
        for c in 0..channels {
            let (wide, wide_g) = (channel(&x, shape, c), channel(&g, shape, c));
            let (center, spread, z) = normalised(&wide, 1e-3);
            let (scale, shift) = (w[c].to_f64(), b[c].to_f64());
            assert_close(&[mean[c], variance[c]], &[center, spread], tolerance);
            let got = |values: &[T]| channel(values, shape, c);
            assert_close(&got(&y), &z.iter().map(|z| z * scale + shift).collect::<Vec<_>>(), tolerance);
            let h: Vec<f64> = wide_g.iter().map(|g| g * scale).collect();
            assert_close(&got(&gx), &pulled_back(&wide, &h, 1e-3), tolerance * 10.0);
            let constant: Vec<f64> = h.iter().map(|h| h / (spread + 1e-3).sqrt()).collect();
            assert_close(&got(&fixed), &constant, tolerance);
            let dot = wide_g.iter().zip(&z).map(|(g, z)| g * z).sum();
            assert_close(&[gweight[c], gbias[c]], &[dot, wide_g.iter().sum()], tolerance * 10.0);
        }
    }
}

#[test]
fn batch_norm_matches_float64() {
    check_batch::<f32>(5e-6);
    check_batch::<f64>(1e-12);
}

/// Rows shorter and longer than the pieces that are converted together.
const OF_HALVES: [(usize, usize); 8] = [(0, 4), (3, 0), (1, 1), (7, 33), (300, 16), (129, 64), (3, 2049), (2, 4099)];

fn check_halves<K: Stored<Value = f32>>() {
    for (rows, cols) in OF_HALVES {
        let (x, g) = (halves::<K>(rows * cols, 1), halves::<K>(rows * cols, 2));
        let (wide_x, wide_g) = (wide(&x), wide(&g));
        let (w, b) = (numbers::<f32>(cols, 3), numbers::<f32>(cols, 4));
        for (weight, bias) in [(Some(&w[..]), Some(&b[..])), (Some(&w[..]), None), (None, None)] {
            let (mut y, mut gx) = (x.clone(), x.clone());
            let (mut expected, mut expected_x) = (wide_x.clone(), wide_x.clone());
            let [mut mean, mut rstd, mut expected_mean, mut expected_rstd] = [0; 4].map(|_| vec![f32::NAN; rows]);
            let [mut gw, mut gb, mut expected_w, mut expected_b] = [0; 4].map(|_| vec![f32::NAN; cols]);
            layer::forward(&x, cols, weight, bias, 1e-5, &mut y, &mut mean, &mut rstd);
            layer::forward(&wide_x, cols, weight, bias, 1e-5, &mut expected, &mut expected_mean, &mut expected_rstd);
            assert_rounded(&y, &expected);
            assert_eq!([bits(&mean), bits(&rstd)], [bits(&expected_mean), bits(&expected_rstd)]);
            layer::backward(&g, &x, cols, &mean, &rstd, weight, &mut gx, Some(&mut gw), Some(&mut gb));
            let (parameters, gx_wide) = ((Some(&mut expected_w[..]), Some(&mut expected_b[..])), &mut expected_x);
            layer::backward(&wide_g, &wide_x, cols, &mean, &rstd, weight, gx_wide, parameters.0, parameters.1);
            assert_rounded(&gx, &expected_x);
            assert_eq!([bits(&gw), bits(&gb)], [bits(&expected_w), bits(&expected_b)]);

            rms::forward(&x, cols, weight, 1e-5, &mut y, &mut rstd);
            rms::forward(&wide_x, cols, weight, 1e-5, &mut expected, &mut expected_rstd);
            assert_rounded(&y, &expected);
            assert_eq!(bits(&rstd), bits(&expected_rstd));
            rms::backward(&g, &x, cols, &rstd, weight, &mut gx, Some(&mut gw));
            rms::backward(&wide_g, &wide_x, cols, &rstd, weight, &mut expected_x, Some(&mut expected_w));
            assert_rounded(&gx, &expected_x);
            assert_eq!(bits(&gw), bits(&expected_w));
        }
    }
}

#[test]
fn rows_of_16_bits_are_those_of_float32_rounded_once() {
    check_halves::<Bf16>();
    check_halves::<F16>();
}

#[test]
fn rows_of_16_bits_do_not_depend_on_threads() {
    let (rows, cols) = (1000, 133);
    let [x, g] = [1, 2].map(|seed| numbers::<f32>(rows * cols, seed).into_iter().map(Bf16::store).collect::<Vec<_>>());
    assert_same_bits(|| {
        let (mut y, mut gx) = (x.clone(), x.clone());
        let [mut mean, mut rstd] = [0; 2].map(|_| vec![0.0; rows]);
        let [mut gw, mut gb] = [0; 2].map(|_| vec![0.0; cols]);
        layer::forward(&x, cols, None, None, 1e-5, &mut y, &mut mean, &mut rstd);
        layer::backward(&g, &x, cols, &mean, &rstd, None, &mut gx, Some(&mut gw), Some(&mut gb));
        [bits(&wide(&y)), bits(&wide(&gx)), bits(&gw), bits(&gb)]
    });
}

#[test]
fn batch_norm_survives_samples_far_apart() {
    let shape = batch::Shape { batch: 40, channels: 1, plane: 5000 };
    for far in [0, 1, 39] {
        let noise = numbers::<f32>(shape.numel(), 1);
        let x: Vec<f32> =
            noise.iter().enumerate().map(|(i, x)| if i / 5000 == far { 1e4 + x * 1e-2 } else { x * 1e-2 }).collect();
        let (mut y, mut mean, mut variance, mut rstd) = (vec![0.0; x.len()], [0.0], [0.0], [0.0]);
        let mut saved = batch::Statistics { mean: &mut mean, variance: &mut variance, rstd: &mut rstd };
        batch::forward(shape, &x, batch::Affine { weight: None, bias: None }, 1e-5, &mut y, &mut saved);
        let (center, spread, _) = normalised(&widen(&x), 1e-5);
        assert_close(&[mean[0] / 1e4, variance[0] / 1e8], &[center / 1e4, spread / 1e8], 1e-7);
    }
}

#[test]
fn running_statistics_take_the_unbiased_variance() {
    let (mut mean, mut variance) = ([1.0f32], [2.0f32]);
    batch::update_running(0.1, 5, &[3.0], &[4.0], &mut mean, &mut variance);
    assert_close(&[mean[0], variance[0]], &[1.2, 0.9 * 2.0 + 0.1 * 4.0 * 5.0 / 4.0], 1e-7);
}

#[test]
fn thread_counts_give_the_same_bits() {
    let x = numbers::<f32>(64 * 65 * 49, 1);
    let g = numbers::<f32>(x.len(), 2);
    assert_same_bits(|| {
        let (rows, cols) = (64 * 65, 49);
        let (mut y, mut gx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let (mut mean, mut rstd) = (vec![0.0; rows], vec![0.0; rows]);
        let (mut gweight, mut gbias) = (vec![0.0; cols], vec![0.0; cols]);
        layer::forward(&x, cols, None, None, 1e-5, &mut y, &mut mean, &mut rstd);
        layer::backward(&g, &x, cols, &mean, &rstd, None, &mut gx, Some(&mut gweight), Some(&mut gbias));
        [bits(&y), bits(&gx), bits(&gweight), bits(&gbias)]
    });
    for (channels, plane) in [(65, 49), (65 * 49, 1), (1, 65 * 49)] {
        assert_same_bits(|| {
            let shape = batch::Shape { batch: 64, channels, plane };
            let (mut y, mut gx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            let mut stats = [vec![0.0; channels], vec![0.0; channels], vec![0.0; channels]];
            let [mean, variance, rstd] = &mut stats;
            let affine = batch::Affine { weight: None, bias: None };
            batch::forward(shape, &x, affine, 1e-5, &mut y, &mut batch::Statistics { mean, variance, rstd });
            let (mut gweight, mut gbias) = (vec![0.0; channels], vec![0.0; channels]);
            let saved = batch::Saved { g: &g, x: &x, mean: &stats[0], rstd: &stats[2], weight: None, training: true };
            batch::backward(shape, saved, &mut gx, &mut gweight, &mut gbias);
            [bits(&y), bits(&gx), bits(&gweight), bits(&gbias)]
        });
    }
}
