//! Recurrent layers: forward against the definitions in float64, and float32 against float64 all the way back.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "references are plain formulas over small numbers"
)]

mod support;

use dlcore_kernels::gemm::{GemmFloat, Precision, with_precision};
use dlcore_kernels::recurrent::{
    Cell, Gradients, Gru, Inputs, Layer, Lstm, Nonlinearity, Outputs, Plain, Results, backward, forward,
};
use support::{assert_close, assert_same_bits, numbers, widen};

/// Numbers of a layer's inputs, small enough for long chains.
struct Case<T> {
    x: Vec<T>,
    w: Vec<T>,
    projection: Option<Vec<T>>,
    h: Vec<T>,
    c: Vec<T>,
}

fn halves<T: GemmFloat>(len: usize, seed: u64) -> Vec<T> {
    numbers::<T>(len, seed).into_iter().map(|x| x * T::from_f64(0.25)).collect()
}

impl<T: GemmFloat> Case<T> {
    fn new<C: Cell<T>>(_: &C, layer: &Layer<'_>) -> Self {
        let width = C::GATES * layer.hidden;
        let projected = layer.output != layer.hidden;
        Self {
            x: halves(layer.total() * width, 1),
            w: halves(width * layer.output, 2),
            projection: projected.then(|| halves(layer.output * layer.hidden, 3)),
            h: halves(layer.batch() * layer.output, 4),
            c: halves(if C::HAS_CELL { layer.batch() * layer.hidden } else { 0 }, 5),
        }
    }

    /// Outputs and last states, then the gradients of x, w, projection, h, c and biases.
    fn run<C: Cell<T>>(&self, cell: &C, layer: &Layer<'_>, biases: usize) -> Vec<Vec<T>> {
        let Self { x, w, projection, h, c } = self;
        let inputs = Inputs { x, w, projection: projection.as_deref(), h, c };
        let filled = |len: usize| vec![T::NAN; len];
        let total = layer.total();
        let (mut y, mut last_h, mut last_c) = (filled(total * layer.output), filled(h.len()), filled(c.len()));
        let mut saved = filled(total * C::SAVED * layer.hidden);
        let mut cells = filled(if C::HAS_CELL { total * layer.hidden } else { 0 });
        let outputs = Outputs { y: &mut y, h: &mut last_h, c: &mut last_c, saved: &mut saved, cells: &mut cells };
        forward(cell, layer, inputs, outputs);
        let (gy, gh, gc) = (halves(y.len(), 6), halves(h.len(), 7), halves(c.len(), 8));
        let results = Results { y: &y, saved: &saved, cells: &cells, gy: &gy, gh: &gh, gc: &gc };
        let [mut gx, mut gw, mut g_h, mut g_c] = [x, w, h, c].map(|x| filled(x.len()));
        let (mut g_projection, mut bias) = (filled(projection.as_ref().map_or(0, Vec::len)), filled(biases));
        let gradients = Gradients {
            x: &mut gx,
            w: &mut gw,
            projection: projection.is_some().then_some(&mut g_projection[..]),
            h: &mut g_h,
            c: &mut g_c,
            bias: &mut bias,
        };
        backward(cell, layer, inputs, results, gradients);
        vec![y, last_h, last_c, gx, gw, g_projection, g_h, g_c, bias]
    }
}

const SIZES: [&[usize]; 4] = [&[1], &[3, 3, 3, 3], &[40, 40, 17, 16, 2], &[]];

/// Every layer's results as rows of float64.
fn all<T: GemmFloat>() -> Vec<Vec<f64>> {
    let mut found = Vec::new();
    let mut add = |results: Vec<Vec<T>>| found.extend(results.iter().map(|x| widen(x)));
    for sizes in SIZES {
        for reverse in [false, true] {
            for hidden in [1, 5, 70] {
                let layer = Layer { sizes, reverse, hidden, output: hidden };
                add(Case::new(&Lstm, &layer).run(&Lstm, &layer, 0));
                let bias = halves(3 * hidden, 9);
                let gru = Gru { bias: &bias };
                add(Case::new(&gru, &layer).run(&gru, &layer, 3 * hidden));
                for nonlinearity in [Nonlinearity::Tanh, Nonlinearity::Relu] {
                    let plain = Plain(nonlinearity);
                    add(Case::new(&plain, &layer).run(&plain, &layer, 0));
                }
            }
            let projected = Layer { sizes, reverse, hidden: 18, output: 7 };
            add(Case::new(&Lstm, &projected).run(&Lstm, &projected, 0));
        }
    }
    found
}

#[test]
fn float32_agrees_with_float64() {
    for (narrow, wide) in all::<f32>().iter().zip(all::<f64>()) {
        assert_close(narrow, &wide, 2e-5);
    }
}

#[test]
fn an_lstm_is_what_its_definition_says() {
    let (sizes, hidden, output) = ([3, 2, 1], 18, 7);
    for reverse in [false, true] {
        let layer = Layer { sizes: &sizes, reverse, hidden, output };
        let case = Case::<f64>::new(&Lstm, &layer);
        let results = case.run(&Lstm, &layer, 0);
        let (mut h, mut c) = (case.h.clone(), case.c.clone());
        let first = [0, 3, 5];
        let order = if reverse { [2, 1, 0] } else { [0, 1, 2] };
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        for step in order {
            for row in 0..sizes[step] {
                let sum = |gate: usize, unit: usize| {
                    let at = gate * hidden + unit;
                    let product: f64 = (0..output).map(|p| case.w[at * output + p] * h[row * output + p]).sum();
                    case.x[(first[step] + row) * 4 * hidden + at] + product
                };
                let units: Vec<[f64; 2]> = (0..hidden)
                    .map(|u| {
                        let c = logistic(sum(1, u)) * c[row * hidden + u] + logistic(sum(0, u)) * sum(2, u).tanh();
                        [c, logistic(sum(3, u)) * c.tanh()]
                    })
                    .collect();
                for (unit, [cell, _]) in units.iter().enumerate() {
                    c[row * hidden + unit] = *cell;
                }
                for p in 0..output {
                    let weights = &case.projection.as_ref().unwrap()[p * hidden..];
                    h[row * output + p] = units.iter().zip(weights).map(|([_, unit], w)| unit * w).sum();
                    let y = results[0][(first[step] + row) * output + p];
                    assert_close(&[y], &[h[row * output + p]], 1e-13);
                }
            }
        }
        assert_close(&results[1], &h, 1e-13);
        assert_close(&results[2], &c, 1e-13);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    fn check<T: GemmFloat, C: Cell<T>>(cell: &C, sizes: &[usize], hidden: usize, output: usize, biases: usize) {
        let layer = Layer { sizes, reverse: false, hidden, output };
        let case = Case::<T>::new(cell, &layer);
        assert_same_bits(|| {
            case.run(cell, &layer, biases).iter().flat_map(|x| widen(x)).map(f64::to_bits).collect::<Vec<_>>()
        });
    }
    check::<f32, _>(&Lstm, &[70; 9], 96, 96, 0);
    // Long sums over the gates, a task with one sequence at the end, and projections.
    check::<f64, _>(&Lstm, &[16; 2], 350, 350, 0);
    check::<f32, _>(&Lstm, &[13, 13, 9, 2], 350, 350, 0);
    let bias = halves(3 * 200, 9);
    check::<f64, _>(&Gru { bias: &bias }, &[9, 9, 9, 7, 2], 200, 200, 600);
    check::<f32, _>(&Lstm, &[34, 34, 34, 30, 11], 180, 150, 0);
}

/// Products of numbers that count as bfloat16: near those of float64, where tasks have whole tiles or few rows, columns
/// that are no whole tiles, and sums over more steps than a block; and the same bits at any number of threads.
#[test]
fn narrow_products_are_near_and_the_same_at_any_number_of_threads() {
    fn check<C32: Cell<f32>, C64: Cell<f64>>(cells: (&C32, &C64), sizes: &[usize], [hidden, output]: [usize; 2]) {
        let layer = Layer { sizes, reverse: false, hidden, output };
        let (narrow, wide) = (Case::<f32>::new(cells.0, &layer), Case::<f64>::new(cells.1, &layer));
        let run = || with_precision(Precision::Medium, || narrow.run(cells.0, &layer, 0));
        let exact = wide.run(cells.1, &layer, 0);
        for (found, exact) in run().iter().zip(&exact) {
            let size = exact.iter().fold(1.0_f64, |size, x| size.max(x.abs()));
            for (found, exact) in widen(found).iter().zip(exact) {
                assert!((found - exact).abs() <= 0.05 * size, "{hidden} {output} {sizes:?}: {found}, not {exact}");
            }
        }
        assert_same_bits(|| run().iter().flat_map(|x| widen(x)).map(f64::to_bits).collect::<Vec<_>>());
    }
    let plain = &Plain(Nonlinearity::Tanh);
    check((&Lstm, &Lstm), &[70, 70, 41, 8], [96, 96]);
    check((&Lstm, &Lstm), &[5, 4, 1], [83, 70]);
    check((plain, plain), &[9, 9, 3], [75, 75]);
    check((plain, plain), &[33, 33, 7], [130, 130]);
}
