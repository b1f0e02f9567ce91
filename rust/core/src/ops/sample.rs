//! Examples that stand beside each operation. Tests read them through the registry and generate from them values
//! against numpy, gradients, broadcasting, strides, empty inputs, thread counts.

use crate::array::Array;
use crate::autograd::op::{Discrete, Operation, apply_all, apply_discrete};
use crate::autograd::tensor::Tensor;
use crate::error::Result;
use crate::ops;

/// Parameters of an operation by name.
pub type Params = Vec<(&'static str, Param)>;

/// A parameter's value, as Python shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A tuple of `int`.
    Ints(Vec<i64>),
    /// A `str`.
    Text(&'static str),
}

macro_rules! param_from {
    ($($t:ty => |$v:ident| $e:expr),* $(,)?) => { $(
        impl From<$t> for Param {
            fn from($v: $t) -> Self { $e }
        }
    )* };
}
param_from! {
    bool => |v| Self::Bool(v),
    i64 => |v| Self::Int(v),
    usize => |v| Self::Int(v.cast_signed() as i64),
    isize => |v| Self::Int(v as i64),
    f64 => |v| Self::Float(v),
    &'static str => |v| Self::Text(v),
    &[usize] => |v| Self::Ints(v.iter().map(|&x| x.cast_signed() as i64).collect()),
    &[isize] => |v| Self::Ints(v.iter().map(|&x| x as i64).collect()),
}

impl<T: Into<Self>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// What values an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Any float.
    Real,
    /// Floats above 0.1.
    Positive,
    /// Floats between 0 and 1, away from both.
    Unit,
    /// Floats above 1.1.
    AboveOne,
    /// Floats at least 0.1 away from zero: divisors, and where a gradient jumps at zero.
    AwayFromZero,
    /// Floats that all differ by at least 0.01: where equal values would make a gradient ambiguous.
    Distinct,
    /// Matrices whose diagonal outweighs the rest, with singular values that differ.
    Invertible,
    /// As [`Domain::Invertible`], symmetric: an example puts the mean of the matrix and its transpose in, so that a test
    /// may change one element.
    PositiveDefinite,
    /// int64 from 0 up to below this.
    Index(i64),
    /// Truth values.
    Bool,
}

/// Shape and values of an example's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Extents.
    pub shape: Vec<usize>,
    /// Values.
    pub domain: Domain,
}

/// An input of `shape` with values in `domain`.
#[must_use]
pub fn input(domain: Domain, shape: &[usize]) -> Input {
    Input { shape: shape.to_vec(), domain }
}

/// A real-valued input of `shape`.
#[must_use]
pub fn real(shape: &[usize]) -> Input {
    input(Domain::Real, shape)
}

/// One example: the operation with its parameters, and what it is applied to.
#[derive(Clone, Debug)]
pub struct Sample<O> {
    /// The operation.
    pub op: O,
    /// Its inputs.
    pub inputs: Vec<Input>,
}

impl<O> Sample<O> {
    /// An example of `op` on `inputs`.
    #[must_use]
    pub fn new(op: O, inputs: impl Into<Vec<Input>>) -> Self {
        Self { op, inputs: inputs.into() }
    }
}

/// Applies an operation; all outputs.
pub type Run = Box<dyn Fn(&[&Tensor]) -> Result<Vec<Tensor>> + Send + Sync>;

/// An example whose operation is hidden behind a function.
pub struct Example {
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// Parameters of the operation.
    pub params: Params,
    /// Applies the operation; all outputs.
    pub run: Run,
}

/// An operation as the registry lists it.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Whether it has a gradient.
    pub differentiable: bool,
    /// Its examples.
    pub examples: fn() -> Vec<Example>,
}

/// `run` on the means of matrices and their transposes where inputs shall be symmetric.
fn symmetrising(inputs: &[Input], run: Run) -> Run {
    if inputs.iter().all(|input| input.domain != Domain::PositiveDefinite) {
        return run;
    }
    let symmetric: Vec<bool> = inputs.iter().map(|input| input.domain == Domain::PositiveDefinite).collect();
    Box::new(move |inputs| {
        let mean = |(x, &symmetric): (&&Tensor, &bool)| {
            if !symmetric || x.rank() < 2 || x.shape()[x.rank() - 2] != x.shape()[x.rank() - 1] {
                return Ok((*x).clone());
            }
            ops::arithmetic::scale(&ops::add(x, &ops::transpose(x, -2, -1)?)?, 0.5)
        };
        let inputs = inputs.iter().zip(&symmetric).map(mean).collect::<Result<Vec<_>>>()?;
        run(&inputs.iter().collect::<Vec<_>>())
    })
}

/// The registry's entry for a differentiable operation.
#[must_use]
pub fn differentiable<O: Operation>() -> Entry {
    Entry {
        name: O::NAME,
        differentiable: true,
        examples: || {
            let hide = |sample: Sample<O>| Example {
                params: sample.op.params(),
                run: symmetrising(
                    &sample.inputs,
                    Box::new(move |inputs| Ok(apply_all(sample.op.clone(), inputs)?.into_vec())),
                ),
                inputs: sample.inputs,
            };
            O::samples().into_iter().map(hide).collect()
        },
    }
}

/// The registry's entry for an operation without a gradient.
#[must_use]
pub fn discrete<O: Discrete>() -> Entry {
    Entry {
        name: O::NAME,
        differentiable: false,
        examples: || {
            let hide = |sample: Sample<O>| Example {
                params: sample.op.params(),
                inputs: sample.inputs,
                run: Box::new(move |inputs| Ok(apply_discrete(sample.op.clone(), inputs)?.into_vec())),
            };
            O::samples().into_iter().map(hide).collect()
        },
    }
}

/// Pairs of shapes that binary operations are tried on: equal, broadcast either way, 0-d, empty.
#[must_use]
pub fn broadcast_pairs() -> Vec<[Vec<usize>; 2]> {
    vec![
        [vec![3, 4], vec![3, 4]],
        [vec![3, 4], vec![4]],
        [vec![2, 1, 3], vec![4, 1]],
        [vec![], vec![2, 3]],
        [vec![], vec![]],
        [vec![0, 3], vec![3]],
    ]
}

/// An output that stands alone.
#[must_use]
pub fn single(array: Array) -> crate::autograd::op::Outputs {
    smallvec::smallvec![array]
}
