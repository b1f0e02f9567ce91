//! Kernels on memory between pages that nobody may touch: a read or a write out of bounds ends the process.

#![cfg(unix)]

use std::ops::{Deref, DerefMut};
use std::process::Command;

use dlcore_kernels::conv::{Conv2d, Images};
use dlcore_kernels::copy;
use dlcore_kernels::gemm::{Activation, Bias, Epilogue, Gemm, GemmFloat, Matrix, Precision, bfloat16, gemm};
use dlcore_kernels::gemm::{multiplies_bfloat16, set_precision};
use dlcore_kernels::half::Bf16;
use dlcore_kernels::layout::Strided;
use dlcore_kernels::map::{self, Binary, Unary};
use dlcore_kernels::memory::Pod;
use dlcore_kernels::reduce::{self, Split};
use dlcore_kernels::scan::{self, Scan};
use dlcore_kernels::{softmax, sort};

/// Elements that end where a forbidden page begins, or begin where one ends.
struct Fenced<T> {
    map: *mut libc::c_void,
    bytes: usize,
    start: *mut T,
    len: usize,
}

impl<T: Pod> Fenced<T> {
    fn new(values: impl ExactSizeIterator<Item = T>, at_the_end: bool) -> Self {
        let len = values.len();
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a page size");
        let inner = (len * size_of::<T>()).next_multiple_of(page).max(page);
        let bytes = inner + 2 * page;
        // SAFETY: fresh memory of which the middle is made accessible; the elements lie in it.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let map = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            let middle = map.cast::<u8>().add(page);
            assert_eq!(libc::mprotect(middle.cast(), inner, libc::PROT_READ | libc::PROT_WRITE), 0);
            let offset = if at_the_end { inner - len * size_of::<T>() } else { 0 };
            let start = middle.add(offset).cast::<T>();
            for (i, value) in values.enumerate() {
                start.add(i).write(value);
            }
            Self { map, bytes, start, len }
        }
    }
}

impl<T> Drop for Fenced<T> {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.map, self.bytes) };
    }
}

impl<T> Deref for Fenced<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `new` wrote these elements.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl<T> DerefMut for Fenced<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and they are this value's own.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

fn floats(len: usize, end: bool) -> Fenced<f32> {
    Fenced::new((0..len).map(|i| f32::from(u8::try_from(i * 37 % 101).expect("small")) - 50.0), end)
}

fn doubles(len: usize, end: bool) -> Fenced<f64> {
    Fenced::new((0..len).map(|i| f64::from(u8::try_from(i * 37 % 101).expect("small")) - 50.0), end)
}

const EXTENTS: [usize; 9] = [1, 2, 7, 15, 16, 17, 31, 33, 47];
/// Beyond the routes for what is small.
const LARGE: [[usize; 3]; 8] = [
    [1, 300, 2000],
    [300, 2000, 1],
    [129, 257, 131],
    [33, 2100, 65],
    [400, 401, 403],
    [3, 5, 4001],
    [39, 431, 613],
    [13, 4100, 1030],
];

fn shapes() -> impl Iterator<Item = [usize; 3]> {
    let small = EXTENTS.into_iter().flat_map(|m| EXTENTS.into_iter().map(move |n| [m, (m * 5 + n) % 40 + 1, n]));
    small.chain(LARGE)
}

fn products<T: GemmFloat>(make: impl Fn(usize, bool) -> Fenced<T>) {
    for [m, k, n] in shapes() {
        for end in [false, true] {
            let (a, b, mut c) = (make(m * k, end), make(k * n, end), make(m * n, end));
            let bias = make(n, end);
            for transposed in 0..4 {
                let a = if transposed % 2 == 0 {
                    Matrix::contiguous(&a, k)
                } else {
                    Matrix::contiguous(&a, m).transposed()
                };
                let b = if transposed < 2 { Matrix::contiguous(&b, n) } else { Matrix::contiguous(&b, k).transposed() };
                let mut problem = Gemm::new([m, k, n], a, b, &mut c);
                problem.epilogue =
                    Epilogue { bias: Bias::PerColumn(&bias), activation: Activation::Relu, ..Epilogue::default() };
                problem.accumulate = transposed == 3;
                gemm(problem);
            }
        }
    }
}

#[test]
fn products_stay_inside() {
    for precision in [Precision::Ieee, Precision::Highest, Precision::High, Precision::Medium] {
        set_precision(precision);
        products::<f32>(floats);
    }
    products::<f64>(doubles);
}

#[test]
fn products_of_bfloat16_stay_inside() {
    if !multiplies_bfloat16() {
        return;
    }
    let make = |len, end| Fenced::new((0..len).map(|_| Bf16(0x3f80)), end);
    for [m, k, n] in shapes() {
        for end in [false, true] {
            let (a, b, mut c) = (make(m * k, end), make(k * n, end), make(m * n, end));
            for transposed in 0..4 {
                let a = if transposed % 2 == 0 {
                    Matrix::contiguous(&a, k)
                } else {
                    Matrix::contiguous(&a, m).transposed()
                };
                let b = if transposed < 2 { Matrix::contiguous(&b, n) } else { Matrix::contiguous(&b, k).transposed() };
                bfloat16(&[], &[], &[], Gemm::new([m, k, n], a, b, &mut c));
            }
        }
    }
}

#[test]
fn convolutions_stay_inside() {
    for (c, size, kernel, stride, padding) in [(1, 7, 3, 1, 1), (3, 13, 5, 2, 2), (17, 9, 1, 1, 0), (33, 20, 3, 1, 1)] {
        let conv = Conv2d {
            n: 2,
            c_in: c,
            h: size,
            w: size,
            c_out: c + 2,
            kh: kernel,
            kw: kernel,
            stride: [stride; 2],
            padding: [padding; 2],
            dilation: [1; 2],
            groups: 1,
        };
        let (oh, ow) = conv.out_size();
        for end in [false, true] {
            let mut x = floats(2 * c * size * size, end);
            let mut w = floats((c + 2) * c * kernel * kernel, end);
            let mut y = floats(2 * (c + 2) * oh * ow, end);
            conv.forward(Images::contiguous(&x, [c, size, size]), &w, None, &mut y);
            conv.grad_weight(Images::contiguous(&y, [c + 2, oh, ow]), Images::contiguous(&x, [c, size, size]), &mut w);
            conv.grad_input(Images::contiguous(&y, [c + 2, oh, ow]), &w, &mut x);
        }
    }
}

#[test]
fn maps_copies_and_reductions_stay_inside() {
    for rows in EXTENTS.into_iter().chain([300]) {
        for columns in EXTENTS.into_iter().chain([1000]) {
            for end in [false, true] {
                let len = rows * columns;
                let (a, b, mut out) = (floats(len, end), floats(len, end), floats(len, end));
                let mut positions = Fenced::new((0..len).map(|_| 0_i64), end);
                let shape = [rows, columns];
                let flat = Strided { shape: &shape, strides: &[columns.cast_signed(), 1], offset: 0 };
                let turned = [columns, rows];
                let transposed = Strided { shape: &turned, strides: &[1, columns.cast_signed()], offset: 0 };
                map::unary(Unary::Neg, &a, flat, &mut out);
                map::binary(Binary::Add, &a, flat, &b, flat, &mut out);
                map::binary(Binary::Mul, &a, transposed, &b, transposed, &mut out);
                copy::copy(&a, transposed, &mut out);
                softmax::softmax(&a, columns, &mut out);
                scan::scan(Scan::Sum, &a, rows, columns, &mut out);
                scan::scan(Scan::Sum, &a, 1, len, &mut out);
                sort::sort(&a, columns, false, &mut out, &mut positions);
                // All of it, along rows, down columns.
                let (strides, steps) = ([columns.cast_signed()], [1]);
                let all = ([columns.cast_signed(), 1], shape);
                let splits = [
                    Split { kept: &[], kept_strides: &[], reduced: &all.1, reduced_strides: &all.0, offset: 0 },
                    Split {
                        kept: &[rows],
                        kept_strides: &strides,
                        reduced: &[columns],
                        reduced_strides: &steps,
                        offset: 0,
                    },
                    Split {
                        kept: &[columns],
                        kept_strides: &steps,
                        reduced: &[rows],
                        reduced_strides: &strides,
                        offset: 0,
                    },
                ];
                for split in splits {
                    let mut sums = floats(split.outputs(), end);
                    let mut at = Fenced::new((0..split.outputs()).map(|_| 0_i64), end);
                    reduce::sum(&a[..], split, &mut sums);
                    reduce::argmax(&a, split, &mut at);
                }
            }
        }
    }
}

/// The instruction set is chosen once a process.
#[test]
fn lower_instruction_sets_stay_inside() {
    if std::env::var_os("DLCORE_ISA").is_some() {
        return;
    }
    for isa in ["avx512", "avx2", "portable"] {
        let run = Command::new(std::env::current_exe().expect("a path")).env("DLCORE_ISA", isa).output();
        let run = run.expect("the test runs again");
        assert!(run.status.success(), "{isa}: {}", String::from_utf8_lossy(&run.stdout));
    }
}
