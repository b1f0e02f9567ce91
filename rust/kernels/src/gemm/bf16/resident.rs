//! Matrices that stay packed while a task multiplies them several times: queries, keys and values of a head.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::null;

use super::pack::{Place, Side, Span, pack};
use super::store::bring;
use super::{MicroTile, Operand, PANEL, STEP, Stack, TERM_LEN, TILE, amx};
use crate::gemm::Matrix;
use crate::gemm::driver::Product;
use crate::gemm::epilogue::Epilogue;
use crate::gemm::pack::{InPlace, Strided2};
use crate::gemm::target::Target;
use crate::half::Bf16;
use crate::stored::{Stored, narrow_slice};

/// What is packed in terms: float32, and the numbers of bfloat16, each of which is one.
pub(crate) trait InTerms: Stored<Value = f32> {
    /// The elements as an operand.
    fn operand(source: &Strided2<Self>) -> Operand<'_>;
    /// The matrix itself, if it is of float32.
    fn float32(matrix: Matrix<'_, Self>) -> Option<Matrix<'_, f32>>;
    /// Stores as many values, rounded.
    fn put(values: &[f32], to: &mut [Self]);
}

impl InTerms for f32 {
    fn operand(source: &Strided2<f32>) -> Operand<'_> {
        Operand::Float32(source)
    }

    fn float32(matrix: Matrix<'_, f32>) -> Option<Matrix<'_, f32>> {
        Some(matrix)
    }

    fn put(values: &[f32], to: &mut [f32]) {
        to.copy_from_slice(values);
    }
}

impl InTerms for Bf16 {
    fn operand(source: &Strided2<Bf16>) -> Operand<'_> {
        let InPlace { start, outer_stride, k_stride } = source.0;
        Operand::Bfloat16(InPlace { start: start.cast(), outer_stride, k_stride })
    }

    fn float32(_: Matrix<'_, Bf16>) -> Option<Matrix<'_, f32>> {
        None
    }

    fn put(values: &[f32], to: &mut [Bf16]) {
        narrow_slice(values, to);
    }
}

/// The tiles of this thread, which it never leaves, while products are computed.
pub(crate) struct Tiles {
    _configuration: amx::Configuration,
}

impl Tiles {
    /// # Safety
    /// This machine has AMX.
    pub unsafe fn new() -> Self {
        // SAFETY: by contract.
        Self { _configuration: unsafe { amx::Configuration::new() } }
    }

    /// `C = A B`, or `C = C + A B` if `accumulate`, with the first `m` rows of `a`, `k` steps and `n` columns of `b`, on
    /// this thread. Where terms would lose what float32 keeps, in multiply-adds.
    ///
    /// # Safety
    /// The elements of C, whose rows begin `c_row` apart, are valid and the caller's alone. `whole`, which does not go
    /// with `accumulate`: so are those up to whole tiles of [`TILE`] by [`TILE`], which get something.
    #[expect(clippy::unused_self, reason = "tiles are configured as long as it lives")]
    pub unsafe fn multiply(
        &self,
        [m, k, n]: [usize; 3],
        a: &Resident<'_>,
        b: &Resident<'_>,
        (c, c_row): (*mut f32, usize),
        how: Put,
    ) {
        let accumulate = how == Put::Add;
        debug_assert!(a.terms == b.terms && m <= a.outer && n <= b.outer && k <= a.k && k <= b.k, "parts of both");
        if a.terms > 1
            && !a.span.is_safe_in_sums(b.span)
            && let (Some(a), Some(b)) = (a.matrix, b.matrix)
        {
            let a = Strided2(a.in_place(a.row_stride, a.col_stride));
            let b = Strided2(b.in_place(b.col_stride, b.row_stride));
            let (c, epilogue) = (Target::rows(c, 0, c_row), Epilogue::default());
            let product = Product { m, n, k, a: &a, b: &b, c, accumulate, epilogue, stream_b: false };
            // SAFETY: the matrices have the rows and columns, C by contract.
            return unsafe { product.run_fma(true) };
        }
        let kernels = &amx::MICROKERNELS[a.terms - 1];
        let mut stacks = [const { MaybeUninit::<Stack>::uninit() }; 2];
        let mut waiting = None;
        for (first_col, j) in (0..n).step_by(PANEL).zip(0..) {
            let cols = (n - first_col).min(PANEL);
            for (first_row, i) in (0..m).step_by(PANEL).zip(0..) {
                let rows = (m - first_row).min(PANEL);
                let to = c.wrapping_add(first_row * c_row + first_col);
                let stack = stacks[(i + j) % 2].as_mut_ptr().cast::<f32>();
                let (sums, sums_row) = if how == Put::Whole { (to, c_row) } else { (stack, PANEL) };
                let tile = MicroTile {
                    a: a.start.wrapping_add(i * a.panel_len),
                    b: b.start.wrapping_add(j * b.panel_len),
                    steps: k.div_ceil(STEP),
                    start: null(),
                    c: sums,
                    c_row: sums_row,
                    next: null(),
                };
                // SAFETY: the panels hold so many steps; the stack a tile, or C by contract; whoever has tiles has
                // AVX-512.
                unsafe {
                    kernels[rows.div_ceil(TILE) - 1][cols.div_ceil(TILE) - 1](&tile);
                    if how == Put::Whole {
                        continue;
                    }
                    // The sums of the tile before have arrived; those of this one would be waited for.
                    if let Some((sums, rows, cols, to)) = waiting.replace((stack.cast_const(), rows, cols, to)) {
                        bring(sums, rows, cols, 0, to, c_row, accumulate);
                    }
                }
            }
            // The next panel may begin with the stack that waits.
            if let Some((sums, rows, cols, to)) = waiting.take() {
                // SAFETY: as above.
                unsafe { bring(sums, rows, cols, 0, to, c_row, accumulate) };
            }
        }
    }
}

/// How a product reaches C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// In its place, and what is around it up to whole tiles is overwritten.
    Whole,
    /// In its place.
    Exactly,
    /// Added to what is there.
    Add,
}

/// A matrix, and its terms.
#[derive(Clone, Copy)]
pub(crate) struct Resident<'a> {
    /// Of float32; other numbers are one term.
    matrix: Option<Matrix<'a, f32>>,
    /// Rows of A or columns of B.
    outer: usize,
    k: usize,
    terms: usize,
    start: *const u16,
    panel_len: usize,
    /// Of all panels.
    span: Span,
    memory: PhantomData<&'a mut [f32]>,
}

impl<'a> Resident<'a> {
    /// Elements of memory for `outer` rows of A, or columns of B.
    pub fn len(terms: usize, outer: usize, k: usize) -> usize {
        outer.div_ceil(PANEL) * k.div_ceil(STEP) * terms * TERM_LEN * size_of::<u16>() / size_of::<f32>()
    }

    /// The matrix as A, `m` by `k`, whose terms are put into `memory`.
    ///
    /// # Safety
    /// This machine has AMX.
    ///
    /// # Panics
    /// If the matrix does not fit its slice, or the terms the memory.
    pub unsafe fn a<K: InTerms>(
        terms: usize,
        matrix: Matrix<'a, K>,
        [m, k]: [usize; 2],
        memory: &'a mut [f32],
    ) -> Self {
        matrix.check(m, k);
        let source = Strided2(matrix.in_place(matrix.row_stride, matrix.col_stride));
        // SAFETY: passed on.
        unsafe { Self::pack(Side::A, terms, matrix, &source, [m, k], memory) }
    }

    /// The matrix as B, `k` by `n`.
    ///
    /// # Safety
    /// As [`Self::a`].
    pub unsafe fn b<K: InTerms>(
        terms: usize,
        matrix: Matrix<'a, K>,
        [k, n]: [usize; 2],
        memory: &'a mut [f32],
    ) -> Self {
        matrix.check(k, n);
        let source = Strided2(matrix.in_place(matrix.col_stride, matrix.row_stride));
        // SAFETY: passed on.
        unsafe { Self::pack(Side::B, terms, matrix, &source, [n, k], memory) }
    }

    unsafe fn pack<K: InTerms>(
        side: Side,
        terms: usize,
        matrix: Matrix<'a, K>,
        source: &Strided2<K>,
        [outer, k]: [usize; 2],
        memory: &'a mut [f32],
    ) -> Self {
        /// Panels whose spans fit the stack.
        const GROUP: usize = 16;
        assert!(memory.len() >= Self::len(terms, outer, k), "room for the terms");
        let panel_len = k.div_ceil(STEP) * terms * TERM_LEN;
        let start = memory.as_mut_ptr().cast::<u16>();
        let mut span = None;
        for (group, first) in (0..outer).step_by(GROUP * PANEL).enumerate() {
            let outer = first..(first + GROUP * PANEL).min(outer);
            let mut spans = [Span::ZEROS; GROUP];
            let place = Place { start: start.wrapping_add(group * GROUP * panel_len), panel_len };
            let spans = &mut spans[..outer.len().div_ceil(PANEL)];
            // SAFETY: the matrix has the rows and columns, and the memory the room; whoever has AMX has the features.
            unsafe { pack(K::operand(source), side, terms, &outer, &(0..k), place, spans) };
            let numbers = spans.iter().copied().filter(|&span| span != Span::ZEROS);
            span = numbers.chain(span).reduce(Span::and);
        }
        let span = span.unwrap_or(Span::ZEROS);
        Self { matrix: K::float32(matrix), outer, k, terms, start, panel_len, span, memory: PhantomData }
    }
}
