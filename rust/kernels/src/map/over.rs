//! Arithmetic whose result replaces one of its operands: the memory that a new result would touch is not touched at all.
//! The values are those of [`super::binary`].

use super::engine::{Function2, update};
use super::operations::Compare;
use crate::element::Element;
use crate::isa::Simd;
use crate::layout::Strided;

/// Operations that can replace an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
}

/// Which operand a result replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// `a`.
    First,
    /// `b`.
    Second,
}

#[derive(Clone, Copy)]
struct Of<F>(F);

impl<T: Element, F: Fn(T, T) -> T + Copy + Sync> Function2<T, T, T> for Of<F> {
    const COST: usize = 100;
    #[inline(always)]
    fn call<S: Simd>(self, x: T, y: T) -> T {
        (self.0)(x, y)
    }
}

/// `dst[i] = op(dst[i], other[i])`, or `op(other[i], dst[i])` where `dst` is the second operand. Integers wrap, and are
/// divided as [`Element::divide`] says.
///
/// # Panics
/// If the window leaves `other` or differs from `dst` in size.
pub fn over<T: Element>(op: Arithmetic, replaced: Replaced, dst: &mut [T], other: &[T], layout: Strided) {
    use Arithmetic::{Add, Div, Mul, Sub};
    use Replaced::{First, Second};
    match (op, replaced) {
        (Add, _) => update(Of(|x: T, y: T| x.wrapping_add(y)), dst, other, layout),
        (Sub, First) => update(Of(|x: T, y: T| x.wrapping_sub(y)), dst, other, layout),
        (Sub, Second) => update(Of(|x: T, y: T| y.wrapping_sub(x)), dst, other, layout),
        (Mul, _) => update(Of(|x: T, y: T| x.wrapping_mul(y)), dst, other, layout),
        (Div, First) => update(Of(|x: T, y: T| x.divide(y)), dst, other, layout),
        (Div, Second) => update(Of(|x: T, y: T| y.divide(x)), dst, other, layout),
    }
}

/// `dst[i]` becomes whether `op(dst[i], other[i])`, as 0 or 1.
///
/// # Panics
/// As [`over`].
pub fn truth_over<T: Element>(op: Compare, dst: &mut [T], other: &[T], layout: Strided) {
    macro_rules! run {
        ($($op:ident: |$x:ident, $y:ident| $truth:expr;)*) => {
            match op {
                $(Compare::$op => update(Of(|$x: T, $y: T| if $truth { T::ONE } else { T::ZERO }), dst, other, layout),)*
            }
        };
    }
    run! {
        Eq: |x, y| x == y;
        Ne: |x, y| x != y;
        Lt: |x, y| x < y;
        Le: |x, y| x <= y;
        Gt: |x, y| x > y;
        Ge: |x, y| x >= y;
        And: |x, y| (x != T::ZERO) && (y != T::ZERO);
        Or: |x, y| (x != T::ZERO) || (y != T::ZERO);
        Xor: |x, y| (x != T::ZERO) ^ (y != T::ZERO);
    }
}
