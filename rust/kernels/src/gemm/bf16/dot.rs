//! The tiles of `amx` where there is no AMX: dot products of pairs of bfloat16, by `vdpbf16ps`.

#[allow(clippy::wildcard_imports, reason = "a handful of intrinsics")]
use std::arch::x86_64::*;

use super::amx::windows::WindowTile;
use super::{MicroTile, STEP, TERM_LEN, TILE, TILE_LEN, TileFn};

/// `[tiles of A - 1][tiles of B - 1]`, of one term.
pub(super) static MICROKERNELS: [[TileFn; 2]; 2] = [[tiles::<1, 1>, tiles::<1, 2>], [tiles::<2, 1>, tiles::<2, 2>]];

/// Rows of A whose sums with one or two tiles of B are in registers at once: 16 sums, and a pair of A for both.
const ROWS: usize = 8;

/// Where the tiles of B are, in bytes.
#[derive(Clone, Copy)]
struct Columns {
    start: *const u8,
    /// From the start to each step; null where one follows the other.
    offsets: *const usize,
    /// From a pair of k to the next, and from a tile to the next.
    row: usize,
    tile: usize,
}

impl Columns {
    /// A panel of single terms.
    fn of(tile: &MicroTile) -> Self {
        Self {
            start: tile.b.cast(),
            offsets: std::ptr::null(),
            row: STEP * size_of::<u16>(),
            tile: TILE_LEN * size_of::<u16>(),
        }
    }
}

/// [`MicroTile`] of `A` by `B` tiles.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tiles<const A: usize, const B: usize>(tile: &MicroTile) {
    // SAFETY: the caller vouches for the panels and C.
    unsafe { all::<B>(tile.a, A * TILE, Columns::of(tile), tile.steps, tile.c, tile.c_row, false) }
}

/// The first `rows` rows alone of [`MicroTile`], added to C or not.
///
/// # Safety
/// The CPU has the instructions; the panels have the rows and `B` tiles of columns, and so has C.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn first_rows<const B: usize>(tile: &MicroTile, rows: usize, add: bool) {
    // SAFETY: passed on.
    unsafe { all::<B>(tile.a, rows, Columns::of(tile), tile.steps, tile.c, tile.c_row, add) }
}

/// [`WindowTile`] of one term.
///
/// # Safety
/// The CPU has the instructions, and every element that `tile` names is valid.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn windows(tile: &WindowTile) {
    let columns = Columns { start: tile.b, offsets: tile.offsets, row: tile.b_row, tile: TILE * size_of::<[u16; 2]>() };
    // SAFETY: passed on.
    unsafe { all::<2>(tile.a, 2 * TILE, columns, tile.steps, tile.c, tile.c_row, tile.add) }
}

/// `C = [C +] A B` of `rows` rows by `B` tiles of columns. What becomes of a row does not depend on the others.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn all<const B: usize>(
    a: *const u16,
    rows: usize,
    columns: Columns,
    steps: usize,
    c: *mut f32,
    c_row: usize,
    add: bool,
) {
    let mut first = 0;
    while first < rows {
        let (a, c) = (a.wrapping_add(first / TILE * TILE_LEN + first % TILE * STEP), c.wrapping_add(first * c_row));
        // SAFETY: rows of the tiles that the caller vouches for.
        unsafe {
            first += match rows - first {
                ROWS.. => some::<ROWS, B>(a, columns, steps, c, c_row, add),
                4.. => some::<4, B>(a, columns, steps, c, c_row, add),
                2.. => some::<2, B>(a, columns, steps, c, c_row, add),
                _ => some::<1, B>(a, columns, steps, c, c_row, add),
            }
        }
    }
}

/// The same of as many rows as there are registers for, or fewer: `N`, which it returns.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn some<const N: usize, const B: usize>(
    a: *const u16,
    columns: Columns,
    steps: usize,
    c: *mut f32,
    c_row: usize,
    add: bool,
) -> usize {
    // SAFETY: as above.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); B]; N];
        if add {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_loadu_ps(c.add(row * c_row + j * TILE));
                }
            }
        }
        for step in 0..steps {
            let a = a.add(step * TERM_LEN);
            let offset =
                if columns.offsets.is_null() { step * TERM_LEN * size_of::<u16>() } else { *columns.offsets.add(step) };
            let b = columns.start.wrapping_add(offset);
            for pair in 0..STEP / 2 {
                let mut pairs = [_mm512_setzero_si512(); B];
                for (j, pairs) in pairs.iter_mut().enumerate() {
                    *pairs = _mm512_loadu_si512(b.add(pair * columns.row + j * columns.tile).cast());
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let both = _mm512_set1_epi32(a.add(row * STEP + 2 * pair).cast::<i32>().read_unaligned());
                    for (sum, pairs) in sums.iter_mut().zip(pairs) {
                        *sum = _mm512_dpbf16_ps(*sum, bits(both), bits(pairs));
                    }
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (j, sum) in sums.into_iter().enumerate() {
                _mm512_storeu_ps(c.add(row * c_row + j * TILE), sum);
            }
        }
    }
    N
}

#[inline(always)]
fn bits(x: __m512i) -> __m512bh {
    // SAFETY: both types are 64 bytes of bits.
    unsafe { std::mem::transmute(x) }
}
