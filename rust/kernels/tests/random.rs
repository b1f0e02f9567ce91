//! Random numbers: independence of threads and of the draw's length, moments, ranges.

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

use dlcore_kernels::random::{
    Generator, RandomFloat, bernoulli, dropout, dropout_backward, integers, normal, permutation, uniform,
};
use support::{assert_same_bits, bits};

fn moments<T: RandomFloat>(values: &[T]) -> [f64; 4] {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| v.to_f64()).sum::<f64>() / n;
    let central = |p: i32| values.iter().map(|v| (v.to_f64() - mean).powi(p)).sum::<f64>() / n;
    let variance = central(2);
    [mean, variance, central(3) / variance.powf(1.5), central(4) / variance.powi(2)]
}

fn drawn<T: RandomFloat>(
    len: usize,
    seed: u64,
    draw: impl Fn(&mut Generator, T, T, &mut [T]),
    (a, b): (T, T),
) -> Vec<T> {
    let mut out = vec![T::ZERO; len];
    draw(&mut Generator::new(seed), a, b, &mut out);
    out
}

fn check_moments<T: RandomFloat>() {
    let n = 1 << 20;
    let [mean, variance, skew, kurtosis] = moments(&drawn(n, 1, normal::<T>, (T::ZERO, T::ONE)));
    assert!(mean.abs() < 4e-3 && (variance - 1.0).abs() < 6e-3 && skew.abs() < 1e-2 && (kurtosis - 3.0).abs() < 3e-2);
    let [mean, variance, skew, kurtosis] = moments(&drawn(n, 2, uniform::<T>, (T::ZERO, T::ONE)));
    assert!((mean - 0.5).abs() < 2e-3 && (variance - 1.0 / 12.0).abs() < 5e-4);
    assert!(skew.abs() < 1e-2 && (kurtosis - 1.8).abs() < 1e-2);
    let moved = drawn(n, 1, normal::<T>, (T::from_f64(3.0), T::from_f64(0.5)));
    let [mean, variance, ..] = moments(&moved);
    assert!((mean - 3.0).abs() < 3e-3 && (variance - 0.25).abs() < 2e-3);
}

#[test]
fn distributions_have_their_moments() {
    check_moments::<f32>();
    check_moments::<f64>();
}

#[test]
fn normal_matches_box_muller_in_float64() {
    // Words of blocks are not public: recover them from the raw uniforms of the same counters.
    let n = 64 * 50;
    let unit = drawn(n, 9, uniform::<f32>, (0.0, 1.0));
    let gauss = drawn(n, 9, normal::<f32>, (0.0, 1.0));
    let mut worst = 0.0f64;
    for block in 0..n / 64 {
        for pair in 0..2 {
            for lane in 0..16 {
                let at = block * 64 + pair * 32 + lane;
                // The uniforms keep 24 of 32 bits, so compare where that hardly matters.
                let (u, v) = (f64::from(unit[at]) + 0.5 / 16_777_216.0, f64::from(unit[at + 16]) + 0.5 / 16_777_216.0);
                if u > 0.01 {
                    let (radius, angle) = ((-2.0 * u.ln()).sqrt(), std::f64::consts::TAU * v);
                    worst = worst.max((radius * angle.cos() - f64::from(gauss[at])).abs());
                    worst = worst.max((radius * angle.sin() - f64::from(gauss[at + 16])).abs());
                }
            }
        }
    }
    assert!(worst < 3e-5, "{worst}");
}

#[test]
fn values_depend_on_seed_offset_and_index_alone() {
    for len in [0, 1, 3, 63, 64, 65, 1000] {
        let long = drawn(5000, 3, uniform::<f32>, (0.0, 1.0));
        assert_eq!(drawn(len, 3, uniform::<f32>, (0.0, 1.0)), long[..len]);
        let long = drawn(5000, 3, normal::<f64>, (0.0, 1.0));
        assert_eq!(drawn(len, 3, normal::<f64>, (0.0, 1.0)), long[..len]);
    }
    assert_ne!(drawn(10, 3, uniform::<f32>, (0.0, 1.0)), drawn(10, 4, uniform::<f32>, (0.0, 1.0)));
    assert_same_bits(|| bits(&drawn(1_000_003, 5, normal::<f32>, (0.0, 1.0))));
}

#[test]
fn a_draw_moves_the_generator_past_its_counters() {
    let mut generator = Generator::new(7);
    let mut first = [0.0f32; 65];
    uniform(&mut generator, 0.0, 1.0, &mut first);
    assert_eq!(generator, Generator { seed: 7, offset: 32 });
    let mut second = [0.0f32; 64];
    uniform(&mut generator, 0.0, 1.0, &mut second);
    let whole = drawn(192, 7, uniform::<f32>, (0.0, 1.0));
    assert_eq!(second, whole[128..]);
    uniform::<f32>(&mut generator, 0.0, 1.0, &mut []);
    assert_eq!(generator.offset, 48);
}

/// The first is Random123's first known answer.
const FIRST_UNIFORM: [f32; 3] = [0.399_046_42, 0.972_241_16, 0.019_449_413];
const FIRST_NORMAL: [f32; 3] = [0.991_137_56, -0.153_638_17, -1.186_357_9];

#[test]
fn the_first_numbers_never_change() {
    assert_eq!(drawn(3, 0, uniform::<f32>, (0.0, 1.0)), FIRST_UNIFORM);
    assert_eq!(drawn(3, 0, normal::<f32>, (0.0, 1.0)), FIRST_NORMAL);
}

#[test]
fn uniform_stays_below_its_upper_bound() {
    let close = 1.0f32.next_up();
    assert!(drawn(100_000, 1, uniform::<f32>, (1.0, close)).iter().all(|&v| v == 1.0));
    assert!(drawn(100_000, 1, uniform::<f32>, (-3.0, 5.0)).iter().all(|&v| (-3.0..5.0).contains(&v)));
    assert!(drawn(10, 1, uniform::<f64>, (2.0, 2.0)).iter().all(|&v| v == 2.0));
}

#[test]
fn integers_cover_their_range_evenly() {
    let mut out = vec![0; 700_000];
    integers(&mut Generator::new(1), -3, 4, &mut out);
    let mut counts = [0i32; 7];
    for value in out {
        counts[usize::try_from(value + 3).unwrap()] += 1;
    }
    assert!(counts.iter().all(|&count| (count - 100_000).abs() < 1500), "{counts:?}");
    let mut out = vec![0; 100];
    integers(&mut Generator::new(1), i64::MIN, i64::MAX, &mut out);
    assert!(out.iter().any(|&v| v < 0) && out.iter().any(|&v| v > 0));
    integers(&mut Generator::new(1), 5, 6, &mut out);
    assert!(out.iter().all(|&v| v == 5));
}

#[test]
fn bernoulli_is_exact_at_the_ends() {
    let mut out = vec![7; 100_000];
    bernoulli(&mut Generator::new(1), 0.0, &mut out);
    assert!(out.iter().all(|&v| v == 0));
    bernoulli(&mut Generator::new(1), 1.0, &mut out);
    assert!(out.iter().all(|&v| v == 1));
    bernoulli(&mut Generator::new(1), 0.3, &mut out);
    let ones: i64 = out.iter().map(|&v| i64::from(v)).sum();
    assert!((29_500..30_500).contains(&ones) && out.iter().all(|&v| v <= 1));
}

#[test]
fn a_permutation_has_every_number_once() {
    for len in [0, 1, 2, 5, 1000] {
        let mut out = vec![0; len];
        permutation(&mut Generator::new(3), &mut out);
        let mut sorted = out.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().zip(0..).all(|(&a, b)| a == b));
        assert!(len < 100 || out != sorted);
    }
    let mut counts = [0i32; 6];
    let mut generator = Generator::new(11);
    for _ in 0..6000 {
        let mut out = [0; 3];
        permutation(&mut generator, &mut out);
        counts[usize::try_from(out[0] * 2 + i64::from(out[1] > out[2])).unwrap()] += 1;
    }
    assert!(counts.iter().all(|&count| (count - 1000).abs() < 150), "{counts:?}");
}

#[test]
fn dropout_scales_what_it_keeps() {
    let x: Vec<f32> = (0..100_001).map(|i| f32::from(u8::try_from(i % 97).unwrap()) - 3.0).collect();
    let (mut y, mut mask) = (vec![0.0; x.len()], vec![0; x.len()]);
    dropout(&mut Generator::new(2), &x, 0.25, &mut y, &mut mask);
    let kept: i64 = mask.iter().map(|&m| i64::from(m)).sum();
    assert!((74_000..76_000).contains(&kept));
    for ((&x, &y), &mask) in x.iter().zip(&y).zip(&mask) {
        assert_eq!(y, if mask == 1 { x * (1.0 / 0.75) } else { 0.0 });
    }
    let mut gx = vec![0.0; x.len()];
    dropout_backward(&x, &mask, 0.25, &mut gx);
    assert_eq!(gx, y);
    let mut none = [1.0f64; 3];
    dropout(&mut Generator::new(2), &[1.0, 2.0, f64::NAN], 1.0, &mut none, &mut [0; 3]);
    assert!(none[0] == 0.0 && none[1] == 0.0 && none[2].is_nan());
    assert_same_bits(|| {
        let (mut y, mut mask) = (vec![0.0; x.len()], vec![0; x.len()]);
        dropout(&mut Generator::new(2), &x, 0.5, &mut y, &mut mask);
        (bits(&y), mask)
    });
}
