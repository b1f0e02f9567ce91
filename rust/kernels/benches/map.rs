//! Speed of maps: nanoseconds per 1024 elements in the first-level cache, on one thread; GB/s read and written from
//! memory, on all. The best of many runs. An argument picks the maps whose names hold it.
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
    report("copy", 2, -2.0, |[x, _], out| copy_slice(x, out));
    report("add", 3, -2.0, |[x, y], out| map::binary(Binary::Add, x, flat(&x.len()), y, flat(&y.len()), out));
    report("pow", 3, 0.1, |[x, y], out| map::binary(Binary::Pow, x, flat(&x.len()), y, flat(&y.len()), out));
    for (op, from) in [
        (FloatUnary::Exp, -2.0),
        (FloatUnary::Expm1, -2.0),
        (FloatUnary::Log, 0.1),
        (FloatUnary::Log2, 0.1),
        (FloatUnary::Log10, 0.1),
        (FloatUnary::Log1p, -0.9),
        (FloatUnary::Tanh, -2.0),
        (FloatUnary::Sigmoid, -2.0),
        (FloatUnary::Softplus, -2.0),
        (FloatUnary::Gelu, -2.0),
        (FloatUnary::GeluTanh, -2.0),
        (FloatUnary::Silu, -2.0),
        (FloatUnary::Erf, -2.0),
        (FloatUnary::Asinh, -2.0),
        (FloatUnary::Rsqrt, 0.1),
    ] {
        report(&format!("{op:?}"), 2, from, |[x, _], out| map::float_unary(op, x, flat(&x.len()), out));
    }
    report("Sin", 2, -2.0, |[x, _], out| map::sin(x, flat(&x.len()), out));
    report("Cos", 2, -2.0, |[x, _], out| map::cos(x, flat(&x.len()), out));
    report("Tan", 2, -2.0, |[x, _], out| map::tan(x, flat(&x.len()), out));
}

fn flat(len: &usize) -> Strided<'_> {
    Strided { shape: std::slice::from_ref(len), strides: &[1], offset: 0 }
}

/// For operands that are spread over the four units from `from` on.
fn report(label: &str, operands: usize, from: f32, run: impl Fn([&[f32]; 2], &mut [f32])) {
    if std::env::args().skip(1).any(|picked| !picked.starts_with('-') && !label.contains(&picked)) {
        return;
    }
    let seconds = |len: usize| {
        let operand = || {
            let mut buffer = Buffer::uninit(len * size_of::<f32>());
            let values = (0..=u16::MAX).map(|i| f32::from(i.wrapping_mul(40503)) / 16384.0 + from).cycle();
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
