//! Softmax family and cross entropy against float64 references.

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

use dlcore_kernels::cross_entropy::{CrossEntropy, RowScale, first_bad_target, total_loss};
use dlcore_kernels::element::Float;
use dlcore_kernels::half::{Bf16, F16};
use dlcore_kernels::softmax::{log_softmax, log_softmax_backward, logsumexp, softmax, softmax_backward};
use dlcore_kernels::stored::Stored;
use support::{assert_close, assert_rounded, assert_same_bits, bits, halves, numbers, wide, widen};

const SHAPES: [(usize, usize); 9] = [(0, 3), (3, 0), (1, 1), (3, 7), (7, 10), (5, 33), (2, 64), (4, 131), (3, 5003)];

fn log_probabilities(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let rest = row.iter().map(|x| (x - most).exp()).sum::<f64>().ln();
    row.iter().map(|x| x - most - rest).collect()
}

fn by_rows(x: &[f64], cols: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    x.chunks(cols.max(1)).flat_map(f).collect()
}

fn check_halves<K: Stored<Value = f32>>() {
    for (rows, cols) in SHAPES.into_iter().chain([(700, 10), (300, 16), (9, 1000)]) {
        let (x, g) = (halves::<K>(rows * cols, 1), halves::<K>(rows * cols, 2));
        let (wide_x, wide_g) = (wide(&x), wide(&g));
        let (mut y, mut gx, mut expected) = (x.clone(), x.clone(), wide_x.clone());
        softmax(&x, cols, &mut y);
        softmax(&wide_x, cols, &mut expected);
        assert_rounded(&y, &expected);
        softmax_backward(&g, &y, cols, &mut gx);
        softmax_backward(&wide_g, &wide(&y), cols, &mut expected);
        assert_rounded(&gx, &expected);
        log_softmax(&x, cols, &mut y);
        log_softmax(&wide_x, cols, &mut expected);
        assert_rounded(&y, &expected);
        log_softmax_backward(&g, &y, cols, &mut gx);
        log_softmax_backward(&wide_g, &wide(&y), cols, &mut expected);
        assert_rounded(&gx, &expected);
    }
}

#[test]
fn rows_of_16_bits_are_those_of_float32_rounded_once() {
    check_halves::<Bf16>();
    check_halves::<F16>();
}

fn check<T: Float>(tolerance: f64) {
    for (rows, cols) in SHAPES {
        let x = numbers::<T>(rows * cols, 1).iter().map(|&x| x * T::from_f64(5.0)).collect::<Vec<_>>();
        let g = numbers::<T>(rows * cols, 2);
        let (wide_x, wide_g) = (widen(&x), widen(&g));
        let mut y = vec![T::NAN; x.len()];
        let mut gx = y.clone();

        log_softmax(&x, cols, &mut y);
        let logs = by_rows(&wide_x, cols, log_probabilities);
        assert_close(&y, &logs, tolerance);
        log_softmax_backward(&g, &y, cols, &mut gx);
        let expected = logs.chunks(cols.max(1)).zip(wide_g.chunks(cols.max(1))).flat_map(|(y, g)| {
            let total: f64 = g.iter().sum();
            y.iter().zip(g).map(move |(y, g)| g - y.exp() * total)
        });
        assert_close(&gx, &expected.collect::<Vec<_>>(), 20.0 * tolerance);

        softmax(&x, cols, &mut y);
        let probabilities: Vec<f64> = logs.iter().map(|y| y.exp()).collect();
        assert_close(&y, &probabilities, tolerance);
        softmax_backward(&g, &y, cols, &mut gx);
        let expected = probabilities.chunks(cols.max(1)).zip(wide_g.chunks(cols.max(1))).flat_map(|(y, g)| {
            let dot: f64 = y.iter().zip(g).map(|(y, g)| y * g).sum();
            y.iter().zip(g).map(move |(y, g)| y * (g - dot))
        });
        assert_close(&gx, &expected.collect::<Vec<_>>(), tolerance);

        let mut sums = vec![T::NAN; rows];
        logsumexp(&x, cols, &mut sums);
        let expected = |row: usize| wide_x[row * cols..][..cols].iter().map(|x| x.exp()).sum::<f64>().ln();
        assert_close(&sums, &(0..rows).map(expected).collect::<Vec<_>>(), tolerance);
    }
}

#[test]
fn matches_float64() {
    check::<f32>(1e-6);
    check::<f64>(1e-14);
}

#[test]
fn infinities_and_nan_are_those_of_pytorch() {
    let inf = f32::INFINITY;
    let x = [-inf, -inf, 0.0, inf, 1.0, f32::NAN, -inf, 0.0];
    let mut y = [0.0; 8];
    softmax(&x, 2, &mut y);
    assert_close(&y, &[f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, 0.0, 1.0], 0.0);
    log_softmax(&x, 2, &mut y);
    assert_close(&y, &[f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NEG_INFINITY, 0.0], 0.0);
    let mut sums = [0.0; 4];
    logsumexp(&x, 2, &mut sums);
    assert_close(&sums, &[f64::NEG_INFINITY, f64::INFINITY, f64::NAN, 0.0], 0.0);
    let mut large = [0.0; 2];
    softmax(&[1e4f32, 1e4], 2, &mut large);
    assert_eq!(large, [0.5, 0.5]);
}

#[test]
fn thread_counts_give_the_same_bits() {
    let (rows, cols) = (1001, 129);
    let x = numbers::<f32>(rows * cols, 3);
    let targets: Vec<i64> = (0..1001).map(|row| row * 7 % 129).collect();
    assert_same_bits(|| {
        let mut y = vec![0.0; x.len()];
        softmax(&x, cols, &mut y);
        let (mut losses, mut saved, mut grad) = (vec![0.0; rows], vec![0.0; 2 * rows], vec![0.0; x.len()]);
        let with =
            CrossEntropy { targets: &targets, classes: cols, weight: None, ignore_index: -100, label_smoothing: 0.0 };
        with.forward(&x, &mut losses, &mut saved);
        with.backward(&x, &saved, RowScale::Uniform(0.5), &mut grad);
        let mut early = vec![0.0; x.len()];
        with.forward_and_gradient(&x, 0.5, &mut losses, &mut saved, &mut early);
        (bits(&y), bits(&losses), bits(&grad), bits(&early), total_loss(&losses).to_bits())
    });
}

/// Losses and gradient of `sum(scale * loss)`.
fn reference<T: Float>(
    with: &CrossEntropy<'_, T>,
    logits: &[f64],
    scale: impl Fn(usize) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let classes = with.classes;
    let weight = |class: usize| with.weight.map_or(1.0, |weight| weight[class].to_f64());
    let (mut losses, mut grad) = (vec![], vec![]);
    for (row, &target) in with.targets.iter().enumerate() {
        let logs = log_probabilities(&logits[row * classes..][..classes]);
        let share = |class: usize| {
            if target == with.ignore_index {
                return 0.0;
            }
            let hit = if class as i64 == target { (1.0 - with.label_smoothing) * weight(class) } else { 0.0 };
            hit + with.label_smoothing / classes as f64 * weight(class)
        };
        let total: f64 = (0..classes).map(share).sum();
        losses.push(-(0..classes).map(|class| share(class) * logs[class]).sum::<f64>());
        grad.extend((0..classes).map(|class| scale(row) * (logs[class].exp() * total - share(class))));
    }
    (losses, grad)
}

fn check_cross_entropy<T: Float>(tolerance: f64) {
    // The gradient of the last goes past the caches, in rows that begin anywhere in a line.
    for (rows, classes) in [(0, 3), (1, 1), (3, 2), (7, 10), (13, 33), (5, 1009), (400, 5_801)] {
        let logits = numbers::<T>(rows * classes, 5);
        let weight: Vec<T> = numbers::<T>(classes, 6).iter().map(|&w| w + T::from_f64(2.5)).collect();
        let targets: Vec<i64> =
            (0..rows).map(|row| if row % 5 == 3 { 2 } else { (row * 31 % classes) as i64 }).collect();
        let scales = numbers::<T>(rows, 7);
        for (weight, ignore_index, label_smoothing) in
            [(None, -100, 0.0), (Some(&weight[..]), -100, 0.0), (None, 2, 0.1), (Some(&weight[..]), 2, 0.3)]
        {
            let with = CrossEntropy { targets: &targets, classes, weight, ignore_index, label_smoothing };
            if first_bad_target(&targets, classes, ignore_index).is_some() {
                continue;
            }
            let (mut losses, mut saved) = (vec![T::NAN; rows], vec![T::NAN; 2 * rows]);
            with.forward(&logits, &mut losses, &mut saved);
            let (expected, grads) = reference(&with, &widen(&logits), |row| scales[row].to_f64());
            assert_close(&losses, &expected, tolerance);
            let mut grad = vec![T::NAN; logits.len()];
            with.backward(&logits, &saved, RowScale::PerRow(&scales), &mut grad);
            assert_close(&grad, &grads, tolerance);
            let uniform = reference(&with, &widen(&logits), |_| 0.7).1;
            with.backward(&logits, &saved, RowScale::Uniform(T::from_f64(0.7)), &mut grad);
            assert_close(&grad, &uniform, tolerance);
            let (mut again, mut saved_again) = (vec![T::NAN; rows], vec![T::NAN; 2 * rows]);
            grad.fill(T::NAN);
            with.forward_and_gradient(&logits, T::from_f64(0.7), &mut again, &mut saved_again, &mut grad);
            assert_close(&grad, &uniform, tolerance);
            assert_eq!((bits(&again), bits(&saved_again)), (bits(&losses), bits(&saved)));
        }
    }
}

#[test]
fn cross_entropy_matches_float64() {
    check_cross_entropy::<f32>(2e-6);
    check_cross_entropy::<f64>(1e-13);
}

#[test]
fn cross_entropy_known_values() {
    // torch.nn.functional.cross_entropy([[1., 2., 3.]], [2]) = 0.4076059644
    let with = CrossEntropy { targets: &[2], classes: 3, weight: None, ignore_index: -100, label_smoothing: 0.0 };
    let (mut loss, mut saved) = ([0.0], [0.0; 2]);
    with.forward(&[1.0, 2.0, 3.0], &mut loss, &mut saved);
    assert_close(&loss, &[0.407_605_964_444_380_1], 1e-15);
    // Far from zero, nothing is lost.
    with.forward(&[10_001.0, 10_002.0, 10_003.0], &mut loss, &mut saved);
    assert_close(&loss, &[0.407_605_964_444_380_1], 1e-12);
    // Everything ignored: no weight, no loss.
    let with =
        CrossEntropy { targets: &[1, 1], classes: 2, weight: Some(&[0.5, 2.0]), ignore_index: 1, label_smoothing: 0.1 };
    assert_eq!(with.total_weight(), 0.0);
    let with = CrossEntropy { targets: &[1, 0, 1], ignore_index: -100, ..with };
    assert_eq!(with.total_weight(), 4.5);
}

#[test]
fn bad_targets_are_found() {
    assert_eq!(first_bad_target(&[0, 1, -100, 2], 3, -100), None);
    assert_eq!(first_bad_target(&[0, 3, 7], 3, -100), Some(1));
    assert_eq!(first_bad_target(&[0, 2, -1], 3, -100), Some(2));
    assert_eq!(first_bad_target(&[i64::MIN], 3, 5), Some(0));
    assert_eq!(first_bad_target(&[5], 3, 5), None);
    assert_eq!(first_bad_target(&[], 0, 5), None);
}
