//! Sums over a few taps of a padded plane: the vectorised bodies behind depthwise convolution.
//!
//! A plane is rows of adjacent elements `pitch` apart, with zeros wherever a window looks past an edge: no tap is ever
//! left out, and whole vectors are read up to a multiple of [`WIDTH`] columns from every tap.

#![allow(clippy::needless_range_loop, reason = "a register of a row of sums, and its place in memory")]

use super::GemmFloat;
use super::microkernel::{Vector, first_lanes, for_rows};

/// Columns of the widest register there is: what rows are padded to, and the lanes that [`dots`] sums in on every ISA.
pub(crate) const WIDTH: usize = 16;

/// One element of a window.
#[derive(Clone, Copy)]
pub(crate) struct PlaneTap<T> {
    /// How far behind the corner of the window.
    pub offset: usize,
    pub weight: T,
}

/// `out[y][x] = start + sum over taps of weight * plane[y][x + offset]`.
pub(crate) struct Correlation<'a, T> {
    pub plane: *const T,
    pub pitch: usize,
    pub taps: &'a [PlaneTap<T>],
    pub out: *mut T,
    pub out_pitch: usize,
    pub rows: usize,
    pub cols: usize,
    pub start: T,
    /// Start at what `out` holds instead.
    pub accumulate: bool,
}

/// `sums[tap][x % WIDTH] += plane[y][x + offset] * other[y][x]`.
pub(crate) struct Dots<'a, T> {
    pub plane: *const T,
    pub pitch: usize,
    pub offsets: &'a [usize],
    pub other: *const T,
    pub other_pitch: usize,
    pub rows: usize,
    /// A multiple of [`WIDTH`].
    pub cols: usize,
    pub sums: *mut T,
}

/// See [`correlate`].
pub(crate) type CorrelateFn<T> = unsafe fn(&Correlation<'_, T>);
/// See [`dots`].
pub(crate) type DotsFn<T> = unsafe fn(&Dots<'_, T>);

/// Every element is one chain of multiply-adds over the taps in their order.
///
/// # Safety
/// The features of `V` are on; the plane holds every vector of every tap, `out` every element named.
#[inline(always)]
pub(crate) unsafe fn correlate<V: Vector>(c: &Correlation<'_, V::Elem>) {
    if let Some(square) = Square::of(c) {
        // SAFETY: by contract.
        return unsafe { square.correlate::<V>(c) };
    }
    let mut y = 0;
    while y < c.rows {
        let rows = (c.rows - y).min(2);
        let mut x = 0;
        while x < c.cols {
            let vectors = (c.cols - x).div_ceil(V::LANES).min(4);
            // SAFETY: by contract.
            unsafe {
                match (rows, vectors) {
                    (2, 4) => block::<V, 2, 4>(c, y, x),
                    (2, 3) => block::<V, 2, 3>(c, y, x),
                    (2, 2) => block::<V, 2, 2>(c, y, x),
                    (2, _) => block::<V, 2, 1>(c, y, x),
                    (_, 4) => block::<V, 1, 4>(c, y, x),
                    (_, 3) => block::<V, 1, 3>(c, y, x),
                    (_, 2) => block::<V, 1, 2>(c, y, x),
                    _ => block::<V, 1, 1>(c, y, x),
                }
            }
            x += vectors * V::LANES;
        }
        y += rows;
    }
}

/// Up to `VECS` registers of each of `ROWS` rows.
///
/// # Safety
/// As [`correlate`].
#[inline(always)]
unsafe fn block<V: Vector, const ROWS: usize, const VECS: usize>(c: &Correlation<'_, V::Elem>, y: usize, x: usize) {
    // SAFETY: by contract; the last register is stored as far as there are columns.
    unsafe {
        let last = V::mask(first_lanes((c.cols - x - (VECS - 1) * V::LANES).min(V::LANES)));
        let whole = V::mask(first_lanes(V::LANES));
        let mask = |v: usize| if v == VECS - 1 { last } else { whole };
        let out = c.out.add(y * c.out_pitch + x);
        let plane = c.plane.add(y * c.pitch + x);
        let mut sums = [[V::splat(c.start); VECS]; ROWS];
        if c.accumulate {
            for_rows!(r in ROWS {
                for v in 0..VECS {
                    sums[r][v] = V::load_masked(out.add(r * c.out_pitch + v * V::LANES), mask(v));
                }
            });
        }
        for tap in c.taps {
            let (from, weight) = (plane.add(tap.offset), V::splat(tap.weight));
            for_rows!(r in ROWS {
                for v in 0..VECS {
                    sums[r][v] = weight.fma(V::load(from.add(r * c.pitch + v * V::LANES)), sums[r][v]);
                }
            });
        }
        for_rows!(r in ROWS {
            for v in 0..VECS {
                sums[r][v].store_masked(out.add(r * c.out_pitch + v * V::LANES), mask(v));
            }
        });
    }
}

/// Three by three taps next to each other, as they lie or turned round: windows above each other read the same rows, so a
/// register that was loaded serves the sums of up to three rows.
struct Square<T> {
    weights: [[T; 3]; 3],
    /// From the plane's corner to the first tap, and from there to the tap below and beside.
    first: usize,
    below: isize,
    beside: isize,
}

impl<T: GemmFloat> Square<T> {
    fn of(c: &Correlation<'_, T>) -> Option<Self> {
        let (rows, []) = c.taps.as_chunks::<3>() else { return None };
        let taps: &[[PlaneTap<T>; 3]; 3] = rows.try_into().ok()?;
        let apart = |tap: &PlaneTap<T>| tap.offset.cast_signed() - taps[0][0].offset.cast_signed();
        let (below, beside) = (apart(&taps[1][0]), apart(&taps[0][1]));
        let place = |i: usize, j: usize| i.cast_signed() * below + j.cast_signed() * beside;
        let regular = (0..3).all(|i| (0..3).all(|j| apart(&taps[i][j]) == place(i, j)));
        (regular && below.unsigned_abs() == c.pitch).then(|| Self {
            weights: taps.map(|row| row.map(|tap| tap.weight)),
            first: taps[0][0].offset,
            below,
            beside,
        })
    }

    /// See [`correlate`]: the same chains.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn correlate<V: Vector<Elem = T>>(&self, c: &Correlation<'_, T>) {
        let mut y = 0;
        while y < c.rows {
            let rows = match c.rows - y {
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            let mut x = 0;
            while x < c.cols {
                let vectors = (c.cols - x).div_ceil(V::LANES).min(2);
                // SAFETY: by contract.
                unsafe {
                    match (rows, vectors) {
                        (4, 2) => self.block::<V, 4, 6, 2>(c, y, x),
                        (4, _) => self.block::<V, 4, 6, 1>(c, y, x),
                        (2, 2) => self.block::<V, 2, 4, 2>(c, y, x),
                        (2, _) => self.block::<V, 2, 4, 1>(c, y, x),
                        (_, 2) => self.block::<V, 1, 3, 2>(c, y, x),
                        _ => self.block::<V, 1, 3, 1>(c, y, x),
                    }
                }
                x += vectors * V::LANES;
            }
            y += rows;
        }
    }

    /// Up to `VECS` registers of each of `ROWS` rows, which see `TALL` rows of the plane. Where the taps are turned round the
    /// rows are counted from the last.
    ///
    /// # Safety
    /// As [`correlate`].
    #[inline(always)]
    unsafe fn block<V: Vector<Elem = T>, const ROWS: usize, const TALL: usize, const VECS: usize>(
        &self,
        c: &Correlation<'_, T>,
        y: usize,
        x: usize,
    ) {
        const { assert!(TALL == ROWS + 2) };
        // SAFETY: by contract; the last register is stored as far as there are columns.
        unsafe {
            let last = V::mask(first_lanes((c.cols - x - (VECS - 1) * V::LANES).min(V::LANES)));
            let whole = V::mask(first_lanes(V::LANES));
            let mask = |v: usize| if v == VECS - 1 { last } else { whole };
            let (y, out_step) = match self.below {
                0.. => (y, c.out_pitch.cast_signed()),
                _ => (y + ROWS - 1, -c.out_pitch.cast_signed()),
            };
            let out = c.out.add(y * c.out_pitch + x);
            let plane = c.plane.add(y * c.pitch + x + self.first);
            let mut sums = [[V::splat(c.start); VECS]; ROWS];
            if c.accumulate {
                for_rows!(r in ROWS {
                    for v in 0..VECS {
                        sums[r][v] = V::load_masked(out.offset(r.cast_signed() * out_step).add(v * V::LANES), mask(v));
                    }
                });
            }
            for_rows!(t in TALL {
                for j in 0..3_usize {
                    let from = plane.offset(t.cast_signed() * self.below + j.cast_signed() * self.beside);
                    for v in 0..VECS {
                        let values = V::load(from.add(v * V::LANES));
                        for_rows!(r in ROWS {
                            if t >= r && t < r + 3 {
                                sums[r][v] = V::splat(self.weights[t - r][j]).fma(values, sums[r][v]);
                            }
                        });
                    }
                }
            });
            for_rows!(r in ROWS {
                for v in 0..VECS {
                    sums[r][v].store_masked(out.offset(r.cast_signed() * out_step).add(v * V::LANES), mask(v));
                }
            });
        }
    }
}

/// Every lane of a sum is one chain of multiply-adds over rows and columns in an order that the sizes fix.
///
/// # Safety
/// The features of `V` are on; both planes hold every vector, `sums` one row of [`WIDTH`] for each offset.
#[inline(always)]
pub(crate) unsafe fn dots<V: Vector>(d: &Dots<'_, V::Elem>) {
    if let Some(beside) = beside_in_square(d) {
        for lane in (0..WIDTH).step_by(V::LANES) {
            // SAFETY: by contract.
            unsafe { dots_of_square::<V>(d, beside, lane) };
        }
        return;
    }
    let mut first = 0;
    while first < d.offsets.len() {
        let taps = (d.offsets.len() - first).min(3);
        // SAFETY: by contract.
        unsafe {
            match taps {
                3 => dots_of::<V, 3>(d, first),
                2 => dots_of::<V, 2>(d, first),
                _ => dots_of::<V, 1>(d, first),
            }
        }
        first += taps;
    }
}

/// From a tap to the next beside it, if the taps are three by three in rows of the plane.
fn beside_in_square<T>(d: &Dots<'_, T>) -> Option<usize> {
    let offsets: &[usize; 9] = d.offsets.try_into().ok()?;
    let beside = offsets[1].checked_sub(offsets[0])?;
    let regular = (0..9).all(|tap| offsets[tap] == offsets[0] + tap / 3 * d.pitch + tap % 3 * beside);
    regular.then_some(beside)
}

/// The sums of three by three taps in one register of each row of lanes: what is loaded of the plane serves up to three
/// rows of the other, as in [`Square`].
///
/// # Safety
/// As [`dots`].
#[inline(always)]
unsafe fn dots_of_square<V: Vector>(d: &Dots<'_, V::Elem>, beside: usize, lane: usize) {
    // SAFETY: by contract.
    unsafe {
        let sums = d.sums.add(lane);
        let mut lanes = [[V::zero(); 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                lanes[i][j] = V::load(sums.add((3 * i + j) * WIDTH));
            }
        }
        let mut y = 0;
        while y < d.rows {
            let rows = match d.rows - y {
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            lanes = match rows {
                4 => dots_of_rows::<V, 4, 6>(d, [y, lane], beside, lanes),
                2 => dots_of_rows::<V, 2, 4>(d, [y, lane], beside, lanes),
                _ => dots_of_rows::<V, 1, 3>(d, [y, lane], beside, lanes),
            };
            y += rows;
        }
        for i in 0..3 {
            for j in 0..3 {
                lanes[i][j].store(sums.add((3 * i + j) * WIDTH));
            }
        }
    }
}

/// The sums with what `ROWS` rows add to them, which see `TALL` rows of the plane.
///
/// # Safety
/// As [`dots`].
#[inline(always)]
unsafe fn dots_of_rows<V: Vector, const ROWS: usize, const TALL: usize>(
    d: &Dots<'_, V::Elem>,
    [y, lane]: [usize; 2],
    beside: usize,
    mut lanes: [[V; 3]; 3],
) -> [[V; 3]; 3] {
    const { assert!(TALL == ROWS + 2) };
    // SAFETY: by contract.
    unsafe {
        let (plane, other) = (d.plane.add(d.offsets[0] + y * d.pitch), d.other.add(y * d.other_pitch));
        for x in (lane..d.cols).step_by(WIDTH) {
            let mut others = [V::zero(); ROWS];
            for_rows!(r in ROWS {
                others[r] = V::load(other.add(r * d.other_pitch + x));
            });
            for_rows!(t in TALL {
                for j in 0..3_usize {
                    let values = V::load(plane.add(t * d.pitch + x + j * beside));
                    for_rows!(r in ROWS {
                        if t >= r && t < r + 3 {
                            lanes[t - r][j] = others[r].fma(values, lanes[t - r][j]);
                        }
                    });
                }
            });
        }
    }
    lanes
}

/// The sums of `TAPS` taps.
///
/// # Safety
/// As [`dots`].
#[inline(always)]
unsafe fn dots_of<V: Vector, const TAPS: usize>(d: &Dots<'_, V::Elem>, first: usize) {
    // SAFETY: by contract.
    unsafe {
        let vectors = WIDTH / V::LANES;
        let sums = d.sums.add(first * WIDTH);
        let mut lanes = [[V::zero(); 4]; TAPS];
        for_rows!(r in TAPS {
            for v in 0..vectors {
                lanes[r][v] = V::load(sums.add(r * WIDTH + v * V::LANES));
            }
        });
        for y in 0..d.rows {
            let (plane, other) = (d.plane.add(y * d.pitch), d.other.add(y * d.other_pitch));
            for x in (0..d.cols).step_by(WIDTH) {
                for v in 0..vectors {
                    let x = x + v * V::LANES;
                    let other = V::load(other.add(x));
                    for_rows!(r in TAPS {
                        lanes[r][v] = other.fma(V::load(plane.add(d.offsets[first + r] + x)), lanes[r][v]);
                    });
                }
            }
        }
        for_rows!(r in TAPS {
            for v in 0..vectors {
                lanes[r][v].store(sums.add(r * WIDTH + v * V::LANES));
            }
        });
    }
}
