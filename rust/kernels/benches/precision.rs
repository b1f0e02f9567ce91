//! Speed of float32 matrix products in each precision, printed as microseconds and GFLOP/s: the best of many runs,
//! the precisions in turn. An argument picks the shapes whose name contains it; with "cold" among the arguments each
//! product has other operands, from memory that no core is near.
#![allow(clippy::cast_precision_loss, clippy::many_single_char_names, reason = "counts of operations, usual names")]

use std::time::Instant;

use dlcore_kernels::gemm::{Gemm, Matrix, Precision, gemm, set_precision};
use dlcore_kernels::memory::Buffer;

const PRECISIONS: [Precision; 4] = [Precision::Ieee, Precision::Highest, Precision::High, Precision::Medium];

fn main() {
    let wanted = std::env::args().skip(1).find(|x| !x.starts_with('-') && x != "cold");
    println!("{:>20} {:>40}", "m x k x n", format!("us and GFLOP/s of {PRECISIONS:?}"));
    let squares = [32, 48, 64, 96, 128, 192, 256, 384, 512, 1000, 1024, 2048].map(|n| [n; 3]);
    let others = [
        [64, 784, 128],
        [1024, 784, 128],
        [128, 1024, 784],
        [32, 1024, 1024],
        [8, 4096, 4096],
        [128, 64, 128],
        [127, 31, 301],
        [64, 64, 20_000],
        [64, 20_000, 64],
        // A small transformer's layers, and their gradients.
        [768, 128, 128],
        [768, 128, 384],
        [768, 512, 128],
        [128, 768, 512],
        [512, 768, 128],
    ];
    for shape in squares.into_iter().chain(others) {
        for kind in ["NN", "NT", "TN"] {
            let name = format!("{kind} {} x {} x {}", shape[0], shape[1], shape[2]);
            if wanted.as_ref().is_none_or(|wanted| name.contains(wanted)) {
                report(&name, kind, shape);
            }
        }
    }
}

fn report(name: &str, kind: &str, [m, k, n]: [usize; 3]) {
    let copies = if std::env::args().any(|x| x == "cold") { 6_000_000 / (m * k + k * n + m * n) + 1 } else { 1 };
    let numbers = |len: usize| {
        let mut buffer = Buffer::uninit(copies * len * size_of::<f32>());
        buffer.as_mut_slice().iter_mut().zip((0..13_u8).cycle()).for_each(|(x, i)| *x = f32::from(i));
        buffer
    };
    let (all_a, all_b, mut all_c) = (numbers(m * k), numbers(k * n), numbers(m * n));
    let (all_a, all_b, all_c) = (all_a.as_slice::<f32>(), all_b.as_slice::<f32>(), all_c.as_mut_slice::<f32>());
    let repeat = (20_000_000 / (m * k * n)).clamp(1, 1000).max(copies);
    let mut best = [f64::INFINITY; PRECISIONS.len()];
    let started = Instant::now();
    while started.elapsed().as_millis() < 400 {
        for (best, precision) in best.iter_mut().zip(PRECISIONS) {
            set_precision(precision);
            let now = Instant::now();
            for copy in (0..copies).cycle().take(repeat) {
                let (a, b) = (&all_a[copy * m * k..][..m * k], &all_b[copy * k * n..][..k * n]);
                let a = if kind == "TN" { Matrix::contiguous(a, m).transposed() } else { Matrix::contiguous(a, k) };
                let b = if kind == "NT" { Matrix::contiguous(b, k).transposed() } else { Matrix::contiguous(b, n) };
                gemm(Gemm::new([m, k, n], a, b, &mut all_c[copy * m * n..][..m * n]));
            }
            *best = best.min(now.elapsed().as_secs_f64() / repeat as f64);
        }
    }
    let flops = 2.0 * (m * k * n) as f64;
    let columns = best.map(|s| format!("{:>10.1} {:>7.0}", s * 1e6, flops / s / 1e9));
    println!("{name:>20} {}", columns.join(""));
}
