//! Microkernels for any CPU: arrays of four lanes that the compiler may put in registers. No fused multiply-add, hence
//! results of their own.

use super::GemmFloat;
use super::microkernel::{Microkernels, TileFn, Vector, tile};
use super::panel::{copy, gather, transpose};
use super::plane::{correlate, dots};

#[derive(Clone, Copy)]
struct Lanes<T>([T; 4]);

// SAFETY of every block: the memory is valid by the contract of `Vector`.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
impl<T: GemmFloat> Vector for Lanes<T> {
    type Elem = T;
    type Mask = u32;
    const LANES: usize = 4;
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([T::ZERO; 4])
    }
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Self([x; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        unsafe { Self(from.cast::<[T; 4]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        unsafe { to.cast::<[T; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn mask(bits: u32) -> u32 {
        bits
    }
    #[inline(always)]
    unsafe fn load_masked(from: *const T, mask: u32) -> Self {
        Self(std::array::from_fn(|l| if mask >> l & 1 == 1 { unsafe { *from.wrapping_add(l) } } else { T::ZERO }))
    }
    #[inline(always)]
    unsafe fn store_masked(self, to: *mut T, mask: u32) {
        for (l, x) in self.0.into_iter().enumerate() {
            if mask >> l & 1 == 1 {
                unsafe { *to.wrapping_add(l) = x }
            }
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|l| self.0[l] + other.0[l]))
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|l| self.0[l] * b.0[l] + c.0[l]))
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(super::epilogue::relu))
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|l| if other.0[l] == T::ZERO { self.0[l] } else { other.0[l] }))
    }
}

type Own<T> = Lanes<T>;

macro_rules! portable {
    ($elem:ty, $table:ident) => {
        impl Own<$elem> {
            const fn rows<const DIRECT: bool>() -> [[TileFn<$elem>; 2]; 4] {
                super::microkernel::tile_table!(DIRECT; 1 2 3 4)
            }
            unsafe fn tile<const ROWS: usize, const VECS: usize, const DIRECT: bool>(
                t: &super::microkernel::Tile<$elem>,
            ) {
                // SAFETY: needs no features; the rest is the caller's contract.
                unsafe { tile::<Self, ROWS, VECS, DIRECT>(t) }
            }
        }

        pub(crate) static $table: Microkernels<$elem> = Microkernels {
            rows: 4,
            cols: 8,
            packed: &const { Own::<$elem>::rows::<false>() },
            direct: &const { Own::<$elem>::rows::<true>() },
            transpose: transpose::<$elem>,
            copy: copy::<Lanes<$elem>>,
            gather: gather::<Lanes<$elem>>,
            correlate: correlate::<Lanes<$elem>>,
            dots: dots::<Lanes<$elem>>,
            #[cfg(target_arch = "x86_64")]
            sliding: None,
        };
    };
}
portable!(f32, F32);
portable!(f64, F64);
