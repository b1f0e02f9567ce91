//! Speed of matrix products, printed as microseconds and GFLOP/s: the best of many runs.
#![allow(clippy::cast_precision_loss, clippy::many_single_char_names, reason = "counts of operations, usual names")]

use std::time::Instant;

use dlcore_kernels::gemm::{Gemm, GemmFloat, Matrix, gemm};

fn main() {
    println!("{:>24} {:>10} {:>9}", "m x k x n", "us", "GFLOP/s");
    for n in [64, 72, 80, 90, 100, 128, 160, 192, 224, 256, 300, 340, 400, 512, 1024, 2048] {
        report::<f32>("", [n; 3], false);
    }
    for shape in [
        [4, 8, 2],
        [1, 8, 4],
        [64, 784, 128],
        [64, 128, 64],
        [64, 64, 10],
        [128, 64, 784],
        [1, 1024, 1024],
        [8, 4096, 4096],
        [2, 4096, 4096],
        [32, 4096, 4096],
        [1024, 784, 128],
        [127, 31, 301],
    ] {
        report::<f32>("", shape, false);
        report::<f32>("NT", shape, true);
    }
    report::<f64>("f64", [512; 3], false);
    report::<f64>("f64", [1024; 3], false);
}

fn report<T: GemmFloat>(label: &str, [m, k, n]: [usize; 3], transposed: bool) {
    let numbers = |len: usize| -> Vec<T> { (0..13u8).cycle().take(len).map(|i| T::cast_from(i)).collect() };
    let (a, b) = (numbers(m * k), numbers(k * n));
    let mut c = vec![T::ZERO; m * n];
    let a = Matrix::contiguous(&a, k);
    let b = if transposed { Matrix::contiguous(&b, k).transposed() } else { Matrix::contiguous(&b, n) };
    let flops = 2.0 * (m * k * n) as f64;
    let repeat = (1_000_000 / (m * k * n)).clamp(1, 1000);
    let (mut best, started) = (f64::INFINITY, Instant::now());
    while started.elapsed().as_millis() < 200 {
        let now = Instant::now();
        for _ in 0..repeat {
            gemm(Gemm::new([m, k, n], a, b, &mut c));
        }
        best = best.min(now.elapsed().as_secs_f64() / repeat as f64);
    }
    println!("{:>24} {:>10.2} {:>9.1}", format!("{label} {m} x {k} x {n}"), best * 1e6, flops / best / 1e9);
}
