//! Matrix products: one packed core for every shape, every stride and every ISA.
//!
//! `C = A B`, with a fused epilogue (scale, bias, residual, activation). [`gemm`] and [`batched`] multiply floats, [`integer()`] the rest.
//! Float products run on one core ([`driver`]) that takes panels from sources ([`pack`]) and hands them to
//! hand-vectorised microkernels; products of few rows with a large B ([`stream`]), with a vector
//! ([`gemv`]) and over a short k ([`outer`]) have routes of their own. Convolution brings its own panel sources to the same core.
//!
//! Bits: an element of C is summed over k in blocks, each one chain of fused multiply-adds, whatever the tile, the
//! ISA, the route and the number of threads. Matrix times vector along a long contiguous k sums in 64 fixed lanes
//! instead, and products of bfloat16 terms ([`Precision`]) have the bits of their own blocks.

#![allow(clippy::many_single_char_names, reason = "a, b, c, m, n, k are the names that everybody knows")]

#[cfg(target_arch = "x86_64")]
mod bf16;
mod driver;
mod epilogue;
mod gemv;
mod integer;
mod microkernel;
#[cfg(target_arch = "x86_64")]
mod microkernel_avx2;
#[cfg(target_arch = "x86_64")]
mod microkernel_avx512;
#[cfg(target_arch = "aarch64")]
mod microkernel_neon;
mod microkernel_portable;
mod outer;
mod pack;
mod panel;
pub(crate) mod plane;
mod precision;
mod scratch;
#[cfg(target_arch = "x86_64")]
mod sliding;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod tiny;

pub use epilogue::{Activation, Bias, Epilogue, Residual};
pub use integer::integer;
pub use precision::{Precision, precision, set_precision, with_precision};

#[cfg(target_arch = "x86_64")]
pub(crate) use bf16::{InTerms, MOST_ROWS, Put, Resident, SPIN_FLOPS, Stationary, Tiles, Unit, spin_tiles, windows};
pub(crate) use driver::Product;
#[cfg(target_arch = "x86_64")]
pub(crate) use driver::{k_block, k_blocks, slices_of_streamed};
pub(crate) use microkernel::Microkernels;
pub(crate) use pack::{InPlace, PanelSource, Strided2};
pub(crate) use panel::{Segment, Tap, View};
#[cfg(target_arch = "x86_64")]
pub(crate) use precision::{terms, unit_and_terms};
pub(crate) use scratch::{Scratch, with_scratch};
#[cfg(target_arch = "x86_64")]
pub(crate) use sliding::{SlidingFn, SlidingTile, Step};
pub(crate) use target::Target;

use crate::element::Float;
use crate::half::Bf16;
use crate::isa::Isa;
use crate::layout::Strided;
use crate::parallel::for_each;
use crate::stored::Stored;
use driver::SendPtr;

/// Element types of the packed core: f32 and f64.
pub trait GemmFloat: Float + private::Tables {}
impl GemmFloat for f32 {}
impl GemmFloat for f64 {}

pub(crate) mod private {
    use super::{GemmFloat, Isa, Microkernels, Product};

    /// The compiled microkernels of a type.
    pub trait Tables: Sized {
        #[doc(hidden)]
        #[allow(private_interfaces, reason = "callable inside the crate only")]
        fn microkernels(isa: Isa) -> &'static Microkernels<Self>
        where
            Self: GemmFloat;

        /// Runs the product in bfloat16 terms, if that is how this machine and the setting want it done; says whether.
        ///
        /// # Safety
        /// As `Product::run`.
        #[doc(hidden)]
        #[allow(private_interfaces, reason = "callable inside the crate only")]
        unsafe fn run_in_terms(product: &Product<'_, Self>, serial: bool) -> bool
        where
            Self: GemmFloat;

        /// The numbers as float32, if that is what they are.
        #[doc(hidden)]
        fn float32(numbers: &[Self]) -> Option<&[f32]>;

        /// [`Self::float32`], to be written.
        #[doc(hidden)]
        fn float32_mut(numbers: &mut [Self]) -> Option<&mut [f32]>;
    }
}

macro_rules! tables {
    ($elem:ty, $table:ident, $in_terms:expr, $float32:expr) => {
        impl private::Tables for $elem {
            #[allow(private_interfaces, reason = "callable inside the crate only")]
            fn microkernels(isa: Isa) -> &'static Microkernels<Self> {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 | Isa::Amx => &microkernel_avx512::$table,
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => &microkernel_avx2::$table,
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => &microkernel_neon::$table,
                    _ => &microkernel_portable::$table,
                }
            }

            #[allow(private_interfaces, reason = "callable inside the crate only")]
            unsafe fn run_in_terms(product: &Product<'_, Self>, serial: bool) -> bool {
                // SAFETY: passed on.
                unsafe { $in_terms(product, serial) }
            }

            fn float32(numbers: &[Self]) -> Option<&[f32]> {
                $float32(numbers)
            }

            fn float32_mut(numbers: &mut [Self]) -> Option<&mut [f32]> {
                $float32(numbers)
            }
        }
    };
}
tables!(f32, F32, precision::run_in_terms, Some);
tables!(f64, F64, never_in_terms, |_| None);

/// # Safety
/// None needed: float64 has no terms.
unsafe fn never_in_terms(_: &Product<'_, f64>, _: bool) -> bool {
    false
}

/// A matrix inside a slice: element `(i, j)` is at `offset + i * row_stride + j * col_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The slice.
    pub data: &'a [T],
    /// Position of element `(0, 0)`.
    pub offset: usize,
    /// Step from a row to the next; may be zero or negative.
    pub row_stride: isize,
    /// Step from a column to the next; may be zero or negative.
    pub col_stride: isize,
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix without gaps.
    #[must_use]
    pub fn contiguous(data: &'a [T], cols: usize) -> Self {
        Self { data, offset: 0, row_stride: cols.cast_signed(), col_stride: 1 }
    }

    /// The transpose: the same elements, no copy.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    fn check(&self, rows: usize, cols: usize) {
        let (shape, strides) = ([rows, cols], [self.row_stride, self.col_stride]);
        Strided { shape: &shape, strides: &strides, offset: self.offset }.check(self.data.len());
    }

    /// How far element `(row, col)` is from the first.
    fn place(&self, row: usize, col: usize) -> isize {
        row.cast_signed() * self.row_stride + col.cast_signed() * self.col_stride
    }

    /// The matrix `offset` elements further on.
    fn moved(self, offset: isize) -> Self {
        Self { offset: self.offset.wrapping_add_signed(offset), ..self }
    }

    fn in_place(&self, outer_stride: isize, k_stride: isize) -> InPlace<T> {
        InPlace { start: self.data.as_ptr().wrapping_add(self.offset), outer_stride, k_stride }
    }
}

/// `C = A B`, or `C = C + A B` with `accumulate`, then the epilogue.
#[derive(Debug)]
pub struct Gemm<'a, T> {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B. The product over nothing is zero.
    pub k: usize,
    /// `m` by `k`.
    pub a: Matrix<'a, T>,
    /// `k` by `n`.
    pub b: Matrix<'a, T>,
    /// `m` rows of `n` adjacent elements, `c_row_stride` apart.
    pub c: &'a mut [T],
    /// At least `n`.
    pub c_row_stride: usize,
    /// Add to what C holds.
    pub accumulate: bool,
    /// Fused into the store of C.
    pub epilogue: Epilogue<'a, T>,
}

impl<'a, T> Gemm<'a, T> {
    /// The plain product `C = A B` with contiguous C.
    #[must_use]
    pub fn new([m, k, n]: [usize; 3], a: Matrix<'a, T>, b: Matrix<'a, T>, c: &'a mut [T]) -> Self {
        Self { m, n, k, a, b, c, c_row_stride: n, accumulate: false, epilogue: Epilogue::default() }
    }

    fn check(&self) {
        self.a.check(self.m, self.k);
        self.b.check(self.k, self.n);
        assert!(self.m <= 1 || self.c_row_stride >= self.n, "rows of C overlap");
        assert!(
            self.m == 0 || self.n == 0 || self.c.len() >= (self.m - 1) * self.c_row_stride + self.n,
            "C is larger than its slice"
        );
    }
}

/// One matrix product.
///
/// # Panics
/// If a matrix does not fit its slice, or the bias C.
pub fn gemm<T: GemmFloat>(problem: Gemm<'_, T>) {
    one(problem, false);
}

/// The same on this thread alone: for tasks, which have their own part of the work already.
pub(crate) fn gemm_serial<T: GemmFloat>(problem: Gemm<'_, T>) {
    one(problem, true);
}

/// The same in multiply-adds of one chain: a row of C has the same bits however many there are. For tasks that are cut by
/// the number of threads.
#[allow(clippy::needless_pass_by_value, reason = "C is borrowed mutably for this one product")]
pub(crate) fn gemm_by_rows<T: GemmFloat>(problem: Gemm<'_, T>) {
    problem.check();
    problem.epilogue.check(problem.m, problem.n);
    let Gemm { m, n, k, a, b, c, c_row_stride, accumulate, epilogue } = problem;
    let (a, b) = (Strided2(a.in_place(a.row_stride, a.col_stride)), Strided2(b.in_place(b.col_stride, b.row_stride)));
    let c = Target::rows(c.as_mut_ptr(), 0, c_row_stride);
    // SAFETY: checked above; C is borrowed mutably.
    unsafe { Product { m, n, k, a: &a, b: &b, c, accumulate, epilogue, stream_b: false }.run_packed(true) }
}

/// The same where other tasks write between the rows of C, which begins at `c`.
///
/// # Panics
/// As [`gemm`].
///
/// # Safety
/// The rows of C are valid, and the caller's alone.
pub(crate) unsafe fn gemm_among<T: GemmFloat>(
    [m, k, n]: [usize; 3],
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: *mut T,
    c_row_stride: usize,
    accumulate: bool,
) {
    let problem = Gemm { c_row_stride, accumulate, ..Gemm::new([m, k, n], a, b, &mut []) };
    a.check(m, k);
    b.check(k, n);
    // SAFETY: checked above, and the rest by contract.
    unsafe { run(&problem, a, b, Target::rows(c, 0, c_row_stride), true) }
}

#[allow(clippy::needless_pass_by_value, reason = "C is borrowed mutably for this one product")]
fn one<T: GemmFloat>(problem: Gemm<'_, T>, serial: bool) {
    problem.check();
    problem.epilogue.check(problem.m, problem.n);
    let c = Target::rows(problem.c.as_mut_ptr(), 0, problem.c_row_stride);
    // SAFETY: checked above; C is borrowed mutably.
    unsafe { run(&problem, problem.a, problem.b, c, serial) }
}

/// The same product for each index of a batch. A and B move by their strides (zero where they are shared), C by
/// `m * c_row_stride` from one index to the next, in row-major order of `shape`.
///
/// # Panics
/// As [`gemm`], or if a batch does not fit its slice, or has a residual.
pub fn batched<T: GemmFloat>(shape: &[usize], a_strides: &[isize], b_strides: &[isize], mut problem: Gemm<'_, T>) {
    let Some(batch) = Batch::new(shape, a_strides, b_strides, &mut problem) else { return };
    let Gemm { m, n, k, a, b, .. } = problem;
    problem.epilogue.check(m, n);
    assert!(problem.epilogue.residual.is_none(), "a batch has no residual");
    let c = problem.c.as_mut_ptr();
    // SAFETY: checked above, and C is borrowed mutably.
    if batch.count > 1 && unsafe { tiny::run(&problem, &batch, c) } {
        return;
    }
    let start = Target::rows(c, 0, problem.c_row_stride);
    let one = |index: usize, serial: bool| {
        let [a_move, b_move, c_move] = batch.moves(index);
        // SAFETY: checked above; C is borrowed mutably and each index has its own part of it.
        unsafe { run(&problem, a.moved(a_move), b.moved(b_move), start.moved(c_move.cast_unsigned()), serial) }
    };
    share_out(batch.count, m.saturating_mul(n).saturating_mul(k), one);
}

/// The indices of a batch, and where the operands of each are.
struct Batch<'a> {
    shape: &'a [usize],
    strides: [&'a [isize]; 2],
    c_stride: usize,
    count: usize,
}

impl<'a> Batch<'a> {
    /// `None` if there is nothing to do. Panics as [`batched`].
    fn new<T: Copy>(
        shape: &'a [usize],
        a_strides: &'a [isize],
        b_strides: &'a [isize],
        problem: &mut Gemm<'_, T>,
    ) -> Option<Self> {
        let &mut Gemm { m, n, k, a, b, ref mut c, c_row_stride, .. } = problem;
        assert!(shape.len() == a_strides.len() && shape.len() == b_strides.len(), "batch strides differ in rank");
        let count: usize = shape.iter().product();
        if count == 0 || m == 0 || n == 0 {
            return None;
        }
        check_batch(shape, a_strides, &a, m, k);
        check_batch(shape, b_strides, &b, k, n);
        assert!(m <= 1 || c_row_stride >= n, "rows of C overlap");
        let c_stride = m * c_row_stride;
        assert!(c.len() >= (count - 1) * c_stride + (m - 1) * c_row_stride + n, "C is larger than its slice");
        Some(Self { shape, strides: [a_strides, b_strides], c_stride, count })
    }

    /// How far on A, B and C of an index are.
    fn moves(&self, index: usize) -> [isize; 3] {
        let (mut rest, mut a, mut b) = (index, 0, 0);
        for d in (0..self.shape.len()).rev() {
            let i = (rest % self.shape[d]).cast_signed();
            rest /= self.shape[d];
            a += i * self.strides[0][d];
            b += i * self.strides[1][d];
        }
        [a, b, (index * self.c_stride).cast_signed()]
    }
}

/// Multiply-adds of one problem from which on the problem itself is cut into tasks, not the batch.
const LARGE: usize = 1 << 24;

/// Runs `one(index, serial)` for a batch of equal problems: in parallel over the batch if they are small, one after
/// the other, each in parallel, if large.
pub(crate) fn share_out(count: usize, work: usize, one: impl Fn(usize, bool) + Sync) {
    if count == 1 || work >= LARGE {
        (0..count).for_each(|index| one(index, false));
    } else {
        let group = (20_000 / work.max(100)).clamp(1, 64);
        for_each(count.div_ceil(group), count.saturating_mul(work / 50 + 50), |task| {
            (task * group..((task + 1) * group).min(count)).for_each(|index| one(index, true));
        });
    }
}

fn check_batch<T>(shape: &[usize], strides: &[isize], matrix: &Matrix<'_, T>, rows: usize, cols: usize) {
    let shape: Vec<usize> = shape.iter().copied().chain([rows, cols]).collect();
    let strides: Vec<isize> = strides.iter().copied().chain([matrix.row_stride, matrix.col_stride]).collect();
    Strided { shape: &shape, strides: &strides, offset: matrix.offset }.check(matrix.data.len());
}

/// Whether this machine has instructions for [`bfloat16`].
#[must_use]
pub fn multiplies_bfloat16() -> bool {
    half_product().is_some()
}

/// Products of bfloat16 matrices, as [`batched`], summed in float32 and rounded once. The instructions take subnormal
/// numbers for zero.
///
/// # Panics
/// As [`batched`]; unless [`multiplies_bfloat16`]; if C is accumulated into or rows have a bias.
pub fn bfloat16(shape: &[usize], a_strides: &[isize], b_strides: &[isize], mut problem: Gemm<'_, Bf16>) {
    let multiply = half_product().expect("instructions for bfloat16");
    let Some(batch) = Batch::new(shape, a_strides, b_strides, &mut problem) else { return };
    let bias = match problem.epilogue.bias {
        Bias::None => None,
        Bias::PerColumn(bias) => Some(bias.iter().map(|x| x.load()).collect::<Vec<f32>>()),
        Bias::PerRow(_) => panic!("bias per row"),
    };
    assert!(!problem.accumulate && problem.epilogue.residual.is_none(), "C is not added to");
    let bias = bias.as_ref().map_or(Bias::None, |bias| Bias::PerColumn(bias));
    let Epilogue { scale, activation, .. } = problem.epilogue;
    let epilogue = Epilogue { scale, bias, residual: None, activation };
    epilogue.check(problem.m, problem.n);
    let start = SendPtr(problem.c.as_mut_ptr());
    let one = |index: usize, serial: bool| {
        let [a_move, b_move, c_move] = batch.moves(index);
        let c = start.get().wrapping_offset(c_move);
        // SAFETY: checked above; C is borrowed mutably and each index has its own part of it.
        unsafe { multiply(&problem, problem.a.moved(a_move), problem.b.moved(b_move), c, epilogue, serial) }
    };
    share_out(batch.count, problem.m.saturating_mul(problem.n).saturating_mul(problem.k) / 4, one);
}

/// One product of bfloat16 matrices, on this thread alone if the last argument says so.
type HalfProduct = unsafe fn(&Gemm<'_, Bf16>, Matrix<'_, Bf16>, Matrix<'_, Bf16>, *mut Bf16, Epilogue<'_, f32>, bool);

#[cfg(target_arch = "x86_64")]
fn half_product() -> Option<HalfProduct> {
    bf16::Unit::available().map(|_| bf16::product as HalfProduct)
}

/// Other CPUs have no such instructions, or Rust does not know them.
#[cfg(not(target_arch = "x86_64"))]
fn half_product() -> Option<HalfProduct> {
    None
}

/// Picks the route.
///
/// # Safety
/// Every element of A, B and C is inside its allocation, and C is the caller's alone.
unsafe fn run<T: GemmFloat>(problem: &Gemm<'_, T>, a: Matrix<'_, T>, b: Matrix<'_, T>, c: Target<T>, serial: bool) {
    let &Gemm { m, n, k, accumulate, epilogue, .. } = problem;
    // SAFETY: passed on.
    unsafe {
        let (start, simple) = (c.at(0, 0), epilogue.in_registers());
        if (m == 1 || n == 1) && gemv::run(problem, &simple, a, b, start, serial)
            || outer::run(problem, &simple, a, b, start, serial)
        {
            if let Some(epilogue) = epilogue.afterwards() {
                epilogue.finish_all(start, problem.c_row_stride, [m, n], if serial { 0 } else { m.saturating_mul(n) });
            }
            return;
        }
        if n == 1 && m > 1 && problem.c_row_stride == 1 {
            // As a row: whole vectors of C, and A transposed as it is packed.
            let (a, b) =
                (Strided2(b.in_place(b.col_stride, b.row_stride)), Strided2(a.in_place(a.row_stride, a.col_stride)));
            let epilogue = epilogue.transposed();
            Product { m: 1, n: m, k, a: &a, b: &b, c, accumulate, epilogue, stream_b: false }.run(serial);
            return;
        }
        let a = Strided2(a.in_place(a.row_stride, a.col_stride));
        let b = Strided2(b.in_place(b.col_stride, b.row_stride));
        Product { m, n, k, a: &a, b: &b, c, accumulate, epilogue, stream_b: false }.run(serial);
    }
}
