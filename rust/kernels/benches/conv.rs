//! Speed of convolutions, printed as microseconds and GFLOP/s of each pass, and then those of bfloat16 where this machine
//! has a route for it: the best of many runs.
#![allow(clippy::cast_precision_loss, reason = "counts of operations")]

use std::time::Instant;

use dlcore_kernels::conv::{Conv2d, Images};
use dlcore_kernels::half::Bf16;
use dlcore_kernels::stored::Stored;

const DIGITS: Conv2d = Conv2d {
    n: 64,
    c_in: 1,
    h: 8,
    w: 8,
    c_out: 16,
    kh: 3,
    kw: 3,
    stride: [1, 1],
    padding: [1, 1],
    dilation: [1, 1],
    groups: 1,
};

fn main() {
    let lenet = Conv2d { h: 28, w: 28, c_out: 32, kh: 5, kw: 5, padding: [0, 0], ..DIGITS };
    let residual = Conv2d { n: 4, c_in: 64, h: 56, w: 56, c_out: 64, ..DIGITS };
    println!("{:>16} {:>24} {:>24} {:>24}", "", "forward", "gradient of input", "gradient of weight");
    report("digits 1", &DIGITS);
    report("digits 2", &Conv2d { c_in: 16, c_out: 32, ..DIGITS });
    report("lenet 1", &lenet);
    report("lenet 2", &Conv2d { c_in: 32, h: 12, w: 12, c_out: 64, ..lenet });
    report("3x3", &residual);
    report("3x3 stride 2", &Conv2d { c_out: 128, stride: [2, 2], ..residual });
    report("1x1", &Conv2d { c_out: 256, kh: 1, kw: 1, padding: [0, 0], ..residual });
    report("depthwise", &Conv2d { groups: 64, ..residual });
    report("digits 28", &Conv2d { h: 28, w: 28, c_out: 32, ..DIGITS });
    report("digits 14", &Conv2d { c_in: 32, h: 14, w: 14, c_out: 64, ..DIGITS });
    report("digits 7", &Conv2d { c_in: 64, h: 7, w: 7, c_out: 128, ..DIGITS });
    let eight = Conv2d { n: 8, ..residual };
    report("7x7 s2 224", &Conv2d { c_in: 3, h: 224, w: 224, kh: 7, kw: 7, stride: [2, 2], padding: [3, 3], ..eight });
    report("3x3 64 56", &eight);
    report("1x1 256 64", &Conv2d { c_in: 256, kh: 1, kw: 1, padding: [0, 0], ..eight });
    report("1x1 64 256", &Conv2d { c_out: 256, kh: 1, kw: 1, padding: [0, 0], ..eight });
    report("3x3 s2 128", &Conv2d { c_in: 128, c_out: 128, stride: [2, 2], ..eight });
    report("3x3 512 7", &Conv2d { c_in: 512, c_out: 512, h: 7, w: 7, ..eight });
    report("depthwise 144", &Conv2d { c_in: 144, c_out: 144, groups: 144, ..eight });
    report("dw 144 s2", &Conv2d { c_in: 144, c_out: 144, groups: 144, stride: [2, 2], ..eight });
    report("1d k5 64 128", &Conv2d { n: 16, c_out: 128, h: 1, w: 1024, kh: 1, kw: 5, padding: [0, 2], ..eight });
}

fn report(label: &str, conv: &Conv2d) {
    // An argument picks the lines that hold it; cargo adds one of its own.
    if std::env::args().skip(1).any(|only| !only.starts_with('-') && !label.contains(&only)) {
        return;
    }
    let (oh, ow) = conv.out_size();
    let numbers = |len: usize| -> Vec<f32> { (0..13u8).cycle().take(len).map(|i| f32::from(i) - 6.0).collect() };
    let x = numbers(conv.n * conv.c_in * conv.h * conv.w);
    let w = numbers(conv.c_out * conv.c_in / conv.groups * conv.kh * conv.kw);
    let gy = numbers(conv.n * conv.c_out * oh * ow);
    let (mut y, mut gx, mut gw) = (gy.clone(), x.clone(), w.clone());
    let images = Images::contiguous(&x, [conv.c_in, conv.h, conv.w]);
    let gradient = Images::contiguous(&gy, [conv.c_out, oh, ow]);
    let flops = 2.0 * (gy.len() * conv.c_in / conv.groups * conv.kh * conv.kw) as f64;
    let forward = best(|| conv.forward(images, &w, None, &mut y));
    let grad_input = best(|| conv.grad_input(gradient, &w, &mut gx));
    let grad_weight = best(|| conv.grad_weight(gradient, images, &mut gw));
    let print = |label: &str, passes: [f64; 3]| {
        print!("{label:>16}");
        for seconds in passes {
            print!(" {:>9.1} us {:>6.1} GF/s", seconds * 1e6, flops / seconds / 1e9);
        }
        println!();
    };
    print(label, [forward, grad_input, grad_weight]);
    let [x, w, gy] = [&x, &w, &gy].map(|all| all.iter().map(|&x| Bf16::store(x)).collect::<Vec<_>>());
    let (mut y, mut gx, mut gw) = (gy.clone(), x.clone(), w.clone());
    let images = Images::contiguous(&x, [conv.c_in, conv.h, conv.w]);
    let gradient = Images::contiguous(&gy, [conv.c_out, oh, ow]);
    if conv.forward_bfloat16(images, &w, None, &mut y)
        && conv.grad_input_bfloat16(gradient, &w, &mut gx)
        && conv.grad_weight_bfloat16(gradient, images, &mut gw)
    {
        let forward = best(|| _ = conv.forward_bfloat16(images, &w, None, &mut y));
        let grad_input = best(|| _ = conv.grad_input_bfloat16(gradient, &w, &mut gx));
        let grad_weight = best(|| _ = conv.grad_weight_bfloat16(gradient, images, &mut gw));
        print("bfloat16", [forward, grad_input, grad_weight]);
    }
}

fn best(mut run: impl FnMut()) -> f64 {
    let (mut best, started) = (f64::INFINITY, Instant::now());
    while started.elapsed().as_millis() < 100 {
        let now = Instant::now();
        run();
        best = best.min(now.elapsed().as_secs_f64());
    }
    best
}
