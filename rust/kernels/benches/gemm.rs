//! Speed of matrix products, printed as microseconds, GFLOP/s and the part of what registers alone reach: the best of
//! many runs. An argument picks the shapes whose name contains it.
#![allow(clippy::cast_precision_loss, clippy::many_single_char_names, reason = "counts of operations, usual names")]

use std::time::Instant;

use dlcore_kernels::gemm::{
    Gemm, GemmFloat, Matrix, Precision, batched, bfloat16, gemm, multiplies_bfloat16, set_precision,
};
use dlcore_kernels::half::Bf16;
use dlcore_kernels::memory::Buffer;
use dlcore_kernels::roofline;
use dlcore_kernels::stored::Stored;

fn main() {
    // The other precisions are those of the benchmark `precision`.
    set_precision(Precision::Ieee);
    let bench = Bench { wanted: std::env::args().skip(1).find(|x| !x.starts_with('-')) };
    println!("{:>30} {:>10} {:>9} {:>9}", "m x k x n", "us", "GFLOP/s", "of limit");
    for n in [32, 64, 72, 80, 90, 100, 127, 128, 160, 192, 224, 256, 300, 340, 400, 512, 1000, 1023, 1024, 2048] {
        bench.report::<f32>("", [n; 3]);
    }
    for shape in [
        [4, 8, 2],
        [1, 8, 4],
        [64, 784, 128],
        [64, 128, 64],
        [64, 64, 10],
        [128, 64, 784],
        [1, 1024, 1024],
        [1, 4096, 4096],
        [8, 4096, 4096],
        [2, 4096, 4096],
        [4, 4096, 4096],
        [14, 4096, 4096],
        [8, 4096, 11008],
        [8, 1000, 1000],
        [8, 768, 3072],
        [32, 768, 3072],
        [16, 1000, 1000],
        [24, 4096, 4096],
        [42, 4096, 4096],
        [16, 4096, 4096],
        [8, 640, 1024],
        [32, 4096, 4096],
        [1024, 784, 128],
        [127, 31, 301],
        [509, 1, 1023],
        [1023, 33, 1],
        [300, 300, 7],
        [7, 509, 1023],
        [512, 512, 512],
    ] {
        bench.report::<f32>("", shape);
        bench.report::<f32>("NT", shape);
        bench.report::<f32>("TN", shape);
    }
    bench.report::<f32>("96 of", [128, 64, 128]);
    for n in [256, 512, 1000, 1024, 2048, 3000, 4096] {
        bench.report_halves([n; 3]);
    }
    for shape in [[3072, 384, 384], [384, 384, 3072], [3072, 384, 1536], [3072, 1536, 384], [1536, 3072, 384]] {
        bench.report_halves(shape);
    }
    bench.report::<f64>("f64", [512; 3]);
    bench.report::<f64>("f64", [1024; 3]);
}

struct Bench {
    wanted: Option<String>,
}

impl Bench {
    /// bfloat16 matrices, beside the tiles' own limit.
    fn report_halves(&self, [m, k, n]: [usize; 3]) {
        let name = format!("bf16 {m} x {k} x {n}");
        if !multiplies_bfloat16() || self.wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            return;
        }
        let numbers = |len: usize| (0..13).cycle().take(len).map(|i| Bf16::store(i as f32)).collect::<Vec<_>>();
        let (a, b, mut c) = (numbers(m * k), numbers(k * n), numbers(m * n));
        let (mut times, started) = (Vec::new(), Instant::now());
        while times.len() < 5 || started.elapsed().as_millis() < 400 {
            let now = Instant::now();
            let problem = Gemm::new([m, k, n], Matrix::contiguous(&a, k), Matrix::contiguous(&b, n), &mut c);
            bfloat16(&[], &[], &[], problem);
            times.push(now.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let (flops, median) = (2.0 * (m * k * n) as f64, times[times.len() / 2]);
        let limit = roofline::bfloat16_flops().unwrap_or(f64::NAN);
        let (us, best, rate) = (median * 1e6, times[0] * 1e6, flops / median);
        println!("{name:>30} {us:>10.2} {:>9.1} {:>8.0}% (best {best:.2})", rate / 1e9, 100.0 * rate / limit);
    }

    fn report<T: GemmFloat>(&self, label: &str, [m, k, n]: [usize; 3]) {
        let name = format!("{label} {m} x {k} x {n}");
        if self.wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            return;
        }
        let count = if label == "96 of" { 96 } else { 1 };
        let numbers = |len: usize| {
            let mut buffer = Buffer::uninit(len * size_of::<T>());
            buffer.as_mut_slice().iter_mut().zip((0..13).cycle()).for_each(|(x, i)| *x = T::from_f64(f64::from(i)));
            buffer
        };
        let (a, b, mut c) = (numbers(count * m * k), numbers(count * k * n), numbers(count * m * n));
        let (a, b) = (a.as_slice::<T>(), b.as_slice::<T>());
        let (plain_a, plain_b) = (Matrix::contiguous(a, k), Matrix::contiguous(b, n));
        let a = if label == "TN" { Matrix::contiguous(a, m).transposed() } else { plain_a };
        let b = if label == "NT" { Matrix::contiguous(b, k).transposed() } else { plain_b };
        let flops = 2.0 * (count * m * k * n) as f64;
        let repeat = (1_000_000 / (count * m * k * n)).clamp(1, 1000);
        let (mut best, started) = (f64::INFINITY, Instant::now());
        while started.elapsed().as_millis() < 200 {
            let now = Instant::now();
            for _ in 0..repeat {
                let problem = Gemm::new([m, k, n], a, b, c.as_mut_slice::<T>());
                if count == 1 {
                    gemm(problem);
                } else {
                    batched(&[count], &[(m * k).cast_signed()], &[(k * n).cast_signed()], problem);
                }
            }
            best = best.min(now.elapsed().as_secs_f64() / repeat as f64);
        }
        let rate = flops / best;
        // Measured each time, as clocks change under load. Registers hold half as many float64.
        let limit = roofline::flops() * 4.0 / size_of::<T>() as f64;
        println!("{name:>30} {:>10.2} {:>9.1} {:>8.0}%", best * 1e6, rate / 1e9, 100.0 * rate / limit);
    }
}
