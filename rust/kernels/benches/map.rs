//! Speed of maps: nanoseconds per 1024 elements in the first-level cache, on one thread; GB/s read and written from
//! memory, on all. The best of many runs.
#![allow(clippy::cast_precision_loss, reason = "counts of bytes")]

use std::time::Instant;

use dlcore_kernels::copy::copy_slice;
use dlcore_kernels::layout::Strided;
use dlcore_kernels::map::{self, Binary, FloatUnary};
use dlcore_kernels::memory::Buffer;

/// Few enough to stay in the cache and on one thread.
const NEAR: usize = 2048;
const FAR: [usize; 2] = [4 << 20, 16 << 20];

fn main() {
    println!("{:>12} {:>12} {:>12} {:>12}", "", "ns per 1024", "GB/s of 4M", "GB/s of 16M");
    report("copy", 2, |[x, _], out| copy_slice(x, out));
    report("add", 3, |[x, y], out| {
        let flat = Strided { shape: &[x.len()], strides: &[1], offset: 0 };
        map::binary(Binary::Add, x, flat, y, flat, out);
    });
    for op in [
        FloatUnary::Exp,
        FloatUnary::Expm1,
        FloatUnary::Log,
        FloatUnary::Log2,
        FloatUnary::Log1p,
        FloatUnary::Tanh,
        FloatUnary::Sigmoid,
        FloatUnary::Softplus,
        FloatUnary::Gelu,
        FloatUnary::GeluTanh,
        FloatUnary::Silu,
        FloatUnary::Erf,
        FloatUnary::Rsqrt,
    ] {
        report(&format!("{op:?}"), 2, |[x, _], out| {
            map::float_unary(op, x, Strided { shape: &[x.len()], strides: &[1], offset: 0 }, out);
        });
    }
}

fn report(label: &str, operands: usize, run: impl Fn([&[f32]; 2], &mut [f32])) {
    let seconds = |len: usize| {
        let operand = || {
            let mut buffer = Buffer::uninit(len * size_of::<f32>());
            let values = (0..=u16::MAX).map(|i| f32::from(i.wrapping_mul(40503)) / 8192.0 - 4.0).cycle();
            buffer.as_mut_slice::<f32>().iter_mut().zip(values).for_each(|(x, value)| *x = value);
            buffer
        };
        let (x, y, mut out) = (operand(), operand(), operand());
        let repeat = (1 << 18) / len + 1;
        let (mut best, started) = (f64::INFINITY, Instant::now());
        while started.elapsed().as_millis() < 150 {
            let now = Instant::now();
            for _ in 0..repeat {
                run([x.as_slice(), y.as_slice()], out.as_mut_slice());
            }
            best = best.min(now.elapsed().as_secs_f64() / repeat as f64);
        }
        best
    };
    print!("{label:>12} {:>12.1}", seconds(NEAR) * 1e9 / NEAR as f64 * 1024.0);
    for len in FAR {
        print!(" {:>12.1}", (operands * len * size_of::<f32>()) as f64 / seconds(len) / 1e9);
    }
    println!();
}
