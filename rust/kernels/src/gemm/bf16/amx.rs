//! Tiles of AMX: up to 32 by 32 sums of float32, fed with bfloat16 by `tdpbf16ps`.
//!
//! The compiler does not know tile registers, so each microkernel is one block of assembly that leaves C in memory. Subnormal inputs and results are zero here, whatever the thread's rounding flags say.

use std::arch::asm;
use std::arch::x86_64::_rdtsc;
use std::cell::Cell;
use std::marker::PhantomData;

use super::{MicroTile, PANEL, TILE, TILE_LEN, TileFn};

/// The shape of all eight tile registers of this thread, which it never leaves, while it lives: 16 rows of 64 bytes.
pub(super) struct Configuration(PhantomData<*mut ()>);

impl Configuration {
    /// Configures this thread's tiles.
    ///
    /// # Safety
    /// [`Isa::Amx`](crate::isa::Isa::Amx) is available.
    pub unsafe fn new() -> Self {
        #[repr(C, align(64))]
        struct Palette {
            number: u8,
            start_row: u8,
            reserved: [u8; 14],
            bytes: [u16; 16],
            rows: [u8; 16],
        }
        let first_eight = |x| std::array::from_fn(|tile| if tile < 8 { x } else { 0 });
        let bytes = first_eight(64);
        let rows = std::array::from_fn(|tile| if tile < 8 { 16 } else { 0 });
        let palette = Palette { number: 1, start_row: 0, reserved: [0; 14], bytes, rows };
        // SAFETY: the instruction exists by contract and reads the 64 bytes of the palette.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const palette, options(nostack, readonly, preserves_flags)) };
        Self(PhantomData)
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: the value exists, so the instruction does. Without it the system would save 8 KiB of tiles at each
        // switch of threads.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// `[terms - 1][tiles of A - 1][tiles of B - 1]`.
pub(super) static MICROKERNELS: [[[TileFn; 2]; 2]; 3] = [
    [[terms1::one_one, terms1::one_two], [terms1::two_one, two_two::<1>]],
    [[terms2::one_one, terms2::one_two], [terms2::two_one, two_two::<2>]],
    [[terms3::one_one, terms3::one_two], [terms3::two_one, two_two::<3>]],
];

/// Four tiles of C, at once or two after two, whichever is faster now. The sums are the same.
unsafe fn two_two<const TERMS: usize>(tile: &MicroTile) {
    let one_two = MICROKERNELS[TERMS - 1][0][1];
    let alone = if tile.next.is_null() { terms1::two_two } else { ahead::two_two };
    let two_two = [alone, terms2::two_two, terms3::two_two][TERMS - 1];
    let (a, c) = (tile.a.wrapping_add(TILE_LEN), tile.c.wrapping_add(TILE * tile.c_row));
    let start = if tile.start.is_null() { tile.start } else { tile.start.wrapping_add(TILE * PANEL) };
    // SAFETY: the halves are of what the caller vouches for.
    at_once_or_halves(
        tile.start.is_null(),
        || unsafe { two_two(tile) },
        || unsafe {
            one_two(tile);
            one_two(&MicroTile { a, start, c, ..*tile });
        },
    );
}

thread_local! {
    /// Whether halves are faster now, and products until the next race.
    static TURN: Cell<(bool, u32)> = const { Cell::new((false, 0)) };
}

/// Runs four tiles of C at once, or in halves: more loads, but three registers less.
///
/// The CPU renames registers of tiles from a small store that the threads of a core share. Alone, a thread hardly notices.
/// While another one runs, as those of other guests of a host may at any time, about nine registers are left (found by
/// measuring): with all eight in use, every operation waits for the one before, and a product takes three to four times
/// as long; with five, half of that. Nothing tells a program that it is so, so now and then it runs both, if `repeatable`:
/// if what a product leaves is not what it starts from.
fn at_once_or_halves(repeatable: bool, at_once: impl Fn(), halves: impl Fn()) {
    /// Products between races.
    const ROUNDS: u32 = 1000;
    let (crowded, rounds) = TURN.get();
    if rounds > 0 || !repeatable {
        TURN.set((crowded, rounds.saturating_sub(1)));
        return if crowded { halves() } else { at_once() };
    }
    let time = |product: &dyn Fn()| {
        // SAFETY: the caller has configured tiles. Registers that were written stay in use until they are configured.
        std::mem::forget(unsafe { Configuration::new() });
        // SAFETY: a CPU with tiles has the instruction.
        let start = unsafe { _rdtsc() };
        product();
        // SAFETY: as above.
        unsafe { _rdtsc() }.wrapping_sub(start)
    };
    // What runs first brings the operands near. One that was interrupted must not decide.
    at_once();
    let best = |product: &dyn Fn()| (0..3).map(|_| time(product)).min().unwrap_or_default();
    let (at_once, halves) = (best(&at_once), best(&halves));
    TURN.set((at_once > halves + halves / 5, ROUNDS));
}

// A pair of tiles below or beside each other: tmm0 and 1 hold C, tmm4 what there is one tile of, A or B, tmm6 and 7 what
// there are two of; the other three stay unused on purpose. Four tiles: tmm0..3 hold C, row by row, tmm4 and 5 the tiles of
// A, tmm6 and 7 those of B.

/// Tiles of zeros for C, or the sums that it goes on from.
macro_rules! start {
    ($shape:ident) => {
        concat!("test {start}, {start}\njz 2f\n", bring!($shape), "\njmp 3f\n2:\n", zero!($shape), "\n3:")
    };
}

/// Loads sums in rows of [`PANEL`]: two lines.
macro_rules! bring {
    (one_one) => {
        "tileloadd tmm0, [{start} + 2 * {line}]"
    };
    (one_two) => {
        "tileloadd tmm0, [{start} + 2 * {line}]\ntileloadd tmm1, [{start} + 2 * {line} + 64]"
    };
    (two_one) => {
        "tileloadd tmm0, [{start} + 2 * {line}]\ntileloadd tmm1, [{start} + 2 * {line} + 2048]"
    };
    (two_two) => {
        concat!(
            bring!(one_two),
            "\ntileloadd tmm2, [{start} + 2 * {line} + 2048]\ntileloadd tmm3, [{start} + 2 * {line} + 2112]"
        )
    };
}

macro_rules! zero {
    (one_one) => {
        "tilezero tmm0"
    };
    (two_two) => {
        "tilezero tmm0\ntilezero tmm1\ntilezero tmm2\ntilezero tmm3"
    };
    ($shape:ident) => {
        "tilezero tmm0\ntilezero tmm1"
    };
}

/// Tiles of what C holds.
macro_rules! load {
    (one_two) => {
        "tileloadd tmm0, [{c} + {row}]\ntileloadd tmm1, [{c} + {row} + 64]"
    };
    (two_two) => {
        concat!(load!(one_two), "\ntileloadd tmm2, [{below} + {row}]\ntileloadd tmm3, [{below} + {row} + 64]")
    };
}

/// Stores C.
macro_rules! store {
    (one_one) => {
        "tilestored [{c} + {row}], tmm0"
    };
    (one_two) => {
        "tilestored [{c} + {row}], tmm0\ntilestored [{c} + {row} + 64], tmm1"
    };
    (two_one) => {
        "tilestored [{c} + {row}], tmm0\ntilestored [{below} + {row}], tmm1"
    };
    (two_two) => {
        concat!(store!(one_two), "\ntilestored [{below} + {row}], tmm2\ntilestored [{below} + {row} + 64], tmm3")
    };
}

/// Loads the tiles of A of a term, whose places in the step are given.
macro_rules! load_a {
    ($shape:ident, $at:literal, $next:literal) => {
        load_a!("tileloadd", $shape, $at, $next)
    };
    ($load:literal, two_one, $at:literal, $next:literal) => {
        concat!($load, " tmm6, [{a} + {line} + ", $at, "]\n", $load, " tmm7, [{a} + {line} + ", $next, "]")
    };
    ($load:literal, two_two, $at:literal, $next:literal) => {
        concat!($load, " tmm4, [{a} + {line} + ", $at, "]\n", $load, " tmm5, [{a} + {line} + ", $next, "]")
    };
    ($load:literal, $shape:ident, $at:literal, $next:literal) => {
        concat!($load, " tmm4, [{a} + {line} + ", $at, "]")
    };
}

/// Loads the tiles of B of a term, whose places in the step are given.
macro_rules! load_b {
    (one_one, $at:literal, $next:literal) => {
        concat!("tileloadd tmm6, [{b} + {line} + ", $at, "]")
    };
    (two_one, $at:literal, $next:literal) => {
        concat!("tileloadd tmm4, [{b} + {line} + ", $at, "]")
    };
    ($shape:ident, $at:literal, $next:literal) => {
        concat!("tileloadd tmm6, [{b} + {line} + ", $at, "]\ntileloadd tmm7, [{b} + {line} + ", $next, "]")
    };
}

macro_rules! multiply {
    (one_one) => {
        "tdpbf16ps tmm0, tmm4, tmm6"
    };
    (one_two) => {
        "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm1, tmm4, tmm7"
    };
    (two_one) => {
        "tdpbf16ps tmm0, tmm6, tmm4\ntdpbf16ps tmm1, tmm7, tmm4"
    };
    (two_two) => {
        concat!(multiply!(one_two), "\ntdpbf16ps tmm2, tmm5, tmm6\ntdpbf16ps tmm3, tmm5, tmm7")
    };
}

/// One step of 32 k: some products of terms `(i, j)`, ordered so that each shares an operand with the one before.
macro_rules! step {
    // The product of the first terms.
    ($shape:ident, first) => {
        concat!(load_a!($shape, "0", "1024"), "\n", load_b!($shape, "0", "1024"), "\n", multiply!($shape))
    };
    // The same where it is all there is: A comes from L2 once for each panel of B and goes past L1, where B stays.
    ($shape:ident, alone) => {
        concat!(
            load_a!("tileloaddt1", $shape, "0", "1024"),
            "\n",
            load_b!($shape, "0", "1024"),
            "\n",
            multiply!($shape)
        )
    };
    // The same, and four lines of what comes next are fetched into L2.
    ($shape:ident, ahead) => {
        concat!(
            step!($shape, alone),
            "\nprefetcht1 [{next}]\nprefetcht1 [{next} + 64]\nprefetcht1 [{next} + 128]\nprefetcht1 [{next} + 192]\n",
            "add {next}, 256"
        )
    };
    // (1, 0), (0, 0), (0, 1).
    ($shape:ident, second) => {
        concat!(
            load_a!($shape, "2048", "3072"),
            "\n",
            load_b!($shape, "0", "1024"),
            "\n",
            multiply!($shape),
            "\n",
            load_a!($shape, "0", "1024"),
            "\n",
            multiply!($shape),
            "\n",
            load_b!($shape, "2048", "3072"),
            "\n",
            multiply!($shape)
        )
    };
    // (2, 0), (1, 0), (1, 1), (0, 1), (0, 2).
    ($shape:ident, third) => {
        concat!(
            load_a!($shape, "4096", "5120"),
            "\n",
            load_b!($shape, "0", "1024"),
            "\n",
            multiply!($shape),
            "\n",
            load_a!($shape, "2048", "3072"),
            "\n",
            multiply!($shape),
            "\n",
            load_b!($shape, "2048", "3072"),
            "\n",
            multiply!($shape),
            "\n",
            load_a!($shape, "0", "1024"),
            "\n",
            multiply!($shape),
            "\n",
            load_b!($shape, "4096", "5120"),
            "\n",
            multiply!($shape)
        )
    };
}

/// The loop over k. With three terms, all small products first: sums of small numbers lose little, and the large ones
/// are then added to them in half the roundings of a chain of multiply-adds (a pair at a time).
macro_rules! loops {
    ($shape:ident, $bytes:literal, third) => {
        concat!(
            "mov {back}, {steps}\n",
            one_loop!($shape, $bytes, third),
            "\n",
            "mov {steps}, {back}\n",
            "imul {back}, {back}, ",
            $bytes,
            "\n",
            "sub {a}, {back}\n",
            "sub {b}, {back}\n",
            one_loop!($shape, $bytes, first)
        )
    };
    ($shape:ident, $bytes:literal, $products:ident) => {
        one_loop!($shape, $bytes, $products)
    };
}

macro_rules! one_loop {
    ($shape:ident, $bytes:literal, $products:ident) => {
        concat!(
            "4:\n",
            step!($shape, $products),
            "\n",
            "add {a}, ",
            $bytes,
            "\n",
            "add {b}, ",
            $bytes,
            "\n",
            "dec {steps}\n",
            "jnz 4b"
        )
    };
}

macro_rules! microkernel {
    ($terms:ident, $bytes:literal, $products:ident; $($shape:ident)*) => {
        mod $terms {
            use super::{MicroTile, TILE, asm};
            $(
                pub(super) unsafe fn $shape(tile: &MicroTile) {
                    // SAFETY: the caller configured the tiles, and vouches for the panels and C.
                    unsafe {
                        asm!(
                            start!($shape),
                            "/* {below}, {back}, {next}: not every shape uses them */",
                            loops!($shape, $bytes, $products),
                            store!($shape),
                            a = inout(reg) tile.a => _,
                            b = inout(reg) tile.b => _,
                            steps = inout(reg) tile.steps => _,
                            back = out(reg) _,
                            start = in(reg) tile.start,
                            next = inout(reg) tile.next => _,
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
microkernel!(terms1, "2048", alone; one_one one_two two_one two_two);
microkernel!(ahead, "2048", ahead; two_two);
microkernel!(terms2, "4096", second; one_one one_two two_one two_two);
microkernel!(terms3, "6144", third; one_one one_two two_one two_two);

// Below the macros, which it uses.
pub(super) mod windows;

/// Operations of one step of [`spin_tiles`].
pub(crate) const SPIN_FLOPS: usize = 4 * 2 * 16 * 16 * 32;

/// Multiplies zeros in four tiles, as fast as the hardware can: what the roofline measures.
///
/// # Safety
/// [`Isa::Amx`](crate::isa::Isa::Amx) is available.
pub(crate) unsafe fn spin_tiles(steps: usize) {
    // SAFETY: by contract; only tile registers are touched.
    unsafe {
        let _configuration = Configuration::new();
        asm!(
            "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {steps}",
            "jnz 2b",
            steps = inout(reg) steps.max(1) => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, nomem),
        );
    }
}
