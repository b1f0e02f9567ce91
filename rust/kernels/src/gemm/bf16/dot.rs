//! The tiles of `amx` where there is no AMX: dot products of pairs of bfloat16, by `vdpbf16ps`.

#[allow(clippy::wildcard_imports, reason = "a handful of intrinsics")]
use std::arch::x86_64::*;

use super::{MicroTile, STEP, TERM_LEN, TILE, TILE_LEN, TileFn};

/// `[tiles of A - 1][tiles of B - 1]`, of one term.
pub(super) static MICROKERNELS: [[TileFn; 2]; 2] = [[tiles::<1, 1>, tiles::<1, 2>], [tiles::<2, 1>, tiles::<2, 2>]];

/// One tile of C after the other: its 16 rows fill as many registers.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tiles<const A: usize, const B: usize>(tile: &MicroTile) {
    for (i, j) in (0..A).flat_map(|i| (0..B).map(move |j| (i, j))) {
        // SAFETY: the caller vouches for the panels and C.
        unsafe {
            let mut sums = [_mm512_setzero_ps(); TILE];
            for step in 0..tile.steps {
                let a = tile.a.add(step * TERM_LEN + i * TILE_LEN);
                let b = tile.b.add(step * TERM_LEN + j * TILE_LEN);
                for pair in 0..STEP / 2 {
                    let columns = bits(_mm512_loadu_si512(b.add(pair * STEP).cast()));
                    for (row, sum) in sums.iter_mut().enumerate() {
                        let both = a.add(row * STEP + 2 * pair).cast::<i32>().read_unaligned();
                        *sum = _mm512_dpbf16_ps(*sum, bits(_mm512_set1_epi32(both)), columns);
                    }
                }
            }
            for (row, sum) in sums.into_iter().enumerate() {
                _mm512_storeu_ps(tile.c.add((i * TILE + row) * tile.c_row + j * TILE), sum);
            }
        }
    }
}

#[inline(always)]
fn bits(x: __m512i) -> __m512bh {
    // SAFETY: both types are 64 bytes of bits.
    unsafe { std::mem::transmute(x) }
}
