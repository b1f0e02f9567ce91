//! Speed of batch normalisation in training, printed as microseconds and GB/s of each pass (every array once): the best of
//! many runs.
#![allow(clippy::cast_precision_loss, reason = "counts of bytes")]

use std::time::Instant;

use dlcore_kernels::norm::batch::{Affine, Saved, Shape, Statistics, backward, forward};

fn main() {
    println!("{:>16} {:>24} {:>24}", "", "forward", "backward");
    for (batch, channels, plane) in [(32, 64, 3136), (64, 32, 784), (64, 64, 196), (64, 128, 49), (64, 512, 16)] {
        let shape = Shape { batch, channels, plane };
        let x: Vec<f32> = (0..13u8).cycle().take(shape.numel()).map(|i| f32::from(i) - 6.0).collect();
        let (mut y, mut gx) = (x.clone(), x.clone());
        let [mut mean, mut variance, mut rstd, mut gweight, mut gbias] = [(); 5].map(|()| vec![1.0f32; channels]);
        let affine = Affine { weight: None, bias: None };
        let there = best(|| {
            let mut saved = Statistics { mean: &mut mean, variance: &mut variance, rstd: &mut rstd };
            forward(shape, &x, affine, 1e-5, &mut y, &mut saved);
        });
        let saved = Saved { g: &y, x: &x, mean: &mean, rstd: &rstd, weight: None, training: true };
        let back = best(|| backward(shape, saved, &mut gx, &mut gweight, &mut gbias));
        print!("{:>16}", format!("{batch} x {channels} x {plane}"));
        for (seconds, arrays) in [(there, 2), (back, 3)] {
            print!(" {:>9.1} us {:>6.1} GB/s", seconds * 1e6, (arrays * size_of_val(&x[..])) as f64 / seconds / 1e9);
        }
        println!();
    }
}

fn best(mut run: impl FnMut()) -> f64 {
    let (mut best, started) = (f64::INFINITY, Instant::now());
    while started.elapsed().as_millis() < 200 {
        let now = Instant::now();
        run();
        best = best.min(now.elapsed().as_secs_f64());
    }
    best
}
