//! Products in terms against float64: every tail, layout, shape of task, special value.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::many_single_char_names,
    reason = "formulas over small numbers, and bits that must be equal"
)]

use super::super::driver::Product;
use super::super::pack::Strided2;
use super::super::tests::{at, layout, numbers};
use super::super::{Activation, Bias, Matrix, Residual};
use super::*;
use crate::parallel::set_num_threads;

/// Relative errors of one, three and six products: each term keeps 8 bits.
const EPSILON: [f64; 3] = [1.0 / 256.0, 1.0 / 65536.0, 1.0 / 8_388_608.0];

fn run(shape: [usize; 3], terms: usize, a: Matrix<'_, f32>, b: Matrix<'_, f32>, c: &mut [f32], more: More<'_>) {
    let [m, k, n] = shape;
    assert!(c.len() >= m * n);
    let (a, b) = (Strided2(a.in_place(a.row_stride, a.col_stride)), Strided2(b.in_place(b.col_stride, b.row_stride)));
    let product = TermProduct {
        m,
        n,
        k,
        a: Operand::Float32(&a),
        b: Operand::Float32(&b),
        c: Output::Float32(Target::rows(c.as_mut_ptr(), 0, n)),
        accumulate: more.accumulate,
        epilogue: more.epilogue,
        terms,
        unit: Unit::Tiles,
        stream_b: more.stream_b,
    };
    // SAFETY: the tests run where AMX is; C holds m rows of n.
    unsafe { product.run(more.serial) }
}

#[derive(Clone, Copy, Default)]
struct More<'a> {
    accumulate: bool,
    epilogue: Epilogue<'a, f32>,
    stream_b: bool,
    serial: bool,
}

/// The product and its error bound, `c sqrt(k) eps |a| |b|`.
fn reference([m, k, n]: [usize; 3], eps: f64, a: Matrix<'_, f32>, b: Matrix<'_, f32>) -> Vec<(f64, f64)> {
    let mut out = Vec::new();
    for i in 0..m {
        for j in 0..n {
            let (mut sum, mut aa, mut bb) = (0.0, 0.0, 0.0);
            for p in 0..k {
                let (x, y) = (at(a, i, p), at(b, p, j));
                (sum, aa, bb) = (sum + x * y, aa + x * x, bb + y * y);
            }
            out.push((sum, 4.0 * eps * (aa * bb).sqrt() + 1e-6));
        }
    }
    out
}

fn check(what: &str, got: &[f32], want: &[(f64, f64)], finish: impl Fn(usize, f64) -> f64) {
    for (index, (&got, &(want, bound))) in got.iter().zip(want).enumerate() {
        let want = finish(index, want);
        assert!((f64::from(got) - want).abs() <= bound, "{what}: element {index}: {got}, not {want}, bound {bound}");
    }
}

fn product(shape: [usize; 3], terms: usize, kinds: [usize; 2], stream_b: bool) {
    if Unit::available() != Some(Unit::Tiles) {
        return;
    }
    let [m, k, n] = shape;
    let (a, b) = (numbers::<f32>(2 * m * k + 8 * m + 8, 1), numbers::<f32>(2 * k * n + 8 * k + 8, 2));
    let (a, b) = (layout(kinds[0], &a, m, k), layout(kinds[1], &b, k, n));
    let want = reference(shape, EPSILON[terms - 1], a, b);
    let what = format!("{shape:?} terms {terms} layouts {kinds:?}");
    let mut c = vec![f32::NAN; m * n];
    run(shape, terms, a, b, &mut c, More { stream_b, ..More::default() });
    check(&what, &c, &want, |_, x| x);
    let serial = More { stream_b, serial: true, ..More::default() };
    let mut again = vec![f32::NAN; m * n];
    run(shape, terms, a, b, &mut again, serial);
    assert_eq!(c, again, "{what}: another cut");
    let (rows, cols, start) = (numbers::<f32>(m, 3), numbers::<f32>(n, 4), numbers::<f32>(m * n, 5));
    let mut c = start.clone();
    let epilogue = Epilogue { bias: Bias::PerRow(&rows), activation: Activation::Relu, ..Epilogue::default() };
    run(shape, terms, a, b, &mut c, More { accumulate: true, epilogue, stream_b, serial: false });
    check(&what, &c, &want, |i, x| (f64::from(start[i]) + x + f64::from(rows[i / n])).max(0.0));
    let epilogue = Epilogue { bias: Bias::PerColumn(&cols), ..Epilogue::default() };
    run(shape, terms, a, b, &mut c, More { epilogue, stream_b, ..More::default() });
    check(&what, &c, &want, |i, x| x + f64::from(cols[i % n]));
    let residual = Residual { matrix: Matrix::contiguous(&start, n), factor: -2.0 };
    let epilogue = Epilogue { scale: 0.5, residual: Some(residual), activation: Activation::Tanh, ..epilogue };
    let mut c = start.clone();
    run(shape, terms, a, b, &mut c, More { accumulate: true, epilogue, stream_b, serial: false });
    check(&what, &c, &want, |i, x| {
        let start = f64::from(start[i]);
        (0.5 * (start + x) + f64::from(cols[i % n]) - 2.0 * start).tanh()
    });
}

#[test]
fn every_tail() {
    for m in 1..=40 {
        for n in 1..=40 {
            product([m, (m * 7 + n) % 70 + 1, n], 1 + (m + n) % 3, [(m + n) % 6, (m * 3 + n) % 6], (m * n) % 5 == 0);
        }
    }
}

#[test]
fn every_layout_and_cut() {
    for terms in 1..=3 {
        for kind in 0..36 {
            product([65, 130, 97], terms, [kind / 6, kind % 6], false);
        }
        product([513, 650, 517], terms, [0, 1], false);
        // Each thread packs the shorter side: of one block of k, and of several.
        product([390, 300, 100], terms, [1, 0], false);
        product([60, 2500, 390], terms, [1, 1], false);
        product([513, 650, 517], terms, [1, 0], true);
        product([1030, 70, 40], terms, [0, 0], true);
        // Too few tiles to share out: k is cut.
        product([33, 20_001, 40], terms, [1, 1], false);
    }
}

#[test]
fn special_values_are_those_of_float32() {
    if Unit::available() != Some(Unit::Tiles) {
        return;
    }
    // Panels of rows, blocks of k and panels of columns, of which one each holds the special number.
    let shape @ [m, k, n] = [170, 1500, 75];
    let specials = [
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        1e-40,
        -1e-45,
        1e-30,
        3e38,
        2e19,
    ];
    for (nth, &special) in specials.iter().enumerate() {
        for (terms, into_a) in [(2, true), (2, false), (3, true), (3, false)] {
            let (mut a, mut b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
            let one = if into_a { &mut a } else { &mut b };
            one[if into_a { (33 + 9 * nth) * k + 130 * nth } else { 130 * nth * n + 6 * nth }] = special;
            one[5] = special;
            let (a, b) = (Matrix::contiguous(&a, k), Matrix::contiguous(&b, n));
            let (mut got, mut want) = (vec![0.0; m * n], vec![0.0; m * n]);
            run(shape, terms, a, b, &mut got, More::default());
            fma(shape, a, b, &mut want);
            for (i, (&x, &y)) in got.iter().zip(&want).enumerate() {
                let near = (x - y).abs() <= 1e-3 * y.abs().max(1.0);
                assert!(x == y || near || x.is_nan() && y.is_nan(), "{special:e}: element {i}: {x}, not {y}");
            }
        }
    }
}

/// What is tiny keeps its value, where AMX alone would lose it.
#[test]
fn products_of_small_numbers_are_as_exact() {
    if Unit::available() != Some(Unit::Tiles) {
        return;
    }
    let shape @ [m, k, n] = [40, 64, 40];
    for exponent in [-20, -45, -50, -55, -60, -62] {
        let scaled =
            |seed| numbers::<f32>(m * k, seed).into_iter().map(|x| x * 2_f32.powi(exponent)).collect::<Vec<_>>();
        let (a, b) = (scaled(1), scaled(2));
        let (a, b) = (Matrix::contiguous(&a, k), Matrix::contiguous(&b, n));
        let mut got = vec![0.0; m * n];
        run(shape, 3, a, b, &mut got, More::default());
        let scale = 2_f64.powi(-2 * exponent);
        let ones = |matrix: Matrix<'_, f32>| matrix.data.iter().map(|&x| x * 2_f32.powi(-exponent)).collect::<Vec<_>>();
        let (a, b) = (ones(a), ones(b));
        let want = reference(shape, EPSILON[2], Matrix::contiguous(&a, k), Matrix::contiguous(&b, n));
        for (&x, &(y, bound)) in got.iter().zip(&want) {
            assert!((f64::from(x) * scale - y).abs() <= bound, "2^{exponent}: {x:e}, not {y} scaled");
        }
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    if Unit::available() != Some(Unit::Tiles) {
        return;
    }
    for shape @ [m, k, n] in [[300, 700, 260], [64, 3000, 64], [1000, 64, 70], [390, 300, 100], [60, 2500, 390]] {
        for terms in 1..=3 {
            let (a, b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
            let (a, b) = (Matrix::contiguous(&a, k), Matrix::contiguous(&b, n));
            let mut results = [1, 2, 3, 7].map(|threads| {
                set_num_threads(threads);
                let mut c = vec![0.0; m * n];
                run(shape, terms, a, b, &mut c, More::default());
                c
            });
            let first = std::mem::take(&mut results[0]);
            assert!(results[1..].iter().all(|c| *c == first), "{shape:?} terms {terms}");
        }
    }
}

/// Six products of terms are at least as near as chains of multiply-adds, whatever the numbers.
#[test]
fn six_products_are_as_accurate_as_float32() {
    type Make = fn(f64, usize) -> f64;
    if Unit::available() != Some(Unit::Tiles) {
        return;
    }
    let makes: [(&str, Make); 5] = [
        ("uniform", |x, _| x),
        ("positive", |x, _| x.abs()),
        ("scales", |x, i| x * 10_f64.powi((i % 13) as i32 - 6)),
        ("cancelling", |x, i| if i % 2 == 0 { 1000.0 + x } else { -1000.0 + x }),
        ("offset", |x, _| 3.0 + x / 64.0),
    ];
    for (name, make) in makes {
        for k in [32, 100, 333, 1024, 4096] {
            let shape @ [m, _, n] = [64, k, 64];
            let random = |seed| -> Vec<f32> {
                numbers::<f64>(m * k, seed).into_iter().enumerate().map(|(i, x)| make(x, i) as f32).collect()
            };
            let (a, b) = (random(1), random(2));
            let (a, b) = (Matrix::contiguous(&a, k), Matrix::contiguous(&b, k).transposed());
            let want = reference(shape, 1.0, a, b);
            let (mut terms, mut chains) = (vec![0.0; m * n], vec![0.0; m * n]);
            run(shape, 3, a, b, &mut terms, More::default());
            fma(shape, a, b, &mut chains);
            let error = |c: &[f32]| -> f64 {
                let squares = c.iter().zip(&want).map(|(&x, &(y, bound))| ((f64::from(x) - y) / bound).powi(2));
                (squares.sum::<f64>() / (m * n) as f64).sqrt()
            };
            let (terms, chains) = (error(&terms), error(&chains));
            println!("{name} k {k}: {terms:.2e} {chains:.2e} {:.2}", terms / chains);
            assert!(terms <= chains, "{name}, k {k}: {terms:e} is more than {chains:e}");
        }
    }
}

/// Matrices of bfloat16 by each unit that is here, near the same product in float64.
#[test]
fn bfloat16_products_are_rounded_once() {
    let shapes = [
        [1, 1, 1],
        [3, 33, 17],
        [16, 32, 16],
        [40, 2100, 50],
        [300, 4200, 270],
        [700, 2500, 33],
        [5, 0, 7],
        [64, 20_001, 33],
    ];
    let units = match Unit::available() {
        Some(Unit::Tiles) => &[Unit::Tiles, Unit::Dots][..],
        Some(Unit::Dots) => &[Unit::Dots],
        None => return,
    };
    for (nth, shape @ [m, k, n]) in shapes.into_iter().enumerate() {
        let halves = |x: Vec<f32>| x.into_iter().map(|x| Bf16::store(x).0).collect::<Vec<u16>>();
        let len = |rows: usize, cols: usize| 2 * rows * cols + 8 * rows + 8;
        let (a, b) = (halves(numbers::<f32>(len(m, k), 1)), halves(numbers::<f32>(len(k, n), 2)));
        let wide = |x: &[u16]| x.iter().map(|&x| Bf16(x).load()).collect::<Vec<f32>>();
        let (a_wide, b_wide) = (wide(&a), wide(&b));
        let (a_layout, b_layout) = (layout(nth % 6, &a_wide, m, k), layout((nth + 1) % 6, &b_wide, k, n));
        let want = reference(shape, EPSILON[2], a_layout, b_layout);
        let bias = numbers::<f32>(n, 3);
        // Both what the stores do in registers and what they do not.
        let (scale, activation) = [(1.0, Activation::Relu), (-0.5, Activation::Relu)][nth % 2];
        let operand = |x: &[u16], l: Matrix<'_, f32>, [outer_stride, k_stride]: [isize; 2]| {
            Operand::Bfloat16(InPlace { start: x.as_ptr().wrapping_add(l.offset), outer_stride, k_stride })
        };
        for &unit in units {
            let mut results = [1, 2, 3, 7].map(|threads| {
                set_num_threads(threads);
                let mut c = vec![0_u16; m * n];
                if k > 0 {
                    let (a_strides, b_strides) =
                        ([a_layout.row_stride, a_layout.col_stride], [b_layout.col_stride, b_layout.row_stride]);
                    let product = TermProduct {
                        m,
                        n,
                        k,
                        a: operand(&a, a_layout, a_strides),
                        b: operand(&b, b_layout, b_strides),
                        c: Output::Bfloat16(Rounded { start: c.as_mut_ptr(), row_stride: n }),
                        accumulate: false,
                        epilogue: Epilogue { scale, bias: Bias::PerColumn(&bias), residual: None, activation },
                        terms: 1,
                        unit,
                        stream_b: false,
                    };
                    // SAFETY: the unit is here; C holds m rows of n.
                    unsafe { product.run(false) }
                } else {
                    c = halves((0..m * n).map(|i| bias[i % n].max(0.0)).collect());
                }
                c
            });
            let c = std::mem::take(&mut results[0]);
            assert!(results[1..].iter().all(|other| *other == c), "{shape:?} {unit:?}: other threads, other bits");
            for (i, (&got, &(sum, bound))) in wide(&c).iter().zip(&want).enumerate() {
                let want = (scale * sum + f64::from(bias[i % n])).max(0.0);
                let bound = bound + want.abs() / 256.0;
                assert!((f64::from(got) - want).abs() <= bound, "{shape:?} {unit:?}: element {i}: {got}, not {want}");
            }
        }
        let mut c = vec![Bf16(1); m * n];
        let (a, b): (Vec<_>, Vec<_>) = (a.iter().copied().map(Bf16).collect(), b.iter().copied().map(Bf16).collect());
        let of = |data, l: Matrix<'_, f32>| Matrix {
            data,
            offset: l.offset,
            row_stride: l.row_stride,
            col_stride: l.col_stride,
        };
        let bias: Vec<_> = bias.iter().map(|&x| Bf16::store(x)).collect();
        let mut problem = Gemm::new([m, k, n], of(&a, a_layout), of(&b, b_layout), &mut c);
        problem.epilogue.bias = Bias::PerColumn(&bias);
        super::super::bfloat16(&[], &[], &[], problem);
        for (i, (got, &(sum, bound))) in c.iter().zip(&want).enumerate() {
            let want = sum + f64::from(bias[i % n].load());
            let bound = bound + want.abs() / 256.0;
            assert!((f64::from(got.load()) - want).abs() <= bound, "{shape:?}: element {i}: {got:?}, not {want}");
        }
    }
}

fn fma([m, k, n]: [usize; 3], a: Matrix<'_, f32>, b: Matrix<'_, f32>, c: &mut [f32]) {
    assert!(c.len() >= m * n);
    let (a, b) = (Strided2(a.in_place(a.row_stride, a.col_stride)), Strided2(b.in_place(b.col_stride, b.row_stride)));
    let c = Target::rows(c.as_mut_ptr(), 0, n);
    let (accumulate, epilogue, stream_b) = (false, Epilogue::default(), false);
    // SAFETY: C holds m rows of n.
    unsafe { Product { m, n, k, a: &a, b: &b, c, accumulate, epilogue, stream_b }.run_fma(false) }
}
