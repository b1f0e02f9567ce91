//! Operations on the bits of integers, and what else only integers have.

use super::engine::{Function2, map2};
use super::operations::{CALL, CHEAP};
use crate::element::Element;
use crate::isa::Simd;
use crate::layout::Strided;
use crate::stored::Stored;

/// An integer that is computed with.
pub trait Bits: Element {
    /// Bits that are 1 in both.
    #[must_use]
    fn and(self, other: Self) -> Self;
    /// Bits that are 1 in either.
    #[must_use]
    fn or(self, other: Self) -> Self;
    /// Bits that are 1 in one of both.
    #[must_use]
    fn xor(self, other: Self) -> Self;
    /// Moved up by `count`; 0 where that is negative or no bit remains.
    #[must_use]
    fn shift_left(self, count: Self) -> Self;
    /// Moved down by `count`, the sign staying; only the sign remains where that is negative or no bit does.
    #[must_use]
    fn shift_right(self, count: Self) -> Self;
    /// The greatest common divisor, which is not negative.
    #[must_use]
    fn gcd(self, other: Self) -> Self;
    /// The least common multiple, which is not negative; integers wrap.
    #[must_use]
    fn lcm(self, other: Self) -> Self {
        let divisor = self.gcd(other);
        self.divide(divisor).wrapping_mul(other).magnitude()
    }
}

macro_rules! bits {
    ($($t:ty)*) => { $(
        #[allow(unused_comparisons, trivial_numeric_casts, reason = "one body for signed and unsigned")]
        impl Bits for $t {
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }
            #[inline(always)]
            fn shift_left(self, count: Self) -> Self {
                u32::try_from(count).ok().and_then(|count| self.checked_shl(count)).unwrap_or(0)
            }
            #[inline(always)]
            fn shift_right(self, count: Self) -> Self {
                let sign = if self < 0 { <$t>::MAX.wrapping_add(1) >> (<$t>::BITS - 1) } else { 0 };
                u32::try_from(count).ok().and_then(|count| self.checked_shr(count)).unwrap_or(sign)
            }
            #[inline(always)]
            fn gcd(self, other: Self) -> Self {
                let (mut a, mut b) = (self, other);
                while b != 0 {
                    (a, b) = (b, a.wrapping_rem(b));
                }
                a.magnitude()
            }
        }
    )* };
}
bits! { i64 i32 u64 u8 }

macro_rules! bitwise {
    ($($(#[$doc:meta])* $Op:ident[$cost:expr] = $method:ident;)*) => {
        /// Operations on two integers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bitwise {
            $($(#[$doc])* $Op,)*
        }

        /// `dst[i] = op(a[i], b[i])`.
        ///
        /// # Panics
        /// If a window leaves its slice or differs from `dst` in size.
        pub fn bitwise<K: Stored<Value: Bits>>(
            op: Bitwise, a: &[K], la: Strided, b: &[K], lb: Strided, dst: &mut [K],
        ) {
            match op {
                $(Bitwise::$Op => {
                    #[derive(Clone, Copy)]
                    struct Op;
                    impl<T: Bits> Function2<T, T, T> for Op {
                        const COST: usize = $cost;
                        const PLAIN: bool = true;
                        #[inline(always)]
                        fn call<S: Simd>(self, x: T, y: T) -> T {
                            x.$method(y)
                        }
                    }
                    map2(Op, a, la, b, lb, dst);
                })*
            }
        }
    };
}
bitwise! {
    /// Bits that are 1 in both.
    And[CHEAP] = and;
    /// Bits that are 1 in either.
    Or[CHEAP] = or;
    /// Bits that are 1 in one of both.
    Xor[CHEAP] = xor;
    /// The first moved up by the second.
    ShiftLeft[CHEAP] = shift_left;
    /// The first moved down by the second.
    ShiftRight[CHEAP] = shift_right;
    /// Greatest common divisor.
    Gcd[10 * CALL] = gcd;
    /// Least common multiple.
    Lcm[10 * CALL] = lcm;
}

/// The number next to a float in the direction of another, on their bits read as integers.
#[derive(Clone, Copy)]
struct NextAfter<T> {
    /// The sign alone, and all other bits.
    sign: T,
    size: T,
    infinity: T,
}

impl<T: Bits> Function2<T, T, T> for NextAfter<T> {
    const COST: usize = 2 * CHEAP;
    const PLAIN: bool = true;
    #[inline(always)]
    fn call<S: Simd>(self, x: T, y: T) -> T {
        let (x_size, y_size) = (x.and(self.size), y.and(self.size));
        // As floats are ordered, both zeros being 0.
        let x_rank = if x < T::ZERO { x_size.wrapping_neg() } else { x_size };
        let y_rank = if y < T::ZERO { y_size.wrapping_neg() } else { y_size };
        let next = if y_rank > x_rank { x_rank.wrapping_add(T::ONE) } else { x_rank.wrapping_sub(T::ONE) };
        // Zero keeps the sign of what it is next to.
        let negative = if next == T::ZERO { x < T::ZERO } else { next < T::ZERO };
        let next = next.magnitude().or(if negative { self.sign } else { T::ZERO });
        let next = if x_rank == y_rank || y_size > self.infinity { y } else { next };
        if x_size > self.infinity { x } else { next }
    }
}

/// `dst[i]` is the float next to `a[i]` in the direction of `b[i]`, which it is where both are equal; the floats are given
/// as the integers that have their bits, with that of infinity.
///
/// # Panics
/// If a window leaves its slice or differs from `dst` in size.
pub fn next_after<K: Stored<Value: Bits>>(
    infinity: K::Value,
    a: &[K],
    la: Strided,
    b: &[K],
    lb: Strided,
    dst: &mut [K],
) {
    let (sign, size) = K::BOUNDS;
    map2(NextAfter { sign, size, infinity }, a, la, b, lb, dst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_of_any_count() {
        assert_eq!((5i32.shift_left(2), 5i32.shift_left(32), 5i32.shift_left(-1)), (20, 0, 0));
        assert_eq!(((-20i32).shift_right(2), (-20i32).shift_right(40), 20i32.shift_right(-1)), (-5, -1, 0));
        assert_eq!((200u8.shift_right(3), 200u8.shift_right(9), 200u8.shift_left(1)), (25, 0, 144));
        assert_eq!((u64::MAX.shift_right(63), u64::MAX.shift_right(64)), (1, 0));
    }

    #[test]
    fn divisors_and_multiples() {
        assert_eq!(((-12i64).gcd(18), 0i64.gcd(-7), 0i64.gcd(0)), (6, 7, 0));
        assert_eq!(((-4i64).lcm(6), 0i64.lcm(5), 0i64.lcm(0), 21u8.lcm(6)), (12, 0, 0, 42));
        assert_eq!(i64::MIN.gcd(-1), 1);
    }
}
