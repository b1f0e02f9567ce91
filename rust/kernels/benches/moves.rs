//! Speed of copies and reductions of large float32 tensors, beside what memory gives in the same run: the best of many
//! runs, as milliseconds, bytes that must move a second, and percent of the limit.
#![allow(clippy::cast_precision_loss, reason = "counts of bytes")]

use std::hint::black_box;
use std::time::Instant;

use dlcore_kernels::copy;
use dlcore_kernels::layout::Strided;
use dlcore_kernels::memory::Buffer;
use dlcore_kernels::reduce::{self, Extreme, Split};
use dlcore_kernels::roofline::{copy_bandwidth, read_bandwidth};
use dlcore_kernels::scan::{Scan, scan};
use dlcore_kernels::sort::{sort, topk};

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for (rows, columns) in [(4096, 4096), (4096, 10000), (1024, 1024), (1000, 1000), (1_000_000, 3)] {
        let bytes = rows * columns * size_of::<f32>();
        let (read, copied) = (read_bandwidth(bytes), copy_bandwidth(2 * bytes));
        println!("{rows} x {columns}: memory reads {:.1} and copies {:.1} GB/s", read / 1e9, copied / 1e9);
        let mut x = Buffer::uninit(bytes);
        let x = x.as_mut_slice::<f32>();
        noise(x);
        let report = |name: &str, bytes: usize, limit: f64, run: &mut dyn FnMut()| {
            if !name.contains(&wanted) && wanted != "--bench" {
                return;
            }
            let seconds = best(run);
            let rate = bytes as f64 / seconds;
            let percent = 100.0 * rate / limit;
            println!("{name:>24} {:>9.3} ms {:>6.1} GB/s {percent:>5.0} %", seconds * 1e3, rate / 1e9);
        };
        let x = &*x;
        let flat = Split { kept: &[], kept_strides: &[], reduced: &[x.len()], reduced_strides: &[1], offset: 0 };
        let step = [columns.cast_signed()];
        let by_row =
            Split { kept: &[rows], kept_strides: &step, reduced: &[columns], reduced_strides: &[1], offset: 0 };
        let by_column =
            Split { kept: &[columns], kept_strides: &[1], reduced: &[rows], reduced_strides: &step, offset: 0 };
        for (along, split) in [("all", flat), ("rows", by_row), ("columns", by_column)] {
            let (mut out, mut at) = (vec![0f32; split.outputs()], vec![0i64; split.outputs()]);
            report(&format!("sum {along}"), bytes, read, &mut || reduce::sum(x, split, &mut out));
            report(&format!("max {along}"), bytes, read, &mut || reduce::extreme(Extreme::Max, x, split, &mut out));
            report(&format!("argmax {along}"), bytes, read, &mut || reduce::argmax(x, split, &mut at));
        }
        let mut y = Buffer::uninit(bytes);
        let y = y.as_mut_slice::<f32>();
        let (shape, strides) = ([columns, rows], [1, step[0]]);
        let transposed = Strided { shape: &shape, strides: &strides, offset: 0 };
        report("transposed copy", 2 * bytes, copied, &mut || copy::copy(x, transposed, y));
        for (name, rows, columns) in [("rows", columns, 1), ("columns", rows, columns)] {
            report(&format!("cumsum {name}"), 2 * bytes, copied, &mut || scan(Scan::Sum, x, rows, columns, y));
        }
        let (mut top, mut at) = (vec![0f32; rows * 10], vec![0i64; rows * 10]);
        if columns >= 10 {
            report("topk 10", bytes, read, &mut || topk(x, columns, 10, true, &mut top, &mut at));
        }
        if x.len() <= 1 << 20 {
            let mut at = vec![0i64; x.len()];
            report("sort all", 4 * bytes, copied, &mut || sort(x, x.len(), false, y, &mut at));
            report("sort rows", 4 * bytes, copied, &mut || sort(x, columns, false, y, &mut at));
        }
        black_box(y);
    }
}

fn noise(x: &mut [f32]) {
    let mut state = 1u32;
    for x in x {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *x = (state >> 8) as f32 / 8_388_608.0 - 1.0;
    }
}

fn best(run: &mut dyn FnMut()) -> f64 {
    let (mut best, started) = (f64::INFINITY, Instant::now());
    while started.elapsed().as_millis() < 200 {
        let now = Instant::now();
        run();
        best = best.min(now.elapsed().as_secs_f64());
    }
    best
}
