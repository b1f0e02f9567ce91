//! Arithmetic whose result replaces an operand: one that dies with the operation, or one that is written in place. No new
//! memory is touched, and nothing is recorded.
//!
//! Everything here may decline, having done nothing; the operation that makes its result anew then does the work and
//! finds the words for what is wrong.

use crate::array::Array;
use crate::autograd::inplace::{is_recorded, is_replaced};
use crate::autograd::mode;
use crate::autograd::tensor::{Tensor, Tracking};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::broadcast_shapes;
use crate::ops;
use crate::ops::order::kept;
use dlcore_kernels::inplace::{Window, update};
use dlcore_kernels::layout::Strided;
use dlcore_kernels::map;
pub use dlcore_kernels::map::{Arithmetic, Replaced};
use dlcore_kernels::memory::Pod;

/// `op(a, b)` in the memory of the operand to be replaced, which the caller knows nobody else to see. `None` where the
/// operation would be recorded, or needs memory of its own.
#[must_use]
pub fn over(op: Arithmetic, a: &Tensor, b: &Tensor, replaced: Replaced) -> Option<Tensor> {
    let plain = |t: &Tensor| matches!(t.tracking(), Tracking::None);
    if mode::is_recording() && !(plain(a) && plain(b)) {
        return None;
    }
    let (own, other) = match replaced {
        Replaced::First => (a, b),
        Replaced::Second => (b, a),
    };
    replace(op, own.array(), other.array(), replaced).then(|| Tensor::from(own.array().clone()))
}

/// `a + b` of two tensors that nobody needs afterwards, in the memory of one that nobody else sees.
///
/// # Errors
/// As [`ops::add`].
#[allow(clippy::needless_pass_by_value, reason = "the operands are used up")]
pub(crate) fn add_up(a: Tensor, b: Tensor) -> Result<Tensor> {
    let replaced = if a.is_unshared() { Some(Replaced::First) } else { b.is_unshared().then_some(Replaced::Second) };
    match replaced.and_then(|replaced| over(Arithmetic::Add, &a, &b, replaced)) {
        Some(sum) => Ok(sum),
        None => ops::add(&a, &b),
    }
}

/// `target = op(target, other)` in place on behalf of `writer`, `other` broadcast. False where that would be recorded
/// or refused, and where memory overlaps: nothing was done then.
#[must_use]
pub fn write_over(writer: &'static str, op: Arithmetic, target: &Tensor, other: &Tensor) -> bool {
    !is_recorded(target, other) && accumulate(writer, op, target.array(), other.array())
}

/// As [`write_over`], of arrays.
pub(crate) fn accumulate(writer: &'static str, op: Arithmetic, target: &Array, other: &Array) -> bool {
    let done = !target.storage().is_read_only() && replace(op, target, other, Replaced::First);
    if done {
        target.storage().written_by(writer);
    }
    done
}

/// Writes the result over `own` where that is contiguous, of the dtype (one of the usual) and the shape of the result, and
/// apart from the memory of `other`.
pub(crate) fn replace(op: Arithmetic, own: &Array, other: &Array, replaced: Replaced) -> bool {
    if other.dtype() != own.dtype() || !own.layout().is_contiguous() {
        return false;
    }
    let Ok(other) = other.expand("over", own.shape()) else { return false };
    let start = own.layout().offset;
    let writes = [Window { buffer: own.storage().buffer(), range: start..start + own.numel() }];
    let reads =
        [Window { buffer: other.storage().buffer(), range: 0..other.storage().buffer().len() / own.dtype().size() }];
    macro_rules! run {
        ($t:ty) => {
            update::<$t>(&writes, &reads, |mut writes, reads| {
                map::over(op, replaced, writes[0], reads[0], other.strided());
            })
            .is_ok()
        };
    }
    match own.dtype() {
        DType::F32 => run!(f32),
        DType::F64 => run!(f64),
        // Quotients of integers are floats.
        _ if op == Arithmetic::Div => false,
        DType::I32 => run!(i32),
        DType::I64 => run!(i64),
        DType::U8 => run!(u8),
        _ => false,
    }
}

/// A map of one operand, as kernels are called. A pointer to one: what is done around it is compiled once for a dtype.
type Map<'a, T> = &'a (dyn Fn(&[T], Strided<'_>, &mut [T]) + Sync);

/// What `map` makes of the elements of `x`, one by one: over them, where they are replaced.
pub(crate) fn each<T: Pod>(name: &str, x: &Array, map: Map<'_, T>) -> Result<Array> {
    kept([x], |[x]| {
        if is_replaced(x) && x.edit(|own| map(none().0, none::<T>().1, own)) {
            return Ok(x.clone());
        }
        Array::build_as(name, x.dtype(), x.shape(), |out: &mut [T]| {
            map(x.data(), x.strided(), out);
            Ok(())
        })
    })
}

/// An operand of a map as kernels take it.
pub(crate) type Operand<'a, T> = (&'a [T], Strided<'a>);

/// `x` for a map.
fn operand<T: Pod>(x: &Array) -> Operand<'_, T> {
    (x.data(), x.strided())
}

/// What stands for the elements that a map writes: an operand that has none.
fn none<T>() -> Operand<'static, T> {
    (&[], Strided { shape: &[0], strides: &[1], offset: 0 })
}

/// The elements of `x` as they are: a copy, or `x` where they are replaced.
///
/// # Errors
/// Only for lack of memory.
pub(crate) fn unchanged(x: &Tensor) -> Result<Tensor> {
    if is_replaced(x.array()) { Ok(x.clone()) } else { ops::copy(x) }
}

/// As [`Map`], of two operands.
type Map2<'a, T, R = T> = &'a (dyn Fn(Operand<'_, T>, Operand<'_, T>, &mut [R]) + Sync);

/// What `map` makes of the elements of `x` and `a`, which have one dtype and broadcast: over those of `x`, where they are
/// replaced.
pub(crate) fn each_two<T: Pod>(name: &str, [x, a]: [&Array; 2], map: Map2<'_, T>) -> Result<Array> {
    let over = |x: &Array, a: &Array| is_replaced(x) && !a.meets(x) && x.edit(|own| map(none(), operand(a), own));
    of_two(name, [x, a], &over, x.dtype(), map)
}

/// What `map` makes of the elements of `x` and `a`, broadcast, in memory of its own: of `dtype`, stored as `R`. It is `x`
/// where `over` has done it.
pub(crate) fn of_two<T: Pod, R: Pod>(
    name: &str,
    inputs: [&Array; 2],
    over: &dyn Fn(&Array, &Array) -> bool,
    dtype: DType,
    map: Map2<'_, T, R>,
) -> Result<Array> {
    let made = |x: &Array, a: &Array| {
        Array::build_as(name, dtype, x.shape(), |out: &mut [R]| {
            map(operand(x), operand(a), out);
            Ok(())
        })
    };
    // By far the most frequent case, which notices every step.
    let [x, a] = inputs;
    if x.shape() == a.shape() && x.layout().is_contiguous() && a.layout().is_contiguous() {
        return if over(x, a) { Ok(x.clone()) } else { made(x, a) };
    }
    kept(inputs, |[x, a]| {
        let mut expanded = None;
        let [x, a] = if x.shape() == a.shape() {
            [x, a]
        } else {
            let shape = broadcast_shapes(name, x.shape(), a.shape())?;
            expanded.insert([x.expand(name, &shape)?, a.expand(name, &shape)?]).each_ref()
        };
        if over(x, a) { Ok(x.clone()) } else { made(x, a) }
    })
}

/// `other` for a map over the elements of `x`, which `other` shows as well if it meets them.
fn operand_beside<'a, T: Pod>(x: &Array, other: &'a Array) -> Operand<'a, T> {
    if other.meets(x) { none() } else { operand(other) }
}

/// As [`Map`], of three operands.
type Map3<'a, T> = &'a (dyn Fn(Operand<'_, T>, Operand<'_, T>, Operand<'_, T>, &mut [T]) + Sync);

/// What `map` makes of the elements of `x`, `a` and `b`, which have one dtype and broadcast: over those of `x`, where they
/// are replaced.
pub(crate) fn each_three<T: Pod>(name: &str, inputs: [&Array; 3], map: Map3<'_, T>) -> Result<Array> {
    kept(inputs, |[x, a, b]| {
        let shape = broadcast_shapes(name, a.shape(), b.shape())?;
        let shape = broadcast_shapes(name, x.shape(), &shape)?;
        let (a, b) = (a.broadcast(name, &shape)?, b.broadcast(name, &shape)?);
        let is_own = |other: &Array| other.layout() == x.layout() && other.shares_storage(x);
        if is_replaced(x)
            && x.shape() == &*shape
            && [&a, &b].iter().all(|other| !other.meets(x) || is_own(other))
            && x.edit(|own| map(none(), operand_beside(x, &a), operand_beside(x, &b), own))
        {
            return Ok(x.clone());
        }
        let x = x.broadcast(name, &shape)?;
        Array::build_as(name, x.dtype(), &shape, |out: &mut [T]| {
            map(operand(&x), operand(&a), operand(&b), out);
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Scalar;

    fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
        Array::from_slice("test", values, shape).unwrap().into()
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.array().contiguous("test").unwrap().elements::<f32>().to_vec()
    }

    #[test]
    fn the_result_takes_the_place_of_either_operand() {
        for replaced in [Replaced::First, Replaced::Second] {
            let (a, b) = (tensor(&[1., 2., 3., 4.], &[2, 2]), tensor(&[10., 20., 30., 40.], &[2, 2]));
            let expected = values(&ops::sub(&a, &b).unwrap());
            let result = over(Arithmetic::Sub, &a, &b, replaced).unwrap();
            assert_eq!(values(&result), expected);
            let own = if replaced == Replaced::First { &a } else { &b };
            assert!(result.array().shares_storage(own.array()));
        }
    }

    #[test]
    fn the_other_operand_may_broadcast_and_be_strided() {
        let other = tensor(&[1., 2., 3., 4., 5., 6.], &[2, 3]);
        let transposed = ops::transpose(&other, 0, 1).unwrap();
        for other in [&transposed, &tensor(&[5.], &[]), &tensor(&[7., 8.], &[2]), &tensor(&[1., 2., 3.], &[3, 1])] {
            let own = || tensor(&[1., 2., 3., 4., 5., 6.], &[3, 2]);
            let expected = values(&ops::div(&own(), other).unwrap());
            assert_eq!(values(&over(Arithmetic::Div, &own(), other, Replaced::First).unwrap()), expected);
        }
    }

    #[test]
    fn what_needs_memory_of_its_own_is_declined_and_left_alone() {
        let a = tensor(&[1., 2.], &[2]);
        let wide = tensor(&[1., 2., 3., 4.], &[2, 2]);
        let ints: Tensor = Array::full("test", &[2], Scalar::Int(1), DType::I64).unwrap().into();
        for other in [&wide, &ints, &tensor(&[1., 2., 3.], &[3]), &a] {
            assert!(over(Arithmetic::Add, &a, other, Replaced::First).is_none());
        }
        let columns = ops::transpose(&wide, 0, 1).unwrap();
        assert!(over(Arithmetic::Add, &columns, &a, Replaced::First).is_none());
        assert_eq!((values(&a), values(&wide)), (vec![1., 2.], vec![1., 2., 3., 4.]));
    }

    #[test]
    fn nothing_is_replaced_that_a_graph_may_need() {
        let leaf = Tensor::leaf(tensor(&[1., 2.], &[2]).array().clone()).unwrap();
        let plain = tensor(&[3., 4.], &[2]);
        assert!(over(Arithmetic::Mul, &plain, &leaf, Replaced::First).is_none());
        assert!(!write_over("mul_", Arithmetic::Mul, &plain, &leaf));
        let _unrecorded = mode::Scope::new(false);
        let version = plain.array().storage().version();
        assert!(write_over("mul_", Arithmetic::Mul, &plain, &leaf));
        assert_eq!((values(&plain), plain.array().storage().version()), (vec![3., 8.], version + 1));
    }

    #[test]
    fn sums_take_memory_that_nobody_sees() {
        let (a, b) = (tensor(&[1., 2.], &[2]), tensor(&[10., 20.], &[2]));
        let held = a.clone();
        let place = b.array().storage().buffer().as_ptr();
        let sum = add_up(a, b).unwrap();
        assert_eq!((values(&sum), values(&held)), (vec![11., 22.], vec![1., 2.]));
        assert_eq!(sum.array().storage().buffer().as_ptr(), place);
        let both = [sum.clone(), held.clone()];
        let sum = add_up(sum, held).unwrap();
        assert_eq!((values(&sum), values(&both[0]), values(&both[1])), (vec![12., 24.], vec![11., 22.], vec![1., 2.]));
    }
}
