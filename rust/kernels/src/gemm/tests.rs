//! Every route, microkernel and ISA against a float64 reference, and against each other bit for bit.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::many_single_char_names,
    reason = "formulas over small numbers, and bits that must be equal"
)]

use super::*;
use crate::element::Element;
use crate::parallel::set_num_threads;

/// Numbers in -1..1 that repeat from run to run.
pub(super) fn numbers<T: Element>(len: usize, seed: u64) -> Vec<T> {
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

pub(super) fn at<T: Element>(m: Matrix<'_, T>, i: usize, j: usize) -> f64 {
    let moved = i.cast_signed() * m.row_stride + j.cast_signed() * m.col_stride;
    m.data[m.offset.wrapping_add_signed(moved)].to_f64()
}

/// The product in float64 and the bound on its error: `c sqrt(k) eps |a| |b|`, plus what the start adds.
fn reference<T: Float>([m, k, n]: [usize; 3], a: Matrix<'_, T>, b: Matrix<'_, T>) -> Vec<(f64, f64)> {
    let mut out = Vec::new();
    for i in 0..m {
        for j in 0..n {
            let (mut sum, mut aa, mut bb) = (0.0, 0.0, 0.0);
            for p in 0..k {
                let (x, y) = (at(a, i, p), at(b, p, j));
                sum += x * y;
                aa += x * x;
                bb += y * y;
            }
            let bound = 4.0 * T::EPSILON.to_f64() * (((k as f64).sqrt() + 1.0) * (aa * bb).sqrt() + 4.0);
            out.push((sum, bound));
        }
    }
    out
}

fn check<T: Float>(what: &str, got: &[T], want: &[(f64, f64)], finish: impl Fn(usize, f64) -> f64) {
    assert_eq!(got.len(), want.len());
    for (index, (&got, &(want, bound))) in got.iter().zip(want).enumerate() {
        let want = finish(index, want);
        assert!((got.to_f64() - want).abs() <= bound, "{what}: element {index}: {got:?}, not {want}, bound {bound}");
    }
}

/// A matrix of `rows` by `cols` in one of six layouts: plain, transposed, padded rows, negative rows, negative columns
/// (transposed), every second column.
pub(super) fn layout<T>(kind: usize, data: &[T], rows: usize, cols: usize) -> Matrix<'_, T> {
    let (r, c) = (rows.cast_signed(), cols.cast_signed());
    let (offset, row_stride, col_stride) = match kind {
        0 => (0, c, 1),
        1 => (0, 1, r),
        2 => (3, c + 5, 1),
        3 => (rows.saturating_sub(1) * cols, -c, 1),
        4 => (rows * cols.saturating_sub(1), 1, -r),
        _ => (1, 2 * c, 2),
    };
    Matrix { data, offset, row_stride, col_stride }
}

fn product<T: GemmFloat>([m, k, n]: [usize; 3], a_kind: usize, b_kind: usize) {
    let (a, b) = (numbers::<T>(2 * m * k + 8 * m + 8, 1), numbers::<T>(2 * k * n + 8 * k + 8, 2));
    let (a, b) = (layout(a_kind, &a, m, k), layout(b_kind, &b, k, n));
    let want = reference([m, k, n], a, b);
    let what = format!("{m}x{k}x{n} layouts {a_kind} {b_kind}");
    let mut c = vec![T::NAN; m * n];
    gemm(Gemm::new([m, k, n], a, b, &mut c));
    check(&what, &c, &want, |_, x| x);
    let (rows, cols) = (numbers::<T>(m, 3), numbers::<T>(n, 4));
    let start = numbers::<T>(m * n, 5);
    let mut c = start.clone();
    let bias = Bias::PerRow(&rows);
    let epilogue = Epilogue { bias, activation: Activation::Relu, ..Epilogue::default() };
    gemm(Gemm { epilogue, accumulate: true, ..Gemm::new([m, k, n], a, b, &mut c) });
    check(&what, &c, &want, |i, x| (start[i].to_f64() + x + rows[i / n].to_f64()).max(0.0));
    let epilogue = Epilogue { bias: Bias::PerColumn(&cols), ..Epilogue::default() };
    gemm(Gemm { epilogue, ..Gemm::new([m, k, n], a, b, &mut c) });
    check(&what, &c, &want, |i, x| x + cols[i % n].to_f64());
}

#[test]
fn every_tail() {
    for m in 1..=40 {
        for n in 1..=40 {
            product::<f32>([m, (m * 7 + n) % 19, n], (m + n) % 6, (m * 3 + n) % 6);
        }
    }
    for m in 1..=30 {
        for n in 1..=20 {
            product::<f64>([m, (m * 5 + n) % 11, n], (m + n) % 6, (m * 3 + n) % 6);
        }
    }
}

#[test]
fn every_layout_at_every_size() {
    for shape in [[33, 129, 70], [100, 321, 65], [130, 700, 131], [3, 1000, 200], [1, 700, 300], [300, 700, 1]] {
        for kind in 0..36 {
            product::<f32>(shape, kind / 6, kind % 6);
        }
    }
    // Little more than writing C; matrix times vector.
    for kind in 0..36 {
        product::<f32>([37, 1 + kind % 4, 65 + 61 * kind % 150], kind / 6, kind % 6);
        product::<f64>([90, 1 + kind % 4, 1130], kind / 6, kind % 6);
        product::<f32>([77, 1 + 7 * kind, 1], kind / 6, kind % 6);
    }
    // Few rows by a matrix that no cache near the core holds; a square that two tasks share, each with its own panels.
    for kind in [0, 2, 3, 1] {
        product::<f32>([5, 650, 611], 0, kind);
        product::<f32>([14, 333, 1030], 1, kind);
        product::<f64>([3, 500, 600], 5, kind);
        product::<f32>([16, 330, 1000], 1, kind);
        product::<f32>([110, 110, 110], kind, 0);
    }
    product::<f32>([513, 650, 517], 0, 1);
    product::<f64>([200, 641, 260], 1, 0);
    product::<f64>([1, 400, 260], 1, 0);
}

#[test]
fn split_k() {
    for kind in 0..4 {
        product::<f32>([5, 20_001, 7], kind / 2, kind % 2);
        product::<f64>([10, 9_000, 33], kind / 2, kind % 2);
        // Dot products in pieces.
        product::<f32>([1, 100_003, 1], kind / 2, kind % 2);
        product::<f64>([1, 70_001, 5], kind / 2, kind % 2);
        product::<f32>([70, 33_000, 1], kind / 2, kind % 2);
    }
}

#[test]
fn nothing() {
    for [m, k, n] in [[0, 3, 4], [4, 0, 3], [4, 3, 0], [0, 0, 0], [1, 0, 1], [40, 0, 50]] {
        product::<f32>([m, k, n], 0, 0);
    }
}

#[test]
fn rows_of_c_apart() {
    let (a, b) = (numbers::<f32>(50 * 30, 1), numbers::<f32>(30 * 45, 2));
    let (a, b) = (Matrix::contiguous(&a, 30), Matrix::contiguous(&b, 45));
    let want = reference([50, 30, 45], a, b);
    let mut c = vec![7.0; 50 * 60];
    gemm(Gemm { c_row_stride: 60, ..Gemm::new([50, 30, 45], a, b, &mut c) });
    let (inside, outside): (Vec<_>, Vec<_>) = (0..50 * 60).partition(|i| i % 60 < 45);
    let inside: Vec<f32> = inside.into_iter().map(|i| c[i]).collect();
    check("inside", &inside, &want, |_, x| x);
    assert!(outside.into_iter().all(|i| c[i] == 7.0));
}

#[test]
fn batch_with_a_shared_operand() {
    let tiny = [[3, 4, 5], [4, 4, 1], [1, 3, 4], [3, 3, 3], [2, 2, 2], [8, 8, 1], [7, 16, 9], [5, 1, 2]];
    for [m, k, n] in tiny.into_iter().chain([[20, 30, 40], [1, 64, 64]]) {
        let (a, b) = (numbers::<f32>(6 * m * k, 1), numbers::<f32>(3 * k * n, 2));
        let mut c = vec![0.0; 6 * m * n];
        let whole = Gemm::new([m, k, n], Matrix::contiguous(&a, k), Matrix::contiguous(&b, n), &mut c);
        let (mk, kn) = ((m * k).cast_signed(), (k * n).cast_signed());
        batched(&[2, 3], &[3 * mk, mk], &[0, kn], whole);
        for index in 0..6 {
            let a = Matrix { offset: index * m * k, ..Matrix::contiguous(&a, k) };
            let b = Matrix { offset: index % 3 * k * n, ..Matrix::contiguous(&b, n) };
            let mut one = vec![0.0; m * n];
            gemm(Gemm::new([m, k, n], a, b, &mut one));
            assert_eq!(one, c[index * m * n..(index + 1) * m * n]);
        }
    }
}

#[test]
fn integers_wrap() {
    let a: Vec<u8> = (0..12).map(|i| i * 20).collect();
    let mut c = vec![9; 9];
    let a = Matrix::contiguous(&a, 4);
    integer(Gemm::new([3, 4, 3], a, a.transposed(), &mut c));
    for i in 0..3 {
        for j in 0..3 {
            let sum: f64 = (0..4).map(|p| at(a, i, p) * at(a, j, p)).sum();
            assert_eq!(f64::from(c[i * 3 + j]), sum % 256.0);
        }
    }
    let a = vec![i64::MAX, 2];
    let mut c = vec![0; 1];
    integer(Gemm::new([1, 2, 1], Matrix::contiguous(&a, 2), Matrix::contiguous(&a, 1), &mut c));
    assert_eq!(c, [5]);
}

#[test]
fn nan_and_negative_zero_pass_relu() {
    let epilogue = Epilogue { activation: Activation::Relu, ..Epilogue::default() };
    for n in [1, 3, 40] {
        let mut c = vec![1.0f32; n];
        let b = vec![f32::NAN; n];
        let a = [1.0];
        let (a, b) = (Matrix::contiguous(&a, 1), Matrix::contiguous(&b, n));
        gemm(Gemm { epilogue, ..Gemm::new([1, 1, n], a, b, &mut c) });
        assert!(c.iter().all(|x| x.is_nan()));
    }
}

/// Every step of an epilogue, on every route: held against float64, and against the bits of the same steps after the
/// product.
fn rich_epilogue<T: GemmFloat>(
    [m, k, n]: [usize; 3],
    b_kind: usize,
    activation: Activation,
    finish: impl Fn(f64) -> f64,
) {
    let (a, b) = (numbers::<T>(m * k, 1), numbers::<T>(k * n, 2));
    let (a, b) = (layout(0, &a, m, k), layout(b_kind, &b, k, n));
    let (bias, residual, start) = (numbers::<T>(n, 3), numbers::<T>(m * n + n, 4), numbers::<T>(m * n, 5));
    let plain = Residual { matrix: Matrix::contiguous(&residual, n), factor: -0.5 };
    let rows = Residual { matrix: Matrix { row_stride: 0, ..plain.matrix }, ..plain };
    let transposed =
        Residual { matrix: Matrix { offset: n, row_stride: 1, col_stride: m.cast_signed(), ..plain.matrix }, ..plain };
    let want = reference([m, k, n], a, b);
    let what = format!("{m}x{k}x{n} layout {b_kind} {activation:?}");
    for residual in [plain, rows, transposed] {
        let epilogue = Epilogue { scale: 0.25, bias: Bias::PerColumn(&bias), residual: Some(residual), activation };
        let problem = |c| Gemm { accumulate: true, ..Gemm::new([m, k, n], a, b, c) };
        let (mut fused, mut apart) = (start.clone(), start.clone());
        gemm(Gemm { epilogue, ..problem(&mut fused) });
        gemm(problem(&mut apart));
        check(&what, &fused, &want, |i, x| {
            finish(0.25 * (start[i].to_f64() + x) + bias[i % n].to_f64() - 0.5 * at(residual.matrix, i / n, i % n))
        });
        // SAFETY: all of a slice.
        unsafe { epilogue.finish_all(apart.as_mut_ptr(), n, [m, n], 0) };
        assert!(fused.iter().zip(&apart).all(|(x, y)| x.to_f64().to_bits() == y.to_f64().to_bits()), "{what}");
    }
}

#[test]
fn rich_epilogues() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let normal = |x: f64| x * 0.5 * crate::math::platform::erfc(-x / std::f64::consts::SQRT_2);
    let cubic = |x: f64| 1.595_769_121_605_731 * (x + 0.044_715 * x * x * x);
    for shape in [
        [33, 129, 70],
        [5, 650, 611],
        [1, 700, 300],
        [300, 700, 1],
        [37, 2, 130],
        [5, 20_001, 7],
        [3, 0, 4],
        [600, 64, 80],
    ] {
        for kind in 0..2 {
            rich_epilogue::<f32>(shape, kind, Activation::Identity, |x| x);
            rich_epilogue::<f32>(shape, kind, Activation::Relu, |x| x.max(0.0));
            rich_epilogue::<f32>(shape, kind, Activation::Sigmoid, sigmoid);
            rich_epilogue::<f32>(shape, kind, Activation::Tanh, f64::tanh);
            rich_epilogue::<f32>(shape, kind, Activation::Gelu, normal);
            rich_epilogue::<f32>(shape, kind, Activation::GeluTanh, |x| x * sigmoid(cubic(x)));
            rich_epilogue::<f32>(shape, kind, Activation::Silu, |x| x * sigmoid(x));
            rich_epilogue::<f64>(shape, kind, Activation::Gelu, normal);
        }
    }
}

/// Bits of one product at a number of threads.
fn at_threads(threads: usize, [m, k, n]: [usize; 3], b_kind: usize) -> Vec<u32> {
    let (a, b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
    let (a, b) = (layout(0, &a, m, k), layout(b_kind, &b, k, n));
    let mut c = vec![0.0; m * n];
    set_num_threads(threads);
    gemm(Gemm::new([m, k, n], a, b, &mut c));
    c.into_iter().map(f32::to_bits).collect()
}

#[test]
fn same_bits_at_any_thread_count() {
    for shape in
        [[130, 700, 131], [7, 9000, 9], [600, 64, 500], [1, 3000, 700], [64, 784, 128], [110; 3], [8, 650, 611]]
    {
        for kind in 0..2 {
            let one = at_threads(1, shape, kind);
            for threads in [2, 3, 7] {
                assert!(one == at_threads(threads, shape, kind), "{shape:?} with {threads} threads");
            }
        }
    }
}

#[test]
fn few_rows_have_the_bits_of_the_same_rows_among_many() {
    for (k, n, few) in [(650, 611, &[2, 5, 16, 42, 57]), (4300, 1001, &[1, 12, 16, 17, 32])] {
        let (a, b) = (numbers::<f32>(100 * k, 1), numbers::<f32>(k * n, 2));
        let plain = Matrix::contiguous(&b, n);
        let turned: Vec<f32> = (0..k * n).map(|i| b[i % k * n + i / k]).collect();
        let turned = Matrix::contiguous(&turned, k).transposed();
        let rows = |m: usize, b: Matrix<'_, f32>| {
            let mut c = vec![0.0; m * n];
            let a = Strided2(Matrix::contiguous(&a, k).in_place(k.cast_signed(), 1));
            let b = Strided2(b.in_place(b.col_stride, b.row_stride));
            let c_rows = Target::rows(c.as_mut_ptr(), 0, n);
            let (accumulate, epilogue, stream_b) = (false, Epilogue::default(), false);
            // SAFETY: C holds m rows of n.
            unsafe { Product { m, n, k, a: &a, b: &b, c: c_rows, accumulate, epilogue, stream_b }.run_fma(false) };
            c
        };
        let many = rows(100, plain);
        for (&m, b) in few.iter().flat_map(|m| [(m, plain), (m, turned)]) {
            assert!(rows(m, b).iter().zip(&many).all(|(x, y)| x.to_bits() == y.to_bits()), "{m} rows of {k}x{n}");
        }
    }
    product::<f32>([13, 4300, 1001], 0, 1);
    product::<f64>([14, 4300, 1001], 1, 1);
}

/// Short rows of B are read in place, wherever they lie.
#[test]
fn rows_on_cache_lines_or_off() {
    use crate::memory::Buffer;
    for [m, k, n] in [[150, 330, 512], [600, 40, 96]] {
        let a = numbers::<f32>(m * k, 1);
        let a = Matrix::contiguous(&a, k);
        let b = numbers::<f32>(k * n, 2);
        let mut lines = Buffer::uninit((k * n + 1) * size_of::<f32>());
        let products = [0, 1].map(|offset| {
            lines.as_mut_slice()[offset..][..k * n].copy_from_slice(&b);
            let b = Matrix { offset, ..Matrix::contiguous(lines.as_slice(), n) };
            let mut c = vec![f32::NAN; m * n];
            gemm(Gemm::new([m, k, n], a, b, &mut c));
            c
        });
        check("on lines", &products[0], &reference([m, k, n], a, Matrix::contiguous(&b, n)), |_, x| x);
        assert!(products[0] == products[1], "{m}x{k}x{n}");
    }
}

/// The product through the tables of one ISA: every tile it has, packed and in place.
#[cfg(target_arch = "x86_64")]
fn through<T: GemmFloat>(isa: Isa, [m, k, n]: [usize; 3], direct: bool, epilogue: Epilogue<'_, T>) -> Vec<T> {
    use super::microkernel::Tile;
    let kernels = T::microkernels(isa);
    let (a, b) = (numbers::<T>(m * k, 1), numbers::<T>(k * n, 2));
    let mut c = numbers::<T>(m * n, 3);
    let a_source = Strided2(Matrix::contiguous(&a, k).in_place(k.cast_signed(), 1));
    let b_source = Strided2(Matrix::contiguous(&b, n).in_place(1, n.cast_signed()));
    let (mut a_panel, mut b_panel) = (vec![T::NAN; kernels.rows * k], vec![T::NAN; kernels.cols * k]);
    for row in (0..m).step_by(kernels.rows) {
        let rows = row..(row + kernels.rows).min(m);
        for col in (0..n).step_by(kernels.cols) {
            let cols = col..(col + kernels.cols).min(n);
            let vectors = usize::from(cols.len() > kernels.cols / 2);
            let (bias_row, bias_col) = epilogue.bias_at(row, col);
            let mut tile = Tile {
                k,
                a: a.as_ptr().wrapping_add(row * k),
                a_row: k.cast_signed(),
                a_step: 1,
                b: b.as_ptr().wrapping_add(col),
                b_step: n.cast_signed(),
                sums: std::ptr::null(),
                sums_row: 0,
                c: c[row * n + col..].as_mut_ptr(),
                c_row: n,
                cols: cols.len(),
                accumulate: true,
                bias_row,
                bias_col,
                relu: epilogue.activation == Activation::Relu,
            };
            let table = if direct {
                kernels.direct
            } else {
                let width = kernels.cols;
                // SAFETY: the panels hold a whole tile; the tests below ask only for ISAs that this CPU has.
                unsafe {
                    a_source.pack(kernels, rows.clone(), 0..k, rows.len(), a_panel.as_mut_ptr());
                    b_source.pack(kernels, cols.clone(), 0..k, width, b_panel.as_mut_ptr());
                }
                (tile.a, tile.b, tile.b_step) = (a_panel.as_ptr(), b_panel.as_ptr(), width.cast_signed());
                kernels.packed
            };
            // SAFETY: all inside the slices above.
            unsafe { table[rows.len() - 1][vectors](&tile) }
        }
    }
    c
}

#[cfg(target_arch = "x86_64")]
fn compare_isas<T: GemmFloat>([m, k, n]: [usize; 3], epilogue: Epilogue<'_, T>) {
    let wide = through::<T>(Isa::Avx512, [m, k, n], false, epilogue);
    assert_eq!(wide, through::<T>(Isa::Avx512, [m, k, n], true, epilogue));
    assert_eq!(wide, through::<T>(Isa::Avx2, [m, k, n], false, epilogue));
    assert_eq!(wide, through::<T>(Isa::Avx2, [m, k, n], true, epilogue));
    let plain = through::<T>(Isa::Portable, [m, k, n], false, epilogue);
    assert_eq!(plain, through::<T>(Isa::Portable, [m, k, n], true, epilogue));
    for (x, y) in wide.iter().zip(plain) {
        assert!((x.to_f64() - y.to_f64()).abs() < 100.0 * T::EPSILON.to_f64());
    }
}

#[cfg(target_arch = "x86_64")]
fn every_tile<T: GemmFloat>() {
    for m in 1..=20 {
        for n in [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64] {
            let (rows, cols) = (numbers::<T>(m, 5), numbers::<T>(n, 6));
            for bias in [Bias::None, Bias::PerRow(&rows), Bias::PerColumn(&cols)] {
                for activation in [Activation::Identity, Activation::Relu] {
                    compare_isas([m, (m * 13 + n) % 40, n], Epilogue { bias, activation, ..Epilogue::default() });
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn same_bits_on_every_fma_isa() {
    if crate::isa::isa() == Isa::Avx512 {
        every_tile::<f32>();
        every_tile::<f64>();
    }
}
