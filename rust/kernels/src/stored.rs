//! Numbers that are stored narrower than they are computed: 16-bit floats, and integers of fewer than 32 bits or of 32
//! without a sign. [`Stored`] says in which type an element takes part in arithmetic; slices are converted a piece at a
//! time, so that the loops for that type serve all that are computed in it.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::element::Element;
use crate::gemm::with_scratch;
use crate::isa::{Kernel, Simd, dispatch};
use crate::memory::Pod;

/// What a buffer may hold: an [`Element`], or a number that is computed as one.
pub trait Stored: Pod {
    /// The type of the arithmetic.
    type Value: Element;
    /// Whether that is another type.
    const NARROW: bool;
    /// Whether `load` and `store` are few enough instructions to stand in every loop.
    const SIMPLE: bool;
    /// The least and the greatest value that can be stored.
    const BOUNDS: (Self::Value, Self::Value);

    /// The value of this number.
    fn load(self) -> Self::Value;
    /// A float nearest to `value`, ties to even, NaN staying NaN; of an integer the lowest bits: it wraps.
    fn store(value: Self::Value) -> Self;
    /// The values of `src`: itself, or written to `room`, which is as long.
    fn load_slice<'a>(src: &'a [Self], room: &'a mut [MaybeUninit<Self::Value>]) -> &'a [Self::Value];
    /// Stores what `fill` writes, which is all of the slice that it gets: `dst` itself, or `room`, which is as long.
    fn store_slice(dst: &mut [Self], room: &mut [MaybeUninit<Self::Value>], fill: impl FnOnce(&mut [Self::Value]));
}

impl<T: Element> Stored for T {
    type Value = T;
    const NARROW: bool = false;
    const SIMPLE: bool = true;
    const BOUNDS: (T, T) = (T::LOWEST, T::HIGHEST);
    #[inline(always)]
    fn load(self) -> T {
        self
    }
    #[inline(always)]
    fn store(value: T) -> T {
        value
    }
    #[inline(always)]
    fn load_slice<'a>(src: &'a [T], _: &'a mut [MaybeUninit<T>]) -> &'a [T] {
        src
    }
    #[inline(always)]
    fn store_slice(dst: &mut [T], _: &mut [MaybeUninit<T>], fill: impl FnOnce(&mut [T])) {
        fill(dst);
    }
}

/// Elements that are converted together, about: with what is made of them they stay in the first-level cache.
const PIECE: usize = 2048;
/// Elements from the end of a room to the beginning of the next: fewer than a third of a page, so that what is read from
/// one and written to another at the same time lies at different places of theirs.
const APART: usize = 336;

/// Calls `body` with pieces of `rows` and rooms for the values of as many rows of each length; with all rows at once, and no
/// rooms, where nothing is converted.
pub(crate) fn by_pieces<K: Stored, const N: usize>(
    rows: Range<usize>,
    lengths: [usize; N],
    mut body: impl FnMut(Range<usize>, [&mut [MaybeUninit<K::Value>]; N]),
) {
    if !K::NARROW {
        return body(rows, std::array::from_fn(|_| &mut [][..]));
    }
    let longest = lengths.into_iter().max().unwrap_or(0);
    let step = (PIECE / longest.max(1)).clamp(1, rows.len().max(1));
    let apart = (step * longest).next_multiple_of(16) + APART;
    with_scratch(N * apart, |start: *mut K::Value| {
        for first in rows.clone().step_by(step) {
            let piece = first..(first + step).min(rows.end);
            let rooms = std::array::from_fn(|nth| {
                // SAFETY: there is room for a whole step of each length, apart from the others.
                unsafe { std::slice::from_raw_parts_mut(start.add(nth * apart).cast(), piece.len() * lengths[nth]) }
            });
            body(piece, rooms);
        }
    });
}

/// How slices of a type are converted that is stored narrower than it is computed.
pub(crate) trait Narrow: Stored {
    /// `dst[i] = src[i].load()`.
    #[inline(always)]
    fn widen<S: Simd>(src: &[Self], dst: &mut [MaybeUninit<Self::Value>]) {
        for (d, &x) in dst.iter_mut().zip(src) {
            d.write(x.load());
        }
    }

    /// `dst[i] = Self::store(src[i])`.
    #[inline(always)]
    fn narrow<S: Simd>(src: &[Self::Value], dst: &mut [Self]) {
        for (d, &x) in dst.iter_mut().zip(src) {
            *d = Self::store(x);
        }
    }
}

/// Not inlined, as every map calls it.
#[inline(never)]
pub(crate) fn widen<'a, K: Narrow>(src: &[K], dst: &'a mut [MaybeUninit<K::Value>]) -> &'a [K::Value] {
    assert_eq!(src.len(), dst.len(), "a slice and its values differ in size");
    dispatch(Widen { src, dst });
    // SAFETY: `Widen` wrote each of them.
    unsafe { dst.assume_init_ref() }
}

/// As above.
#[inline(never)]
pub(crate) fn narrow_slice<K: Narrow>(src: &[K::Value], dst: &mut [K]) {
    dispatch(Store { src, dst });
}

struct Widen<'a, K: Stored> {
    src: &'a [K],
    dst: &'a mut [MaybeUninit<K::Value>],
}

impl<K: Narrow> Kernel for Widen<'_, K> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        K::widen::<S>(self.src, self.dst);
    }
}

struct Store<'a, K: Stored> {
    src: &'a [K::Value],
    dst: &'a mut [K],
}

impl<K: Narrow> Kernel for Store<'_, K> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        K::narrow::<S>(self.src, self.dst);
    }
}

/// Types that are computed as another: the stored type, that of the arithmetic, what can be stored, whether the
/// conversions are simple, and how a number `x` is loaded and stored.
macro_rules! narrow {
    ($($t:ty as $Value:ty, bounds: $bounds:expr, simple: $simple:expr, |$x:ident| $load:expr, $store:expr;)*) => { $(
        impl Stored for $t {
            type Value = $Value;
            const NARROW: bool = true;
            const SIMPLE: bool = $simple;
            const BOUNDS: ($Value, $Value) = $bounds;
            #[inline(always)]
            fn load(self) -> $Value {
                let $x = self;
                $load
            }
            #[inline(always)]
            fn store($x: $Value) -> Self {
                $store
            }
            #[inline(always)]
            fn load_slice<'a>(src: &'a [Self], room: &'a mut [MaybeUninit<$Value>]) -> &'a [$Value] {
                $crate::stored::widen(src, room)
            }
            #[inline(always)]
            fn store_slice(dst: &mut [Self], room: &mut [MaybeUninit<$Value>], fill: impl FnOnce(&mut [$Value])) {
                room.fill(MaybeUninit::new(<$Value as $crate::element::Element>::ZERO));
                // SAFETY: just written.
                let room = unsafe { room.assume_init_mut() };
                fill(room);
                $crate::stored::narrow_slice(room, dst);
            }
        }
    )* };
}
pub(crate) use narrow;

/// Integers whose arithmetic, wrapped to the lowest bits, is that of the wider type.
macro_rules! integers {
    ($($t:ty as $Value:ty;)*) => { $(
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_lossless,
            reason = "integers wrap"
        )]
        const _: () = {
            narrow! { $t as $Value, bounds: (<$t>::MIN as $Value, <$t>::MAX as $Value), simple: false, |x| x as $Value, x as $t; }
        };
        impl Narrow for $t {}
    )* };
}
integers! {
    i8 as i32;
    i16 as i32;
    u16 as i32;
    u32 as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_rows_in_order_with_rooms_of_their_own() {
        for (rows, cols) in [(0..0, 3), (0..5, 0), (2..9, 1), (0..4097, 7), (3..6, PIECE), (1..4, PIECE + 1)] {
            let mut seen = vec![];
            by_pieces::<i8, 2>(rows.clone(), [cols, 2 * cols], |piece, [first, second]| {
                assert_eq!([first.len(), second.len()], [piece.len() * cols, 2 * piece.len() * cols]);
                assert!(first.len() <= PIECE.max(cols));
                first.fill(MaybeUninit::new(1));
                second.fill(MaybeUninit::new(2));
                // SAFETY: just written.
                assert!(first.iter().all(|x| unsafe { x.assume_init() } == 1));
                seen.extend(piece);
            });
            assert_eq!(seen, rows.clone().collect::<Vec<_>>());
            let mut calls = 0;
            by_pieces::<f32, 1>(rows.clone(), [cols], |all, [room]| {
                assert!(all == rows && room.is_empty());
                calls += 1;
            });
            assert_eq!(calls, 1);
        }
    }

    /// Every number of `all` keeps its value, and slices convert as single numbers do.
    fn check<K: Stored + PartialEq + std::fmt::Debug>(all: &[K], beyond: &[(K::Value, K)]) {
        let mut room = vec![MaybeUninit::uninit(); all.len()];
        let values = K::load_slice(all, &mut room).to_vec();
        assert!(values.iter().zip(all).all(|(&value, &x)| value == x.load() && K::store(value) == x));
        assert!(values.iter().all(|&value| K::BOUNDS.0 <= value && value <= K::BOUNDS.1));
        let mut stored: Vec<K> = all.iter().rev().copied().collect();
        K::store_slice(&mut stored, &mut room, |dst| dst.copy_from_slice(&values));
        assert_eq!(stored, all);
        assert!(beyond.iter().all(|&(value, x)| K::store(value) == x));
    }

    #[test]
    fn small_integers_keep_their_values_and_wrap_beyond() {
        check::<i8>(&(i8::MIN..=i8::MAX).collect::<Vec<_>>(), &[(128, -128), (-129, 127), (i32::MIN, 0)]);
        check::<i16>(&(i16::MIN..=i16::MAX).collect::<Vec<_>>(), &[(32768, -32768), (-32769, 32767)]);
        check::<u16>(&(0..=u16::MAX).collect::<Vec<_>>(), &[(65536, 0), (-1, 65535)]);
        check::<u32>(&[0, 1, 7, 1 << 31, u32::MAX - 1, u32::MAX], &[(1 << 32, 0), (u64::MAX, u32::MAX)]);
    }
}
