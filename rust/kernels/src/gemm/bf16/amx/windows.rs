//! Tiles whose B lies in place: windows over planes of terms, one address for each step of k.
//!
//! The registers and the order of the products are those of the parent; only where B is read differs. Rows of its tiles
//! are `b_row` bytes apart and begin at any pixel.

use std::arch::asm;

use crate::gemm::bf16::{TILE, TILE_LEN};

/// What a microkernel computes: `C = A B`, 32 by 32.
pub(crate) struct WindowTile {
    /// A panel of packed terms.
    pub a: *const u16,
    /// Step `s` of term `t` of B is at `b + offsets[s] + t * b_term`, in bytes.
    pub b: *const u8,
    pub offsets: *const usize,
    pub b_row: usize,
    pub b_term: usize,
    /// At least one.
    pub steps: usize,
    pub c: *mut f32,
    /// Elements from a row of C to the next.
    pub c_row: usize,
    /// Adds to what C holds; single terms alone do.
    pub add: bool,
}
pub(crate) type WindowFn = unsafe fn(&WindowTile);

/// `[terms - 1]`
pub(crate) static WINDOWS: [WindowFn; 3] = [kernel::<1>, kernel::<2>, kernel::<3>];

/// As [`two_two`](super::two_two).
unsafe fn kernel<const TERMS: usize>(tile: &WindowTile) {
    let at_once = [terms1::two_two, terms2::two_two, terms3::two_two][TERMS - 1];
    let half = [terms1::one_two, terms2::one_two, terms3::one_two][TERMS - 1];
    let (a, c) = (tile.a.wrapping_add(TILE_LEN), tile.c.wrapping_add(TILE * tile.c_row));
    if tile.add {
        debug_assert_eq!(TERMS, 1);
        // SAFETY: as below. Nothing is added twice: there is no race.
        return unsafe {
            if super::TURN.get().0 {
                added::one_two(tile);
                added::one_two(&WindowTile { a, c, ..*tile });
            } else {
                added::two_two(tile);
            }
        };
    }
    // SAFETY: the halves are of what the caller vouches for.
    super::at_once_or_halves(
        true,
        || unsafe { at_once(tile) },
        || unsafe {
            half(tile);
            half(&WindowTile { a, c, ..*tile });
        },
    );
}

/// Loads the two tiles of B of the term that `{x}` is at.
macro_rules! load_windows {
    () => {
        "tileloadd tmm6, [{x} + {b_row}]\ntileloadd tmm7, [{x} + {b_row} + 64]"
    };
}

/// One step of 32 k, as [`step`](super::step).
macro_rules! window_step {
    ($shape:ident, first) => {
        concat!(load_a!($shape, "0", "1024"), "\n", load_windows!(), "\n", multiply!($shape))
    };
    // (1, 0), (0, 0), (0, 1).
    ($shape:ident, second) => {
        concat!(
            load_a!($shape, "2048", "3072"),
            "\n",
            load_windows!(),
            "\n",
            multiply!($shape),
            "\n",
            load_a!($shape, "0", "1024"),
            "\n",
            multiply!($shape),
            "\nadd {x}, {b_term}\n",
            load_windows!(),
            "\n",
            multiply!($shape)
        )
    };
    // (2, 0), (1, 0), (1, 1), (0, 1), (0, 2).
    ($shape:ident, third) => {
        concat!(
            load_a!($shape, "4096", "5120"),
            "\n",
            load_windows!(),
            "\n",
            multiply!($shape),
            "\n",
            load_a!($shape, "2048", "3072"),
            "\n",
            multiply!($shape),
            "\nadd {x}, {b_term}\n",
            load_windows!(),
            "\n",
            multiply!($shape),
            "\n",
            load_a!($shape, "0", "1024"),
            "\n",
            multiply!($shape),
            "\nadd {x}, {b_term}\n",
            load_windows!(),
            "\n",
            multiply!($shape)
        )
    };
}

/// The loop over k, as [`loops`](super::loops).
macro_rules! window_loops {
    ($shape:ident, $bytes:literal, third) => {
        concat!(
            "mov {back}, {steps}\n",
            window_loop!($shape, $bytes, third),
            "\nmov {steps}, {back}\n",
            "shl {back}, 3\nsub {offsets}, {back}\n",
            "imul {back}, {back}, ",
            $bytes,
            "/8\nsub {a}, {back}\n",
            window_loop!($shape, $bytes, first)
        )
    };
    ($shape:ident, $bytes:literal, $products:ident) => {
        window_loop!($shape, $bytes, $products)
    };
}

macro_rules! window_loop {
    ($shape:ident, $bytes:literal, $products:ident) => {
        concat!(
            "4:\nmov {x}, [{offsets}]\nadd {x}, {b}\n",
            window_step!($shape, $products),
            "\nadd {a}, ",
            $bytes,
            "\nadd {offsets}, 8\ndec {steps}\njnz 4b"
        )
    };
}

macro_rules! window_kernel {
    ($terms:ident, $start:ident, $bytes:literal, $products:ident; $($shape:ident)*) => {
        mod $terms {
            use super::{TILE, WindowTile, asm};
            $(
                pub(super) unsafe fn $shape(tile: &WindowTile) {
                    // SAFETY: the caller configured the tiles, and vouches for the operands and C.
                    unsafe {
                        asm!(
                            $start!($shape),
                            "/* {back}, {b_term} and {below}: not every kernel uses them */",
                            window_loops!($shape, $bytes, $products),
                            store!($shape),
                            a = inout(reg) tile.a => _,
                            b = in(reg) tile.b,
                            x = out(reg) _,
                            offsets = inout(reg) tile.offsets => _,
                            b_row = in(reg) tile.b_row,
                            b_term = in(reg) tile.b_term,
                            steps = inout(reg) tile.steps => _,
                            back = out(reg) _,
                            line = in(reg) 64_usize,
                            c = in(reg) tile.c,
                            below = in(reg) tile.c.wrapping_add(TILE * tile.c_row),
                            row = in(reg) tile.c_row * size_of::<f32>(),
                            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                            options(nostack),
                        );
                    }
                }
            )*
        }
    };
}
window_kernel!(added, load, "2048", first; one_two two_two);
window_kernel!(terms1, zero, "2048", first; one_two two_two);
window_kernel!(terms2, zero, "4096", second; one_two two_two);
window_kernel!(terms3, zero, "6144", third; one_two two_two);
