//! Resampling against plain sums over the runs that taps list, and against its adjoint.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "numbers made for tests"
)]

mod support;

use dlcore_kernels::half::{Bf16, F16};
use dlcore_kernels::resample::{Taps, resample};
use dlcore_kernels::stored::Stored;
use support::{assert_close, assert_rounded, assert_same_bits, bits, halves, numbers, wide, widen};

/// Runs of `len` elements, fewer at the end, evenly spread.
fn taps(inputs: usize, outputs: usize, len: usize) -> Taps {
    let mut taps = Taps::new(inputs);
    for n in 0..outputs {
        let first = n * inputs / outputs;
        taps.push(first, (first..(first + len).min(inputs)).map(|at| 1.0 / (1 + n % 3 + at) as f64));
    }
    taps
}

/// Rows of weights, a result each: what the map makes of unit vectors.
fn matrix(taps: &Taps, inputs: usize) -> Vec<f64> {
    let units: Vec<f64> = (0..inputs * inputs).map(|n| f64::from(u8::from(n / inputs == n % inputs))).collect();
    let mut columns = vec![0.0; inputs * taps.outputs()];
    resample(&units, 1, [inputs, inputs], [Some(taps), None], &mut columns);
    columns
}

const SHAPES: [([usize; 2], [usize; 2], usize); 8] = [
    ([1, 1], [1, 1], 1),
    ([3, 4], [7, 9], 2),
    ([9, 7], [4, 3], 3),
    ([40, 50], [80, 100], 2),
    ([97, 61], [33, 200], 4),
    ([70, 90], [5, 3], 25),
    ([5, 300], [11, 130], 7),
    ([1, 1000], [1, 2003], 1),
];

#[test]
fn planes_are_sums_over_rows_and_columns_and_their_adjoint_gives_them_back() {
    for (input, output, len) in SHAPES {
        for used in [[true, true], [true, false], [false, true], [false, false]] {
            let planes = 3;
            let all = [0, 1].map(|i| taps(input[i], output[i], len));
            let back = all.each_ref().map(Taps::transposed);
            let chosen = [0, 1].map(|i| used[i].then_some(&all[i]));
            let output = [0, 1].map(|i| if used[i] { output[i] } else { input[i] });
            let x = numbers::<f64>(planes * input[0] * input[1], 1);
            let mut y = vec![f64::NAN; planes * output[0] * output[1]];
            resample(&x, planes, input, chosen, &mut y);
            let identity = |n: usize| (0..n * n).map(|k| f64::from(u8::from(k / n == k % n))).collect::<Vec<_>>();
            let weights = [0, 1].map(|i| if used[i] { matrix(&all[i], input[i]) } else { identity(input[i]) });
            let mut expected = vec![];
            for plane in x.chunks_exact(input[0] * input[1]) {
                let half: Vec<f64> = (0..output[0] * input[1])
                    .map(|n| {
                        (0..input[0])
                            .map(|r| weights[0][n / input[1] * input[0] + r] * plane[r * input[1] + n % input[1]])
                            .sum()
                    })
                    .collect();
                for n in 0..output[0] * output[1] {
                    let (row, col) = (n / output[1], n % output[1]);
                    let terms = (0..input[1]).map(|c| weights[1][col * input[1] + c] * half[row * input[1] + c]);
                    expected.push(terms.sum());
                }
            }
            assert_close(&y, &expected, 1e-12);
            // <A x, g> = <x, A' g>
            let g = numbers::<f64>(y.len(), 2);
            let mut gx = vec![f64::NAN; x.len()];
            resample(&g, planes, output, [0, 1].map(|i| used[i].then_some(&back[i])), &mut gx);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            assert!((dot(&y, &g) - dot(&x, &gx)).abs() < 1e-9 * (1.0 + dot(&y, &y).sqrt() * dot(&g, &g).sqrt()));
            let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            let mut rounded = vec![f32::NAN; y.len()];
            resample(&narrow, planes, input, chosen, &mut rounded);
            assert_close(&rounded, &widen(&y), 1e-5);
        }
    }
}

#[test]
fn transposing_twice_changes_nothing() {
    for (input, output, len) in SHAPES {
        let taps = taps(input[0], output[0], len);
        assert_eq!(matrix(&taps, input[0]), matrix(&taps.transposed().transposed(), input[0]));
    }
}

fn check_halves<K: Stored<Value = f32>>() {
    for (input, output, len) in SHAPES {
        let all = [0, 1].map(|i| taps(input[i], output[i], len));
        let x = halves::<K>(2 * input[0] * input[1], 1);
        let mut y = halves::<K>(2 * output[0] * output[1], 2);
        let mut expected = wide(&y);
        resample(&x, 2, input, [Some(&all[0]), Some(&all[1])], &mut y);
        resample(&wide(&x), 2, input, [Some(&all[0]), Some(&all[1])], &mut expected);
        assert_rounded(&y, &expected);
    }
}

#[test]
fn planes_of_16_bits_are_those_of_float32_rounded_once() {
    check_halves::<Bf16>();
    check_halves::<F16>();
}

#[test]
fn thread_counts_give_the_same_bits() {
    let all = [taps(97, 333, 2), taps(61, 400, 3)];
    let x = numbers::<f32>(5 * 97 * 61, 1);
    assert_same_bits(|| {
        let mut y = vec![0.0; 5 * 333 * 400];
        resample(&x, 5, [97, 61], [Some(&all[0]), Some(&all[1])], &mut y);
        bits(&y)
    });
}

#[test]
fn sums_over_nothing_are_zero() {
    let back = taps(3, 0, 1).transposed();
    let mut y = [f32::NAN; 6];
    resample::<f32, f32>(&[], 1, [2, 0], [None, Some(&back)], &mut y);
    assert!(y.iter().all(|&y| y == 0.0));
}

#[test]
#[should_panic(expected = "a run in order")]
fn runs_do_not_go_back() {
    let mut taps = Taps::new(4);
    taps.push(2, [1.0]);
    taps.push(1, [1.0]);
}
