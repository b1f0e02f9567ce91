//! Questions with the answer yes or no: comparisons, logic, and what kind of number an element is. No gradients.

use crate::array::Array;
use crate::autograd::inplace::is_replaced_by_truth;
use crate::autograd::op::{Discrete, Halves, Outputs, Promotion, apply_discrete};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::Result;
use crate::ops;
use crate::ops::order::kept;
use crate::ops::over::of_two;
use crate::ops::sample::{Domain, Sample, broadcast_pairs, input, real, single};
use crate::{with_dtype, with_stored_float};
use dlcore_kernels::map::{self, Compare, FloatTest};

/// Compares `a` and `b`, which have one dtype and broadcast: bools, or numbers of their dtype over the elements of `a`, where
/// they are replaced by that.
pub(crate) fn compare(name: &str, op: Compare, a: &Array, b: &Array) -> Result<Array> {
    macro_rules! over {
        ($t:ty, $a:ident, $b:ident) => {
            $a.edit(|own| map::truth_over::<$t>(op, own, $b.data(), $b.strided()))
        };
    }
    let over = |a: &Array, b: &Array| {
        let may = is_replaced_by_truth(a) && !b.meets(a);
        // Of others the bools are converted, in place of loops of their own.
        may && match a.dtype() {
            DType::F32 => over!(f32, a, b),
            DType::F64 => over!(f64, a, b),
            DType::I32 => over!(i32, a, b),
            DType::I64 => over!(i64, a, b),
            DType::Bool | DType::U8 => over!(u8, a, b),
            _ => false,
        }
    };
    with_dtype!(a.dtype(), T => of_two::<T, u8>(name, [a, b], &over, DType::Bool, &|(a, at_a), (b, at_b), out| {
        map::compare(op, a, at_a, b, at_b, out);
    }))
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $Op:ident = $function:ident as $name:literal: $kernel:ident, $domain:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op;

        impl Discrete for $Op {
            const NAME: &'static str = $name;
            const PROMOTION: Promotion = Promotion::Common;

            fn halves(&self) -> Halves {
                Halves::Stored
            }

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                Ok(single(compare(Self::NAME, Compare::$kernel, inputs[0], inputs[1])?))
            }

            fn samples() -> Vec<Sample<Self>> {
                let domain = $domain;
                broadcast_pairs().into_iter().map(|[a, b]| Sample::new(Self, [input(domain, &a), input(domain, &b)])).collect()
            }
        }

        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::Shape`](crate::Error::Shape) where the shapes do not broadcast.
        pub fn $function(a: &Tensor, b: &Tensor) -> Result<Tensor> {
            Ok(apply_discrete($Op, &[a, b])?.swap_remove(0))
        }
    )* };
}
comparisons! {
    /// `a == b`.
    Eq = eq as "eq": Eq, Domain::Index(4);
    /// `a != b`.
    Ne = ne as "ne": Ne, Domain::Index(4);
    /// `a < b`.
    Lt = lt as "lt": Lt, Domain::Index(4);
    /// `a <= b`.
    Le = le as "le": Le, Domain::Index(4);
    /// `a > b`.
    Gt = gt as "gt": Gt, Domain::Index(4);
    /// `a >= b`.
    Ge = ge as "ge": Ge, Domain::Index(4);
    /// Whether both are not zero.
    LogicalAnd = logical_and as "logical_and": And, Domain::Bool;
    /// Whether one is not zero.
    LogicalOr = logical_or as "logical_or": Or, Domain::Bool;
    /// Whether exactly one is not zero.
    LogicalXor = logical_xor as "logical_xor": Xor, Domain::Bool;
}

/// Whether an element is zero.
#[derive(Clone, Debug)]
pub struct LogicalNot;

impl Discrete for LogicalNot {
    const NAME: &'static str = "logical_not";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let zero = Array::full(Self::NAME, &[], Scalar::Int(0), inputs[0].dtype())?;
        Ok(single(compare(Self::NAME, Compare::Eq, inputs[0], &zero)?))
    }

    fn samples() -> Vec<Sample<Self>> {
        vec![
            Sample::new(Self, [input(Domain::Bool, &[3, 4])]),
            Sample::new(Self, [real(&[])]),
            Sample::new(Self, [real(&[0])]),
        ]
    }
}

/// Asks `test` of floats; integers are all finite.
fn kind(name: &str, test: FloatTest, x: &Array) -> Result<Outputs> {
    if !x.dtype().is_float() {
        let finite = Scalar::Bool(test == FloatTest::IsFinite);
        return Ok(single(Array::full(name, x.shape(), finite, DType::Bool)?));
    }
    Ok(single(kept([x], |[x]| {
        with_stored_float!(name, x.dtype(), T => Array::build_as(name, DType::Bool, x.shape(), |out: &mut [u8]| {
            map::float_test(test, x.data::<T>(), x.strided(), out);
            Ok(())
        }))
    })?))
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $Op:ident = $function:ident as $name:literal: $kernel:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op;

        impl Discrete for $Op {
            const NAME: &'static str = $name;

            fn halves(&self) -> Halves {
                Halves::Stored
            }

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                kind(Self::NAME, FloatTest::$kernel, inputs[0])
            }

            fn samples() -> Vec<Sample<Self>> {
                [&[3, 4][..], &[], &[0]].map(|shape| Sample::new(Self, [input(Domain::Real, shape)])).into()
            }
        }

        $(#[$doc])*
        ///
        /// # Errors
        /// Only for lack of memory.
        pub fn $function(x: &Tensor) -> Result<Tensor> {
            Ok(apply_discrete($Op, &[x])?.swap_remove(0))
        }
    )* };
}
kinds! {
    /// Whether an element is not a number.
    IsNan = isnan as "isnan": IsNan;
    /// Whether an element is plus or minus infinity.
    IsInf = isinf as "isinf": IsInf;
    /// Whether an element is neither infinite nor NaN.
    IsFinite = isfinite as "isfinite": IsFinite;
}

/// Whether each element is zero, or false.
///
/// # Errors
/// Only for lack of memory.
pub fn logical_not(x: &Tensor) -> Result<Tensor> {
    Ok(apply_discrete(LogicalNot, &[x])?.swap_remove(0))
}

/// Whether `|a - b| <= atol + rtol * |b|`, or both are the same infinity, or both NaN where `equal_nan`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) where the shapes do not broadcast.
pub fn isclose(a: &Tensor, b: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
    let (a, b) = (a.detach(), b.detach());
    let tolerance = ops::arithmetic::shift(&ops::arithmetic::scale(&ops::abs(&b)?, rtol)?, atol)?;
    let near = logical_and(&le(&ops::abs(&ops::sub(&a, &b)?)?, &tolerance)?, &isfinite(&b)?)?;
    let close = logical_or(&near, &eq(&a, &b)?)?;
    if equal_nan { logical_or(&close, &logical_and(&isnan(&a)?, &isnan(&b)?)?) } else { Ok(close) }
}
