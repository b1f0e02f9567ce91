//! Forward and both gradients against plain loops in float64, over the options and their combinations.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::many_single_char_names,
    reason = "formulas over small numbers, and bits that must be equal"
)]

use super::{Conv2d, Images};
use crate::element::{Element, Float};
use crate::gemm::GemmFloat;
use crate::half::Bf16;
use crate::parallel::set_num_threads;
use crate::stored::Stored;

const BASE: Conv2d = Conv2d {
    n: 2,
    c_in: 3,
    h: 9,
    w: 8,
    c_out: 5,
    kh: 3,
    kw: 3,
    stride: [1, 1],
    padding: [0, 0],
    dilation: [1, 1],
    groups: 1,
};

fn numbers<T: Element>(len: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            T::from_f64((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
        })
        .collect()
}

/// All `(output, weight, input)` positions that meet in a convolution.
fn meetings(c: &Conv2d) -> Vec<[usize; 3]> {
    let (oh, ow) = c.out_size();
    let (inputs, outputs) = (c.c_in / c.groups, c.c_out / c.groups);
    let mut out = Vec::new();
    for n in 0..c.n {
        for o in 0..c.c_out {
            for (oy, ox) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
                for i in 0..inputs {
                    for (ky, kx) in (0..c.kh).flat_map(|y| (0..c.kw).map(move |x| (y, x))) {
                        let y = (oy * c.stride[0] + ky * c.dilation[0]).wrapping_sub(c.padding[0]);
                        let x = (ox * c.stride[1] + kx * c.dilation[1]).wrapping_sub(c.padding[1]);
                        if y < c.h && x < c.w {
                            let input = ((n * c.c_in + o / outputs * inputs + i) * c.h + y) * c.w + x;
                            let weight = ((o * inputs + i) * c.kh + ky) * c.kw + kx;
                            out.push([((n * c.c_out + o) * oh + oy) * ow + ox, weight, input]);
                        }
                    }
                }
            }
        }
    }
    out
}

fn close<T: Float>(what: &str, got: &[T], want: &[f64], size: &[f64]) {
    for (index, ((got, want), size)) in got.iter().zip(want).zip(size).enumerate() {
        let bound = 8.0 * T::EPSILON.to_f64() * (size + 1.0);
        assert!((got.to_f64() - want).abs() <= bound, "{what}: element {index}: {got:?}, not {want} within {bound}");
    }
}

/// Copies contiguous images of `shape` into a slice with the strides of a kind: gaps, channels last, flipped columns.
fn spread<T: Element>(kind: usize, data: &[T], [n, c, h, w]: [usize; 4]) -> (Vec<T>, usize, [isize; 4]) {
    let (strides, offset, len) = match kind {
        0 => ([c * h * (w + 3), h * (w + 3), w + 3, 1].map(usize::cast_signed), 0, n * c * h * (w + 3)),
        1 => ([h * w * c, 1, w * c, c].map(usize::cast_signed), 0, n * c * h * w),
        _ => {
            let [n_step, c_step, h_step] = [c * h * w, h * w, w].map(usize::cast_signed);
            ([n_step, c_step, h_step, -1], w.saturating_sub(1), n * c * h * w)
        }
    };
    let mut out = vec![T::ZERO; len + 1];
    for (index, &x) in data.iter().enumerate() {
        let at = [index / (c * h * w), index / (h * w) % c, index / w % h, index % w];
        let moved: isize = at.iter().zip(strides).map(|(&i, s)| i.cast_signed() * s).sum();
        out[offset.wrapping_add_signed(moved)] = x;
    }
    (out, offset, strides)
}

fn all_passes<T: GemmFloat>(c: &Conv2d) {
    let (oh, ow) = c.out_size();
    let x = numbers::<T>(c.n * c.c_in * c.h * c.w, 1);
    let w = numbers::<T>(c.c_out * c.c_in / c.groups * c.kh * c.kw, 2);
    let gy = numbers::<T>(c.n * c.c_out * oh * ow, 3);
    let bias = numbers::<T>(c.c_out, 4);
    let [mut want_y, mut want_w, mut want_x] = [vec![0.0; gy.len()], vec![0.0; w.len()], vec![0.0; x.len()]];
    let [mut size_y, mut size_w, mut size_x] = [want_y.clone(), want_w.clone(), want_x.clone()];
    for [o, k, i] in meetings(c) {
        let add = |want: &mut [f64], size: &mut [f64], at: usize, a: T, b: T| {
            want[at] += a.to_f64() * b.to_f64();
            size[at] += (a.to_f64() * b.to_f64()).abs();
        };
        add(&mut want_y, &mut size_y, o, w[k], x[i]);
        add(&mut want_w, &mut size_w, k, gy[o], x[i]);
        add(&mut want_x, &mut size_x, i, gy[o], w[k]);
    }
    let with_bias: Vec<f64> =
        want_y.iter().enumerate().map(|(at, y)| y + bias[at / (oh * ow) % c.c_out].to_f64()).collect();
    let (x_shape, y_shape) = ([c.n, c.c_in, c.h, c.w], [c.n, c.c_out, oh, ow]);
    for kind in 0..4 {
        let (x_spread, gy_spread) = (spread(kind, &x, x_shape), spread(kind, &gy, y_shape));
        let (x, gy) = if kind == 3 {
            (Images::contiguous(&x, [c.c_in, c.h, c.w]), Images::contiguous(&gy, [c.c_out, oh, ow]))
        } else {
            (
                Images { data: &x_spread.0, offset: x_spread.1, strides: x_spread.2 },
                Images { data: &gy_spread.0, offset: gy_spread.1, strides: gy_spread.2 },
            )
        };
        let what = format!("{c:?} strides {kind}");
        let mut y = vec![T::NAN; want_y.len()];
        c.forward(x, &w, None, &mut y);
        close(&what, &y, &want_y, &size_y);
        c.forward(x, &w, Some(&bias), &mut y);
        close(&what, &y, &with_bias, &size_y);
        let mut gx = vec![T::NAN; want_x.len()];
        c.grad_input(gy, &w, &mut gx);
        close(&what, &gx, &want_x, &size_x);
        let mut gw = vec![T::NAN; want_w.len()];
        c.grad_weight(gy, x, &mut gw);
        close(&what, &gw, &want_w, &size_w);
    }
}

#[test]
fn options_and_their_combinations() {
    for stride in [[1, 1], [2, 2], [3, 1], [1, 3]] {
        for padding in [[0, 0], [1, 1], [2, 0], [0, 3]] {
            for dilation in [[1, 1], [2, 1], [1, 3]] {
                for [kh, kw] in [[3, 3], [1, 1], [2, 3], [1, 2]] {
                    let c = Conv2d { kh, kw, stride, padding, dilation, ..BASE };
                    all_passes::<f32>(&c);
                    all_passes::<f64>(&Conv2d { c_in: 4, c_out: 6, groups: 2, ..c });
                    all_passes::<f32>(&Conv2d { c_in: 4, c_out: 4, groups: 4, ..c });
                    all_passes::<f64>(&Conv2d { c_in: 2, c_out: 6, groups: 2, ..c });
                }
            }
        }
    }
}

#[test]
fn networks() {
    let lenet = Conv2d { n: 3, c_in: 1, h: 28, w: 28, c_out: 32, kh: 5, kw: 5, ..BASE };
    all_passes::<f32>(&lenet);
    all_passes::<f32>(&Conv2d { c_in: 32, h: 12, w: 12, c_out: 64, ..lenet });
    all_passes::<f32>(&Conv2d { n: 40, c_in: 1, h: 8, w: 8, c_out: 16, padding: [1, 1], ..BASE });
    all_passes::<f64>(&Conv2d { n: 9, c_in: 40, h: 1, w: 70, c_out: 30, kh: 1, kw: 9, padding: [0, 4], ..BASE });
    all_passes::<f32>(&Conv2d { c_in: 33, h: 20, w: 40, c_out: 17, kh: 1, kw: 1, ..BASE });
    all_passes::<f32>(&Conv2d { c_in: 8, h: 31, w: 37, c_out: 40, stride: [2, 2], padding: [1, 1], ..BASE });
}

#[test]
fn depthwise() {
    let square = Conv2d { n: 2, c_in: 6, c_out: 6, groups: 6, h: 23, w: 37, padding: [1, 1], ..BASE };
    for c in [
        square,
        Conv2d { c_out: 12, h: 22, w: 16, ..square },
        Conv2d { h: 5, w: 300, padding: [2, 0], dilation: [1, 2], ..square },
        Conv2d { dilation: [2, 1], ..square },
        Conv2d { kh: 5, kw: 5, padding: [2, 2], ..square },
    ] {
        all_passes::<f32>(&c);
        all_passes::<f64>(&c);
    }
}

/// The three passes in float32 against those in float64, for shapes that are too large for the list of meetings.
fn against_float64(c: &Conv2d) {
    let (oh, ow) = c.out_size();
    let [x, w, gy] =
        [(c.n * c.c_in * c.h * c.w, 1), (c.c_out * c.c_in / c.groups * c.kh * c.kw, 2), (c.n * c.c_out * oh * ow, 3)]
            .map(|(len, seed)| numbers::<f32>(len, seed));
    let bias = numbers::<f32>(c.c_out, 4);
    let (x_shape, y_shape) = ([c.c_in, c.h, c.w], [c.c_out, oh, ow]);
    let wide = |of: fn(f64) -> f64| {
        let [x, w, gy, bias] =
            [&x, &w, &gy, &bias].map(|all| all.iter().map(|&x| of(f64::from(x))).collect::<Vec<_>>());
        let (x, gy) = (Images::contiguous(&x, x_shape), Images::contiguous(&gy, y_shape));
        let (mut y, mut gx, mut gw) = (vec![0.0; gy.data.len()], vec![0.0; x.data.len()], vec![0.0; w.len()]);
        c.forward(x, &w, Some(&bias), &mut y);
        c.grad_input(gy, &w, &mut gx);
        c.grad_weight(gy, x, &mut gw);
        [y, gx, gw]
    };
    let (want, size) = (wide(|x| x), wide(f64::abs));
    let [mut y, mut gx, mut gw] = [&gy, &x, &w].map(|like| vec![f32::NAN; like.len()]);
    let (x, gy) = (Images::contiguous(&x, x_shape), Images::contiguous(&gy, y_shape));
    c.forward(x, &w, Some(&bias), &mut y);
    c.grad_input(gy, &w, &mut gx);
    c.grad_weight(gy, x, &mut gw);
    for (pass, got) in [y, gx, gw].iter().enumerate() {
        close(&format!("{c:?} pass {pass}"), got, &want[pass], &size[pass]);
    }
}

/// Enough of everything for the routes in terms, where the machine has them: edges, strides, dilation, tails.
#[test]
fn many_channels() {
    let c = Conv2d { n: 4, c_in: 40, h: 13, w: 11, c_out: 33, padding: [1, 1], ..BASE };
    all_passes::<f32>(&c);
    all_passes::<f32>(&Conv2d { c_in: 24, c_out: 70, kh: 2, kw: 3, padding: [0, 2], dilation: [2, 1], ..c });
    against_float64(&Conv2d { n: 11, c_in: 64, h: 7, w: 7, c_out: 32, ..c });
    against_float64(&Conv2d { h: 25, w: 27, c_out: 230, stride: [2, 2], ..c });
    against_float64(&Conv2d { c_in: 128, h: 25, w: 27, c_out: 40, stride: [2, 2], ..c });
    against_float64(&Conv2d { n: 5, c_in: 32, h: 12, w: 12, c_out: 64, kh: 5, kw: 5, padding: [0, 0], ..c });
    against_float64(&Conv2d { c_in: 100, h: 40, w: 12, c_out: 86, stride: [3, 1], padding: [2, 0], ..c });
    against_float64(&Conv2d { n: 3, h: 1, w: 300, c_out: 52, kh: 1, kw: 5, padding: [0, 2], ..c });
    against_float64(&Conv2d { c_in: 256, h: 12, w: 14, c_out: 48, kh: 1, kw: 1, padding: [0, 0], ..c });
    against_float64(&Conv2d { n: 1, h: 30, w: 30, c_in: 200, c_out: 300, ..c });
}

/// Whether routes of windows that are read where they lie take a shape, forward and gradient of the weight; the bits of
/// what they then compute are those of the packed core.
#[cfg(target_arch = "x86_64")]
fn same_as_patches(c: &Conv2d) -> [bool; 2] {
    let (oh, ow) = c.out_size();
    let (x, w) = (numbers::<f32>(c.n * c.c_in * c.h * c.w, 1), numbers::<f32>(c.c_out * c.taps(), 2));
    let (gy, bias) = (numbers::<f32>(c.n * c.c_out * oh * ow, 3), numbers::<f32>(c.c_out, 4));
    let (x, gradient) = (Images::contiguous(&x, [c.c_in, c.h, c.w]), Images::contiguous(&gy, [c.c_out, oh, ow]));
    let [mut y, mut want_y, mut gw, mut want_gw] = [&gy, &gy, &w, &w].map(|like| vec![0.0; like.len()]);
    let forward = super::sliding::forward(c, x, &w, Some(&bias), &mut y);
    c.forward_of_patches(x, &w, Some(&bias), &mut want_y);
    assert!(!forward || y == want_y, "{c:?}");
    let weight = super::sliding_weight::grad_weight(c, gradient, x, &mut gw);
    c.grad_weight_of_patches(gradient, x, &mut want_gw);
    assert!(!weight || gw == want_gw, "gradient of the weight: {c:?}");
    [forward, weight]
}

/// Windows that are read where they lie: tiles and panels that are not whole, several blocks of k, parts of images and
/// several images in a task. The sums are those of the packed core.
#[test]
fn sliding_windows() {
    let c = Conv2d { n: 3, c_in: 20, h: 14, w: 15, c_out: 32, padding: [1, 1], ..BASE };
    for c in [
        c,
        Conv2d { n: 9, h: 6, w: 5, c_out: 46, ..c },
        Conv2d { n: 5, c_in: 40, h: 7, w: 7, c_out: 130, ..c },
        Conv2d { c_in: 3, h: 50, w: 61, kh: 7, kw: 7, stride: [2, 2], padding: [3, 3], ..c },
        Conv2d { h: 31, w: 29, c_in: 70, kh: 1, kw: 1, stride: [2, 2], padding: [0, 0], ..c },
        Conv2d { h: 40, w: 33, kh: 2, kw: 5, stride: [3, 1], padding: [0, 4], dilation: [1, 2], ..c },
        Conv2d { n: 2, h: 33, w: 40, c_out: 17, kh: 3, kw: 2, stride: [1, 3], padding: [2, 5], dilation: [4, 3], ..c },
        Conv2d { c_in: 36, c_out: 96, groups: 2, stride: [1, 2], ..c },
        Conv2d { n: 40, c_in: 33, h: 1, w: 60, kh: 1, kw: 3, padding: [0, 1], ..c },
        Conv2d { n: 1, c_in: 4, h: 3, w: 500, kh: 5, kw: 1, padding: [2, 0], ..c },
    ] {
        #[cfg(target_arch = "x86_64")]
        same_as_patches(&c);
        all_passes::<f32>(&c);
        all_passes::<f64>(&c);
    }
}

/// Windows whose elements lie so far apart that copies of what is between them would take gigabytes.
#[cfg(target_arch = "x86_64")]
#[test]
fn windows_of_far_elements_are_not_copied() {
    let far = 3000;
    let c = Conv2d { n: 4, c_in: 64, h: 8, w: 8, c_out: 32, padding: [far, far], dilation: [far, far], ..BASE };
    let (x, w) = (numbers::<f32>(4 * 64 * 64, 1), numbers::<f32>(32 * 64 * 9, 2));
    let gy = numbers::<f32>(4 * 32 * 64, 3);
    let (mut y, mut gw) = (vec![0.0; gy.len()], vec![0.0; w.len()]);
    let (x, gy) = (Images::contiguous(&x, [64, 8, 8]), Images::contiguous(&gy, [32, 8, 8]));
    assert!(!super::sliding::forward(&c, x, &w, None, &mut y));
    assert!(!super::sliding_weight::grad_weight(&c, gy, x, &mut gw));
    c.forward(x, &w, None, &mut y);
    // Of each window only the middle lies inside the image.
    let middle: f32 = numbers::<f32>(64 * 64, 1).chunks(64).zip(w.chunks(9)).map(|(x, w)| x[5] * w[4]).sum();
    assert!((y[5] - middle).abs() < 1e-3, "{} {middle}", y[5]);
}

/// Products that are normal numbers while those of their last terms are not.
#[test]
fn numbers_too_small_for_terms() {
    let c = Conv2d { n: 4, c_in: 40, h: 13, w: 11, c_out: 33, padding: [1, 1], ..BASE };
    let scaled = |len, seed, by: f32| numbers::<f32>(len, seed).into_iter().map(|x| x * by).collect::<Vec<_>>();
    let x = scaled(c.n * c.c_in * c.h * c.w, 1, 1e-12);
    let (w, gy) = (scaled(c.c_out * c.c_in * 9, 2, 1e-20), scaled(c.n * c.c_out * c.h * c.w, 3, 1e-20));
    let [mut want, mut size, mut want_w, mut size_w] = [&gy, &gy, &w, &w].map(|like| vec![0.0; like.len()]);
    for [o, k, i] in meetings(&c) {
        let (forward, gradient) = (f64::from(w[k]) * f64::from(x[i]), f64::from(gy[o]) * f64::from(x[i]));
        (want[o], size[o]) = (want[o] + forward, size[o] + forward.abs());
        (want_w[k], size_w[k]) = (want_w[k] + gradient, size_w[k] + gradient.abs());
    }
    let shape = [c.c_in, c.h, c.w];
    let (mut y, mut gw) = (vec![0.0; gy.len()], vec![0.0; w.len()]);
    c.forward(Images::contiguous(&x, shape), &w, None, &mut y);
    c.grad_weight(Images::contiguous(&gy, [c.c_out, c.h, c.w]), Images::contiguous(&x, shape), &mut gw);
    let pairs = y.iter().zip(want).zip(size).chain(gw.iter().zip(want_w).zip(size_w));
    for ((&got, want), size) in pairs {
        assert!((f64::from(got) - want).abs() <= 1e-6 * size, "{got}, not {want}");
    }
    // Infinity reaches the windows that see it, and no other.
    let mut x = numbers::<f32>(x.len(), 1);
    x[5 * c.w + 6] = f32::INFINITY;
    c.forward(Images::contiguous(&x, shape), &numbers::<f32>(w.len(), 2), None, &mut y);
    for (at, y) in y[..c.h * c.w].iter().enumerate() {
        let sees = (4..=6).contains(&(at / c.w)) && (5..=7).contains(&(at % c.w));
        assert_eq!(y.is_finite(), !sees, "{at}");
    }
}

#[test]
fn empty_and_smallest() {
    all_passes::<f32>(&Conv2d { n: 0, ..BASE });
    all_passes::<f32>(&Conv2d { h: 2, ..BASE });
    all_passes::<f32>(&Conv2d { c_out: 0, ..BASE });
    all_passes::<f32>(&Conv2d { c_in: 0, ..BASE });
    all_passes::<f32>(&Conv2d { n: 1, c_in: 1, c_out: 1, h: 1, w: 1, kh: 1, kw: 1, ..BASE });
    all_passes::<f32>(&Conv2d { h: 1, w: 1, padding: [1, 1], ..BASE });
    all_passes::<f32>(&Conv2d { h: 0, padding: [2, 0], ..BASE });
    all_passes::<f32>(&Conv2d { h: 1, w: 1, padding: [3, 3], stride: [5, 5], ..BASE });
}

#[test]
fn same_bits_at_any_thread_count() {
    for c in [
        Conv2d { n: 16, c_in: 1, h: 28, w: 28, c_out: 32, kh: 5, kw: 5, ..BASE },
        Conv2d { n: 8, c_in: 32, h: 12, w: 12, c_out: 64, kh: 5, kw: 5, stride: [2, 2], ..BASE },
        Conv2d { n: 4, c_in: 12, h: 40, w: 30, c_out: 12, groups: 12, ..BASE },
        Conv2d { n: 20, c_in: 32, h: 14, w: 14, c_out: 64, padding: [1, 1], ..BASE },
        Conv2d { n: 24, c_in: 128, h: 9, w: 9, c_out: 256, stride: [2, 2], padding: [1, 1], ..BASE },
    ] {
        let (oh, ow) = c.out_size();
        let x = numbers::<f32>(c.n * c.c_in * c.h * c.w, 1);
        let w = numbers::<f32>(c.c_out * c.c_in / c.groups * c.kh * c.kw, 2);
        let gy = numbers::<f32>(c.n * c.c_out * oh * ow, 3);
        let (images, gradients) =
            (Images::contiguous(&x, [c.c_in, c.h, c.w]), Images::contiguous(&gy, [c.c_out, oh, ow]));
        let run = |threads: usize| {
            let (mut y, mut gx, mut gw) = (vec![0.0; gy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            set_num_threads(threads);
            c.forward(images, &w, None, &mut y);
            c.grad_input(gradients, &w, &mut gx);
            c.grad_weight(gradients, images, &mut gw);
            [y, gx, gw]
        };
        let one = run(1);
        for threads in [2, 3, 7] {
            assert!(one == run(threads), "{c:?} with {threads} threads");
        }
    }
}

/// Numbers of bfloat16, and the same in float64.
fn bfloat16_numbers(len: usize, seed: u64) -> (Vec<Bf16>, Vec<f64>) {
    let numbers: Vec<_> = numbers::<f32>(len, seed).into_iter().map(Bf16::store).collect();
    let wide = numbers.iter().map(|x| f64::from(x.load())).collect();
    (numbers, wide)
}

/// The three passes in bfloat16 against those in float64. Says which of them this machine does that way.
fn bfloat16_passes(c: &Conv2d) -> [bool; 3] {
    let (oh, ow) = c.out_size();
    let (x, wide_x) = bfloat16_numbers(c.n * c.c_in * c.h * c.w, 1);
    let (w, wide_w) = bfloat16_numbers(c.c_out * c.taps(), 2);
    let (gy, wide_gy) = bfloat16_numbers(c.n * c.c_out * oh * ow, 3);
    let (bias, wide_bias) = bfloat16_numbers(c.c_out, 4);
    let (x_shape, y_shape) = ([c.n, c.c_in, c.h, c.w], [c.n, c.c_out, oh, ow]);
    let wide = |of: fn(f64) -> f64| {
        let [x, w, gy, bias] =
            [&wide_x, &wide_w, &wide_gy, &wide_bias].map(|all| all.iter().map(|&x| of(x)).collect::<Vec<_>>());
        let (x, gy) = (Images::contiguous(&x, [c.c_in, c.h, c.w]), Images::contiguous(&gy, [c.c_out, oh, ow]));
        let (mut y, mut gx, mut gw) = (vec![0.0; gy.data.len()], vec![0.0; x.data.len()], vec![0.0; w.len()]);
        c.forward(x, &w, Some(&bias), &mut y);
        c.grad_input(gy, &w, &mut gx);
        c.grad_weight(gy, x, &mut gw);
        [y, gx, gw]
    };
    let (want, size) = (wide(|x| x), wide(f64::abs));
    let mut done = [false; 3];
    for kind in 0..4 {
        let (x_spread, gy_spread) = (spread_bits(kind, &x, x_shape), spread_bits(kind, &gy, y_shape));
        let (images, gradient) = if kind == 3 {
            (Images::contiguous(&x, [c.c_in, c.h, c.w]), Images::contiguous(&gy, [c.c_out, oh, ow]))
        } else {
            (
                Images { data: &x_spread.0, offset: x_spread.1, strides: x_spread.2 },
                Images { data: &gy_spread.0, offset: gy_spread.1, strides: gy_spread.2 },
            )
        };
        let [mut y, mut gx, mut gw] = [&gy, &x, &w].map(|like| vec![Bf16(0x7fc0); like.len()]);
        let now = [
            c.forward_bfloat16(images, &w, Some(&bias), &mut y),
            c.grad_input_bfloat16(gradient, &w, &mut gx),
            c.grad_weight_bfloat16(gradient, images, &mut gw),
        ];
        assert!(kind == 0 || now == done, "{c:?}: the shape decides, not the strides");
        done = now;
        for (pass, got) in [y, gx, gw].iter().enumerate().filter(|&(pass, _)| now[pass]) {
            for (at, ((got, want), size)) in got.iter().zip(&want[pass]).zip(&size[pass]).enumerate() {
                // Products are exact, sums float32's, and one rounding keeps eight bits.
                let bound = want.abs() / 256.0 + 16.0 * f64::from(f32::EPSILON) * (size + 1.0);
                let got = f64::from(got.load());
                assert!(
                    (got - want).abs() <= bound,
                    "{c:?} strides {kind} pass {pass} element {at}: {got}, not {want}"
                );
            }
        }
    }
    done
}

fn spread_bits(kind: usize, data: &[Bf16], shape: [usize; 4]) -> (Vec<Bf16>, usize, [isize; 4]) {
    let bits: Vec<i32> = data.iter().map(|x| x.0.into()).collect();
    let (spread, offset, strides) = spread(kind, &bits, shape);
    (spread.into_iter().map(|bits| Bf16(u16::try_from(bits).unwrap())).collect(), offset, strides)
}

#[test]
fn bfloat16_options_and_their_combinations() {
    let mut all = [0; 3];
    for stride in [[1, 1], [2, 2], [3, 1]] {
        for padding in [[0, 0], [1, 1], [0, 3]] {
            for dilation in [[1, 1], [2, 1]] {
                for [kh, kw] in [[3, 3], [1, 1], [2, 3], [1, 2]] {
                    for [c_in, c_out] in [[3, 33], [40, 16]] {
                        let c = Conv2d { n: 2, h: 9, w: 18, c_in, c_out, kh, kw, stride, padding, dilation, ..BASE };
                        for (count, done) in all.iter_mut().zip(bfloat16_passes(&c)) {
                            *count += usize::from(done);
                        }
                    }
                }
            }
        }
    }
    #[cfg(target_arch = "x86_64")]
    if crate::gemm::multiplies_bfloat16() {
        assert!(all.iter().all(|&count| count >= 72), "{all:?} of 144");
    }
}

/// Groups of one channel are summed in float32 on every machine: from other strides, in strides, several outputs of an
/// input, and planes of several strips.
#[test]
fn bfloat16_depthwise() {
    let thin = Conv2d { c_in: 3, c_out: 3, groups: 3, ..BASE };
    for stride in [[1, 1], [2, 2], [3, 1]] {
        for padding in [[0, 0], [1, 1], [0, 3]] {
            for [kh, kw] in [[3, 3], [5, 5], [1, 2]] {
                for (c_out, dilation) in [(3, [1, 1]), (6, [2, 1])] {
                    let c = Conv2d { n: 2, h: 9, w: 18, c_out, kh, kw, stride, padding, dilation, ..thin };
                    assert_eq!(bfloat16_passes(&c), [true; 3], "{c:?}");
                }
            }
        }
    }
    bfloat16_passes(&Conv2d { n: 1, h: 300, w: 130, padding: [1, 1], ..thin });
    for c in [Conv2d { n: 0, ..thin }, Conv2d { h: 2, ..thin }, Conv2d { h: 7, w: 7, padding: [1, 1], ..thin }] {
        bfloat16_passes(&c);
    }
}

#[test]
fn bfloat16_networks_and_the_smallest() {
    let lenet = Conv2d { n: 3, c_in: 1, h: 28, w: 28, c_out: 32, kh: 5, kw: 5, ..BASE };
    bfloat16_passes(&lenet);
    bfloat16_passes(&Conv2d { c_in: 32, h: 12, w: 12, c_out: 64, ..lenet });
    bfloat16_passes(&Conv2d {
        n: 2,
        c_in: 3,
        h: 45,
        w: 38,
        c_out: 64,
        kh: 7,
        kw: 7,
        stride: [2, 2],
        padding: [3, 3],
        ..BASE
    });
    bfloat16_passes(&Conv2d { n: 2, c_in: 70, h: 33, w: 40, c_out: 96, padding: [1, 1], ..BASE });
    bfloat16_passes(&Conv2d { n: 11, c_in: 300, h: 7, w: 7, c_out: 260, padding: [1, 1], ..BASE });
    bfloat16_passes(&Conv2d { n: 5, c_in: 64, h: 1, w: 200, c_out: 52, kh: 1, kw: 5, padding: [0, 2], ..BASE });
    bfloat16_passes(&Conv2d { c_in: 96, h: 30, w: 14, c_out: 40, kh: 1, kw: 1, stride: [2, 2], ..BASE });
    bfloat16_passes(&Conv2d { c_in: 32, h: 5, w: 5, c_out: 32, padding: [4, 4], ..BASE });
    for c in [
        Conv2d { n: 0, ..BASE },
        Conv2d { h: 2, ..BASE },
        Conv2d { c_out: 0, ..BASE },
        Conv2d { c_in: 0, ..BASE },
        Conv2d { n: 64, h: 1, w: 1, c_in: 64, c_out: 64, padding: [1, 1], ..BASE },
        Conv2d { n: 64, h: 1, w: 1, c_in: 64, c_out: 64, kh: 1, kw: 1, ..BASE },
        Conv2d { h: 0, padding: [2, 0], ..BASE },
        Conv2d { n: 64, c_in: 32, c_out: 32, h: 1, w: 1, padding: [3, 3], stride: [5, 5], ..BASE },
        Conv2d { c_in: 4, c_out: 6, groups: 2, h: 40, w: 40, ..BASE },
    ] {
        bfloat16_passes(&c);
    }
}

/// A number that is infinite makes no other weight's gradient than those that see it NaN: such a gradient is left to float32.
#[test]
fn bfloat16_infinities_are_left() {
    let c = Conv2d { n: 4, c_in: 40, h: 13, w: 11, c_out: 33, ..BASE };
    let (oh, ow) = c.out_size();
    let (mut x, _) = bfloat16_numbers(c.n * c.c_in * c.h * c.w, 1);
    let (gy, _) = bfloat16_numbers(c.n * c.c_out * oh * ow, 3);
    let mut gw = vec![Bf16(0); c.c_out * c.taps()];
    x[0] = Bf16::store(f32::INFINITY);
    let (images, gradient) = (Images::contiguous(&x, [c.c_in, c.h, c.w]), Images::contiguous(&gy, [c.c_out, oh, ow]));
    if c.grad_weight_bfloat16(gradient, images, &mut gw) {
        assert!(gw.iter().all(|x| !x.load().is_nan()));
    }
}

#[test]
fn bfloat16_has_the_same_bits_at_any_thread_count() {
    for c in [
        Conv2d { n: 16, c_in: 1, h: 28, w: 28, c_out: 32, kh: 5, kw: 5, ..BASE },
        Conv2d { n: 20, c_in: 32, h: 14, w: 14, c_out: 64, padding: [1, 1], ..BASE },
        Conv2d { n: 1, c_in: 64, h: 56, w: 56, c_out: 64, padding: [1, 1], ..BASE },
        Conv2d { n: 24, c_in: 128, h: 9, w: 9, c_out: 256, stride: [2, 2], padding: [1, 1], ..BASE },
        Conv2d { n: 8, c_in: 64, h: 28, w: 28, c_out: 64, groups: 64, padding: [1, 1], ..BASE },
    ] {
        let (oh, ow) = c.out_size();
        let (x, w, gy) = (
            bfloat16_numbers(c.n * c.c_in * c.h * c.w, 1).0,
            bfloat16_numbers(c.c_out * c.taps(), 2).0,
            bfloat16_numbers(c.n * c.c_out * oh * ow, 3).0,
        );
        let (images, gradient) =
            (Images::contiguous(&x, [c.c_in, c.h, c.w]), Images::contiguous(&gy, [c.c_out, oh, ow]));
        let run = |threads: usize| {
            let [mut y, mut gx, mut gw] = [&gy, &x, &w].map(|like| vec![Bf16(0); like.len()]);
            set_num_threads(threads);
            let done = [
                c.forward_bfloat16(images, &w, None, &mut y),
                c.grad_input_bfloat16(gradient, &w, &mut gx),
                c.grad_weight_bfloat16(gradient, images, &mut gw),
            ];
            (done, [y, gx, gw].concat().iter().map(|x| x.0).collect::<Vec<_>>())
        };
        let one = run(1);
        for threads in [2, 3, 7] {
            assert!(one == run(threads), "{c:?} with {threads} threads");
        }
    }
}
