//! Speed of recurrent layers, printed as milliseconds and GFLOP/s of the recurrent products: the best of many runs.
#![allow(clippy::cast_precision_loss, clippy::many_single_char_names, reason = "counts of operations, usual names")]

use std::time::Instant;

use dlcore_kernels::recurrent::{Cell, Gradients, Gru, Inputs, Layer, Lstm, Outputs, Results, backward, forward};

fn main() {
    for (batch, steps, hidden) in [(64, 128, 256), (32, 64, 256), (1, 128, 256), (32, 32, 64)] {
        let sizes = vec![batch; steps];
        let layer = Layer { sizes: &sizes, reverse: false, hidden, output: hidden };
        report("lstm", &Lstm, &layer, 0);
        let bias = vec![0.1; 3 * hidden];
        report("gru", &Gru { bias: &bias }, &layer, 3 * hidden);
    }
}

fn report<C: Cell<f32>>(label: &str, cell: &C, layer: &Layer<'_>, biases: usize) {
    let numbers = |len: usize| -> Vec<f32> { (0..13u8).cycle().take(len).map(|i| f32::from(i) / 60.0 - 0.1).collect() };
    let (total, width) = (layer.total(), C::GATES * layer.hidden);
    let second = if C::HAS_CELL { layer.hidden } else { 0 };
    let (x, w) = (numbers(total * width), numbers(width * layer.output));
    let (h, c) = (numbers(layer.batch() * layer.output), numbers(layer.batch() * second));
    let (mut y, mut last_h, mut last_c) = (numbers(total * layer.output), h.clone(), c.clone());
    let (mut saved, mut cells) = (numbers(total * C::SAVED * layer.hidden), numbers(total * second));
    let inputs = Inputs { x: &x, w: &w, projection: None, h: &h, c: &c };
    let ahead = best(|| {
        let outputs = Outputs { y: &mut y, h: &mut last_h, c: &mut last_c, saved: &mut saved, cells: &mut cells };
        forward(cell, layer, inputs, outputs);
    });
    let (mut gx, mut gw, mut gh, mut gc, mut bias) = (x.clone(), w.clone(), h.clone(), c.clone(), vec![0.0; biases]);
    let back = best(|| {
        let results = Results { y: &y, saved: &saved, cells: &cells, gy: &y, gh: &h, gc: &c };
        let (x, w, h, c) = (&mut gx[..], &mut gw[..], &mut gh[..], &mut gc[..]);
        backward(cell, layer, inputs, results, Gradients { x, w, projection: None, h, c, bias: &mut bias });
    });
    let flops = 2.0 * (total * width * layer.output) as f64;
    print!("{label:>5} batch {:>2}, {} steps of {:>3}", layer.batch(), layer.sizes.len(), layer.hidden);
    for (products, seconds) in [(1.0, ahead), (2.0, back)] {
        print!(" {:>9.3} ms {:>6.1} GF/s", seconds * 1e3, products * flops / seconds / 1e9);
    }
    println!();
}

fn best(mut run: impl FnMut()) -> f64 {
    let (mut best, started) = (f64::INFINITY, Instant::now());
    while started.elapsed().as_millis() < 400 {
        let now = Instant::now();
        run();
        best = best.min(now.elapsed().as_secs_f64());
    }
    best
}
