//! Pooling against plain loops that follow `PyTorch`'s definition literally.

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
use dlcore_kernels::pool::{
    Divisor, Found, Window, avg_pool2d, avg_pool2d_backward, halve, halve_backward, max_pool2d, max_pool2d_backward,
    max_pool2d_backward_to_winners, output_size, positions,
};
use dlcore_kernels::stored::Stored;
use support::{assert_close, assert_rounded, assert_same_bits, bits, halves, numbers, wide, widen};

fn window(kernel: (usize, usize), stride: (usize, usize), padding: (usize, usize)) -> Window {
    Window { kernel, stride, padding, dilation: (1, 1), ceil_mode: false }
}

fn windows() -> Vec<Window> {
    let mut all = vec![];
    for (kernel, stride, padding) in [
        ((2, 2), (2, 2), (0, 0)),
        ((3, 3), (2, 2), (1, 1)),
        ((3, 2), (1, 2), (1, 0)),
        ((1, 1), (1, 1), (0, 0)),
        ((2, 3), (3, 1), (0, 1)),
        ((4, 4), (3, 3), (2, 2)),
        ((1, 3), (1, 3), (0, 1)),
        ((2, 2), (2, 5), (1, 1)),
        ((2, 5), (1, 4), (0, 2)),
    ] {
        for ceil_mode in [false, true] {
            all.push(Window { ceil_mode, ..window(kernel, stride, padding) });
        }
    }
    all
}

fn check_halves<K: Stored<Value = f32>>() {
    for (input, planes) in [((1, 1), 3), ((13, 2), 200), ((24, 24), 7), ((50, 61), 3)] {
        let x = halves::<K>(planes * input.0 * input.1, 1);
        let wide_x = wide(&x);
        for window in windows() {
            let Some(output) = window.output(input) else { continue };
            let len = planes * output.0 * output.1;
            let g = halves::<K>(len, 2);
            let (mut y, mut expected) = (g.clone(), wide(&g));
            let (mut at, mut expected_at) = (vec![0; len], vec![0; len]);
            max_pool2d(&x, planes, input, &window, &mut y, Found::Positions(&mut at));
            max_pool2d(&wide_x, planes, input, &window, &mut expected, Found::Positions(&mut expected_at));
            assert_rounded(&y, &expected);
            assert_eq!(at, expected_at);
            let (mut gx, mut expected_x) = (x.clone(), wide_x.clone());
            let sizes = (input.0 * input.1, output.0 * output.1);
            max_pool2d_backward(&g, &at, planes, sizes, &mut gx);
            max_pool2d_backward(&wide(&g), &at, planes, sizes, &mut expected_x);
            assert_rounded(&gx, &expected_x);
            if window.is_halving(input) {
                let (mut winners, mut expected_winners) = (vec![0; len], vec![0; len]);
                halve(&x, planes, input, &mut y, &mut winners);
                halve(&wide_x, planes, input, &mut expected, &mut expected_winners);
                assert_rounded(&y, &expected);
                assert_eq!(winners, expected_winners);
                halve_backward(&g, &winners, planes, input, &mut gx);
                halve_backward(&wide(&g), &winners, planes, input, &mut expected_x);
                assert_rounded(&gx, &expected_x);
            }
            avg_pool2d(&x, planes, input, &window, Divisor::WithoutPadding, &mut y);
            avg_pool2d(&wide_x, planes, input, &window, Divisor::WithoutPadding, &mut expected);
            assert_rounded(&y, &expected);
            avg_pool2d_backward(&g, planes, input, &window, Divisor::WithPadding, &mut gx);
            avg_pool2d_backward(&wide(&g), planes, input, &window, Divisor::WithPadding, &mut expected_x);
            assert_rounded(&gx, &expected_x);
        }
    }
}

#[test]
fn planes_of_16_bits_are_those_of_float32_rounded_once() {
    check_halves::<Bf16>();
    check_halves::<F16>();
}

const INPUTS: [(usize, usize); 7] = [(1, 1), (2, 2), (4, 6), (5, 7), (8, 8), (3, 33), (13, 2)];

/// Every element of a window: its position in the plane, or `None` in the padding.
fn elements(w: &Window, input: (usize, usize), out: (usize, usize)) -> Vec<Option<usize>> {
    let place = |at: usize, step: usize, padding: usize, extent: usize| {
        (at + step).checked_sub(padding).filter(|&at| at < extent)
    };
    let mut found = vec![];
    for i in 0..w.kernel.0 {
        for j in 0..w.kernel.1 {
            let row = place(out.0 * w.stride.0, i * w.dilation.0, w.padding.0, input.0);
            let col = place(out.1 * w.stride.1, j * w.dilation.1, w.padding.1, input.1);
            found.push(row.zip(col).map(|(row, col)| row * input.1 + col));
        }
    }
    found
}

/// Elements of a window inside the input and its padding.
fn padded_size(w: &Window, input: (usize, usize), out: (usize, usize)) -> usize {
    let along = |out: usize, stride: usize, kernel: usize, extent: usize, padding: usize| {
        (out * stride + kernel).min(extent + 2 * padding) - out * stride
    };
    along(out.0, w.stride.0, w.kernel.0, input.0, w.padding.0)
        * along(out.1, w.stride.1, w.kernel.1, input.1, w.padding.1)
}

fn outputs(size: (usize, usize)) -> impl Iterator<Item = (usize, usize)> {
    (0..size.0).flat_map(move |row| (0..size.1).map(move |col| (row, col)))
}

fn check_max<T: Float>(w: &Window, input: (usize, usize), x: &[T]) {
    let Some(size) = w.output(input) else { return };
    let (in_len, out_len) = (input.0 * input.1, size.0 * size.1);
    let planes = x.len() / in_len;
    let (mut y, mut indices) = (vec![T::ZERO; planes * out_len], vec![0; planes * out_len]);
    max_pool2d(x, planes, input, w, &mut y, Found::Positions(&mut indices));
    let mut alone = vec![T::ZERO; y.len()];
    max_pool2d(x, planes, input, w, &mut alone, Found::Nothing);
    assert_eq!(bits(&y), bits(&alone));
    let (mut winners, mut at) = (vec![0; y.len()], vec![0; y.len()]);
    max_pool2d(x, planes, input, w, &mut alone, Found::Winners(&mut winners));
    positions(&winners, input, w, &mut at);
    assert_eq!((bits(&y), &indices), (bits(&alone), &at));
    let g = numbers::<T>(y.len(), 9);
    let (mut gx, mut to_winners) = (vec![T::NAN; x.len()], vec![T::NAN; x.len()]);
    max_pool2d_backward(&g, &indices, planes, (in_len, out_len), &mut gx);
    max_pool2d_backward_to_winners(&g, &winners, planes, input, w, &mut to_winners);
    assert_eq!(bits(&gx), bits(&to_winners));
    let mut expected_gx = vec![T::ZERO; x.len()];
    for plane in 0..planes {
        for (n, out) in outputs(size).enumerate() {
            let (mut best, mut at) = (f64::NEG_INFINITY, None);
            for element in elements(w, input, out).into_iter().flatten() {
                let value = x[plane * in_len + element].to_f64();
                if at.is_none() || value > best || value.is_nan() {
                    (best, at) = (value, Some(element));
                }
            }
            let n = plane * out_len + n;
            assert_eq!(usize::try_from(indices[n]).ok(), at);
            assert!(y[n].to_f64().to_bits() == best.to_bits() || best.is_nan() && y[n].is_nan());
            if let Some(at) = at {
                expected_gx[plane * in_len + at] += g[n];
            }
        }
    }
    assert_eq!(bits(&gx), bits(&expected_gx));
}

#[test]
fn max_matches_plain_loops() {
    for base in windows() {
        for dilation in [(1, 1), (2, 1), (2, 3)] {
            for input in INPUTS {
                let w = Window { dilation, ..base };
                for planes in [0, 1, 3] {
                    check_max(&w, input, &numbers::<f32>(planes * input.0 * input.1, 1));
                    check_max(&w, input, &numbers::<f64>(planes * input.0 * input.1, 1));
                }
                let mut x = numbers::<f32>(input.0 * input.1, 2);
                for (at, x) in x.iter_mut().enumerate() {
                    match at % 7 {
                        2 => *x = f32::NAN,
                        3 => *x = f32::NEG_INFINITY,
                        4 => *x = 0.5,
                        _ => {}
                    }
                }
                check_max(&w, input, &x);
                check_max(&w, input, &vec![f32::NEG_INFINITY; input.0 * input.1]);
            }
        }
    }
}

fn check_average<T: Float>(w: &Window, input: (usize, usize), divisor: Divisor, tolerance: f64) {
    let Some(size) = w.output(input) else { return };
    let (in_len, out_len, planes) = (input.0 * input.1, size.0 * size.1, 2);
    let x = numbers::<T>(planes * in_len, 1);
    let mut y = vec![T::NAN; planes * out_len];
    avg_pool2d(&x, planes, input, w, divisor, &mut y);
    let g = numbers::<T>(y.len(), 2);
    let mut gx = vec![T::NAN; x.len()];
    avg_pool2d_backward(&g, planes, input, w, divisor, &mut gx);
    let (mut expected, mut expected_gx) = (vec![], vec![0.0; x.len()]);
    for plane in 0..planes {
        for out in outputs(size) {
            let inside: Vec<usize> = elements(w, input, out).into_iter().flatten().collect();
            let size = match divisor {
                Divisor::WithPadding => padded_size(w, input, out) as f64,
                Divisor::WithoutPadding => inside.len() as f64,
                Divisor::Fixed(size) => size as f64,
            };
            let sum: f64 = inside.iter().map(|at| x[plane * in_len + at].to_f64()).sum();
            let share = g[expected.len()].to_f64() / size;
            expected.push(if inside.is_empty() { 0.0 } else { sum / size });
            for at in inside {
                expected_gx[plane * in_len + at] += share;
            }
        }
    }
    assert_close(&y, &expected, tolerance);
    assert_close(&gx, &expected_gx, tolerance);
    assert_eq!(widen(&x).len(), expected_gx.len());
}

#[test]
fn average_matches_plain_loops() {
    for w in windows() {
        for input in INPUTS {
            for divisor in [Divisor::WithPadding, Divisor::WithoutPadding, Divisor::Fixed(3)] {
                check_average::<f32>(&w, input, divisor, 1e-6);
                check_average::<f64>(&w, input, divisor, 1e-14);
            }
        }
    }
}

#[test]
fn a_stride_beyond_the_input_costs_nothing() {
    let w = window((2, 2), (1 << 40, 1 << 40), (0, 0));
    let (mut y, mut index) = ([0.0], [0]);
    max_pool2d(&[1.0f32, 2.0, 4.0, 3.0, 9.0, 9.0], 1, (2, 3), &w, &mut y, Found::Positions(&mut index));
    assert_eq!((y, index), ([9.0], [4]));
    avg_pool2d(&[1.0f32, 2.0, 4.0, 3.0, 9.0, 9.0], 1, (2, 3), &w, Divisor::WithPadding, &mut y);
    assert_eq!(y, [3.75]);
}

#[test]
fn output_sizes_are_those_of_pytorch() {
    assert_eq!(output_size(8, 2, 2, 0, 1, false), Some(4));
    assert_eq!(output_size(7, 2, 2, 0, 1, false), Some(3));
    assert_eq!(output_size(7, 2, 2, 0, 1, true), Some(4));
    assert_eq!(output_size(5, 3, 2, 1, 1, false), Some(3));
    // The last window would start in the right padding.
    assert_eq!(output_size(5, 2, 3, 1, 1, true), Some(2));
    assert_eq!(output_size(3, 1, 3, 0, 1, true), Some(1));
    assert_eq!(output_size(7, 3, 1, 0, 3, false), Some(1));
    assert_eq!(output_size(6, 3, 1, 0, 3, false), None);
    assert_eq!(output_size(1, 2, 2, 0, 1, true), Some(1));
    assert_eq!(output_size(1, 4, 2, 0, 1, true), None);
    assert_eq!(output_size(0, 2, 2, 1, 1, false), None);
    assert_eq!(output_size(5, 0, 1, 0, 1, false), None);
    assert_eq!(output_size(5, 1, 0, 0, 1, false), None);
    assert_eq!(output_size(5, usize::MAX, 1, 0, 3, false), None);
}

#[test]
fn thread_counts_give_the_same_bits() {
    let (planes, input) = (600, (13, 17));
    let x = numbers::<f32>(planes * 13 * 17, 1);
    let w = window((3, 3), (2, 2), (1, 1));
    let size = w.output(input).unwrap();
    let out_len = size.0 * size.1;
    assert_same_bits(|| {
        let (mut y, mut indices) = (vec![0.0; planes * out_len], vec![0; planes * out_len]);
        max_pool2d(&x, planes, input, &w, &mut y, Found::Positions(&mut indices));
        let (mut gx, mut average) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        max_pool2d_backward(&y, &indices, planes, (13 * 17, out_len), &mut gx);
        avg_pool2d_backward(&y, planes, input, &w, Divisor::WithPadding, &mut average);
        (bits(&y), indices, bits(&gx), bits(&average))
    });
}

#[test]
fn windows_that_halve_find_what_all_windows_find() {
    let window = Window { kernel: (2, 2), stride: (2, 2), padding: (0, 0), dilation: (1, 1), ceil_mode: false };
    // The gradient of the last goes past the caches, in planes that begin anywhere in a line.
    for (planes, input) in
        [(3, (2, 2)), (2, (3, 5)), (3, (4, 9)), (2, (7, 28)), (1, (6, 33)), (2, (2, 71)), (0, (4, 4)), (60, (201, 203))]
    {
        assert!(window.is_halving(input));
        let (in_len, out_len) = (input.0 * input.1, (input.0 / 2) * (input.1 / 2));
        let mut x = numbers::<f32>(planes * in_len, 1);
        x.iter_mut().skip(5).step_by(17).for_each(|x| *x = f32::NAN);
        x.iter_mut().skip(3).step_by(7).for_each(|x| *x = 1.0);
        let g = numbers::<f32>(planes * out_len, 2);
        let (mut y, mut indices) = (vec![0.0; g.len()], vec![0; g.len()]);
        max_pool2d(&x, planes, input, &window, &mut y, Found::Positions(&mut indices));
        let mut gx = vec![f32::NAN; x.len()];
        max_pool2d_backward(&g, &indices, planes, (in_len, out_len), &mut gx);
        let found = || {
            let (mut y, mut places) = (vec![0.0; g.len()], vec![9; g.len()]);
            halve(&x, planes, input, &mut y, &mut places);
            let (mut gx, mut at) = (vec![f32::NAN; x.len()], vec![-1; g.len()]);
            halve_backward(&g, &places, planes, input, &mut gx);
            positions(&places, input, &window, &mut at);
            (bits(&y), bits(&gx), at)
        };
        assert!(found() == (bits(&y), bits(&gx), indices), "{planes} planes of {input:?}");
        assert_same_bits(found);
    }
    assert!(!Window { ceil_mode: true, ..window }.is_halving((3, 4)));
    assert!(!Window { stride: (2, 1), ..window }.is_halving((4, 4)));
}
