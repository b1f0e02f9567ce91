//! Optimiser steps over lists of parameters, in place and unrecorded: one pass of one fused kernel for each dtype.
//!
//! Parameters, gradients and state may have any strides: what is not contiguous is stepped on a copy that is written
//! back; 16-bit floats are stepped in float32. Every write counts a version, so that a backward that still needs the old parameters says so.

use crate::array::{Array, Native};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::Show;
use dlcore_kernels::element::Float;
use dlcore_kernels::inplace::{self, Window};
use dlcore_kernels::optim::{self as kernel, Item};

use std::borrow::Cow;

pub use dlcore_kernels::optim::{
    Adadelta, Adagrad, Adam, Adamax, Asgd, Lion, NAdam, Optimiser, RAdam, RmsProp, Rprop, Sgd,
};

/// A parameter that is stepped.
#[derive(Clone)]
pub struct Stepped<const K: usize> {
    /// Its gradient.
    pub grad: Tensor,
    /// The parameter itself, then what its optimiser keeps of it, in the order that the optimiser names.
    pub state: [Tensor; K],
}

/// What one step reads, and what it reads and writes: the parameter and its state.
struct Step<'a, const K: usize> {
    grad: &'a Array,
    state: [&'a Array; K],
}

/// Steps every parameter of `items`.
///
/// # Errors
/// [`Error::Shape`] and [`Error::DType`] where gradient or state do not match their parameter, [`Error::Value`] for
/// read-only memory and for memory that two of the tensors share.
pub fn step<const K: usize>(op: &'static str, items: &[Stepped<K>], with: impl Optimiser<K>) -> Result<()> {
    let arrays =
        items.iter().map(|item| Step { grad: item.grad.array(), state: item.state.each_ref().map(Tensor::array) });
    let steps: Vec<_> = arrays.collect();
    for step in &steps {
        check(op, step)?;
    }
    let is_single = |step: &Step<'_, K>| step.state[0].dtype() != DType::F64;
    if steps.iter().all(is_single) {
        return run::<f32, K>(op, &steps, with);
    }
    let (singles, doubles): (Vec<_>, Vec<_>) = steps.into_iter().partition(is_single);
    run::<f32, K>(op, &singles, with)?;
    run::<f64, K>(op, &doubles, with)
}

fn check<const K: usize>(op: &str, step: &Step<'_, K>) -> Result<()> {
    let param = step.state[0];
    if !param.dtype().is_float() {
        return Err(Error::dtype(op, format_args!("parameters must have a float dtype, got {}", param.dtype())));
    }
    for (array, what) in step.state[1..].iter().map(|&state| (state, "state")).chain([(step.grad, "gradient")]) {
        if array.shape() != param.shape() {
            return Err(Error::shape(
                op,
                format_args!("{what} of shape {} for a parameter of {}", Show(array.shape()), Show(param.shape())),
            ));
        }
        if array.dtype() != param.dtype() {
            return Err(Error::dtype(
                op,
                format_args!("{what} of dtype {} for a parameter of {}", array.dtype(), param.dtype()),
            ));
        }
    }
    match step.state.iter().find(|array| array.storage().is_read_only()) {
        Some(_) => Err(Error::value(op, "a parameter's memory is read-only (lent by its owner); clone() it first")),
        None => Ok(()),
    }
}

/// Steps `steps`, which have one dtype, or are widened to it.
fn run<T: Native + Float, const K: usize>(
    op: &'static str,
    steps: &[Step<'_, K>],
    with: impl Optimiser<K>,
) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let (mut grads, mut states) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len() * K));
    for step in steps {
        grads.push(step.grad.packed(op, T::DTYPE)?);
        for state in step.state {
            states.push(state.packed(op, T::DTYPE)?);
        }
    }
    let writes: Vec<_> = states.iter().map(|array| window(array)).collect();
    let reads: Vec<_> = grads.iter().map(|array| window(array)).collect();
    let step = |writes: Vec<&mut [T]>, reads: Vec<&[T]>| {
        let mut writes = writes.into_iter();
        let mut state = || std::array::from_fn(|_| writes.next().unwrap_or_default());
        let mut items: Vec<_> = reads.into_iter().map(|grad| Item { grad, state: state() }).collect();
        with.step(&mut items);
    };
    inplace::update(&writes, &reads, step).map_err(|_| shared(op))?;
    for (target, stepped) in steps.iter().flat_map(|step| step.state).zip(&states) {
        match stepped {
            Cow::Borrowed(_) => target.storage().written_by(op),
            Cow::Owned(stepped) => target.write(op, stepped)?,
        }
    }
    Ok(())
}

fn shared(op: &str) -> Error {
    Error::value(op, "two of the parameters, gradients and states share memory; list each parameter once")
}

/// The elements of a contiguous array.
fn window(array: &Array) -> Window<'_> {
    let start = array.layout().offset;
    Window { buffer: array.storage().buffer(), range: start..start + array.numel() }
}

/// Forgets the gradients of `params`; without `set_to_none` it keeps their memory and fills it with zeros.
///
/// # Errors
/// [`Error::Value`] for a gradient in read-only memory.
pub fn zero_grad(params: &[Tensor], set_to_none: bool) -> Result<()> {
    for param in params {
        if set_to_none {
            param.set_grad(None);
        } else if let Some(grad) = param.grad() {
            let zero = Array::zeros("zero_grad", &[], grad.dtype())?;
            grad.array().write("zero_grad", &zero)?;
            param.set_grad(Some(grad.detach()));
        }
    }
    Ok(())
}

/// Scales the gradients of `params` together so that their norm is at most `max_norm`; the norm before. The norm is
/// the `p`-norm of all elements, the largest magnitude for infinite `p`.
///
/// # Errors
/// [`Error::Value`] for a `p` that is not positive, and as [`step`] for memory that cannot be written.
pub fn clip_grad_norm(params: &[Tensor], max_norm: f64, p: f64) -> Result<f64> {
    const NAME: &str = "clip_grad_norm_";
    if p.is_nan() || p <= 0.0 {
        return Err(Error::value(NAME, format_args!("the norm's order must be positive, got {p}")));
    }
    let grads: Vec<Tensor> = params.iter().filter_map(Tensor::grad).collect();
    let norms = [norm_of::<f32>(&grads, p)?, norm_of::<f64>(&grads, p)?];
    let norm = match norms {
        [a, b] if a.is_nan() || b.is_nan() => f64::NAN,
        [a, 0.0] => a,
        [0.0, b] => b,
        [a, b] if p.is_infinite() => a.max(b),
        [a, b] => (a.powf(p) + b.powf(p)).powf(p.recip()),
    };
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 || factor.is_nan() {
        scale::<f32>(NAME, &grads, factor)?;
        scale::<f64>(NAME, &grads, factor)?;
    }
    Ok(norm)
}

/// Multiplies the gradients that are computed as `T`: where they are, in one go, if they allow it.
fn scale<T: Native + Float>(op: &'static str, grads: &[Tensor], factor: f64) -> Result<()> {
    let of_type = grads.iter().map(Tensor::array).filter(|grad| grad.dtype().widened() == T::DTYPE);
    let is_plain =
        |grad: &&Array| grad.dtype() == T::DTYPE && grad.layout().is_contiguous() && !grad.storage().is_read_only();
    let (plain, mut others): (Vec<&Array>, Vec<&Array>) = of_type.partition(is_plain);
    let writes: Vec<_> = plain.iter().map(|grad| window(grad)).collect();
    match inplace::update::<T>(&writes, &[], |mut writes, _| kernel::scale_all(&mut writes, factor)) {
        Ok(()) => plain.iter().for_each(|grad| grad.storage().written_by(op)),
        Err(_) => others.extend(plain), // the same memory twice
    }
    for grad in others {
        let scale = Array::full(op, &[], Scalar::Float(factor), grad.dtype())?;
        grad.write(op, crate::ops::mul(&grad.clone().into(), &scale.into())?.array())?;
    }
    Ok(())
}

/// The norm of the gradients that are computed as `T`.
fn norm_of<T: Native + Float>(grads: &[Tensor], p: f64) -> Result<f64> {
    let of_type = grads.iter().filter(|grad| grad.dtype().widened() == T::DTYPE);
    let arrays = of_type.map(|grad| grad.array().packed("clip_grad_norm_", T::DTYPE)).collect::<Result<Vec<_>>>()?;
    Ok(kernel::total_norm(&arrays.iter().map(|array| array.elements::<T>()).collect::<Vec<_>>(), p))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SGD: Sgd = Sgd {
        lr: 0.5,
        momentum: 0.0,
        dampening: 0.0,
        weight_decay: 0.0,
        nesterov: false,
        maximize: false,
        first: false,
    };

    fn tensor<T: Native>(values: &[T]) -> Tensor {
        Array::from_slice("test", values, &[values.len()]).unwrap().into()
    }

    #[test]
    fn sgd_steps_both_dtypes_and_counts_versions() {
        let (a, b) = (tensor(&[1f32, 2.]), tensor(&[1f64, 1., 1.]));
        let item = |param: &Tensor, grad: Tensor| Stepped { grad, state: [param.clone()] };
        step("SGD.step", &[item(&a, tensor(&[2f32, -2.])), item(&b, tensor(&[1f64, 2., 3.]))], SGD).unwrap();
        assert_eq!(a.array().elements::<f32>(), [0., 3.]);
        assert_eq!(b.array().elements::<f64>(), [0.5, 0., -0.5]);
        assert_eq!((a.array().storage().version(), a.array().storage().last_writer()), (1, "SGD.step"));
    }

    #[test]
    fn momentum_starts_as_the_gradient() {
        let (param, velocity) = (tensor(&[1f32]), tensor(&[f32::NAN]));
        let with = Sgd { momentum: 0.5, ..SGD };
        for (first, expected) in [(true, [0.5, 1.0]), (false, [-0.25, 1.5])] {
            let item = Stepped { grad: tensor(&[1f32]), state: [param.clone(), velocity.clone()] };
            step("SGD.step", &[item], Sgd { first, ..with }).unwrap();
            assert_eq!(param.array().elements::<f32>(), [expected[0]]);
        }
        assert_eq!(velocity.array().elements::<f32>(), [1.5]);
    }

    #[test]
    fn strided_parameters_are_stepped_in_their_memory() {
        let whole = Array::from_slice("test", &[1f32, 2., 3., 4.], &[4]).unwrap();
        let odd = Tensor::from(whole.view(whole.layout().slice(0, 3, -2, 2)));
        let ones = Array::full("test", &[], Scalar::Float(1.0), DType::F32).unwrap().expand("test", &[2]).unwrap();
        step("SGD.step", &[Stepped { grad: ones.into(), state: [odd] }], SGD).unwrap();
        assert_eq!(whole.elements::<f32>(), [1., 1.5, 3., 3.5]);
    }

    #[test]
    fn adam_moves_by_the_learning_rate_at_first() {
        let with = Adam {
            lr: 0.1,
            betas: (0.9, 0.999),
            eps: 0.0,
            weight_decay: 0.0,
            decoupled: false,
            maximize: false,
            step: 1,
        };
        let zeros = || tensor(&[0f64, 0.]);
        for amsgrad in [false, true] {
            let (param, grad) = (tensor(&[1f64, 1.]), tensor(&[3f64, -0.01]));
            if amsgrad {
                let state = [param.clone(), zeros(), zeros(), zeros()];
                step("Adam.step", &[Stepped { grad, state }], with).unwrap();
            } else {
                let state = [param.clone(), zeros(), zeros()];
                step("Adam.step", &[Stepped { grad, state }], with).unwrap();
            }
            for (found, expected) in param.array().elements::<f64>().iter().zip([0.9, 1.1]) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }

    #[test]
    fn what_does_not_match_is_an_error() {
        let stepped = |pairs: &[(&Tensor, &Tensor)]| {
            let item = |&(param, grad): &(&Tensor, &Tensor)| Stepped { grad: grad.clone(), state: [param.clone()] };
            step("SGD.step", &pairs.iter().map(item).collect::<Vec<_>>(), SGD)
        };
        let (a, b, integers) = (tensor(&[1f32, 2.]), tensor(&[1f32]), tensor(&[1i64]));
        assert!(stepped(&[(&a, &b)]).is_err());
        assert!(stepped(&[(&a, &tensor(&[1f64, 2.]))]).is_err());
        assert!(stepped(&[(&a, &a)]).is_err());
        assert!(stepped(&[(&b, &tensor(&[1f32])), (&b, &tensor(&[1f32]))]).is_err());
        assert!(stepped(&[(&integers, &tensor(&[1i64]))]).is_err());
    }

    #[test]
    fn clipping_and_zeroing() {
        let leaf = |values: &[f32], grad: Tensor| {
            let leaf = Tensor::leaf(tensor(values).array().clone()).unwrap();
            leaf.set_grad(Some(grad));
            leaf
        };
        let params: Vec<Tensor> = vec![leaf(&[0.], tensor(&[3f32])), leaf(&[0., 0.], tensor(&[0f32, 4.]))];
        assert!((clip_grad_norm(&params, 10.0, 2.0).unwrap() - 5.0).abs() < 1e-12);
        assert_eq!(params[0].grad().unwrap().array().elements::<f32>(), [3.]);
        assert!((clip_grad_norm(&params, 1.0, 2.0).unwrap() - 5.0).abs() < 1e-12);
        assert!((params[1].grad().unwrap().array().elements::<f32>()[1] - 0.8).abs() < 1e-5);
        assert!(clip_grad_norm(&params, 1.0, 0.0).is_err());
        zero_grad(&params, false).unwrap();
        assert_eq!(params[1].grad().unwrap().array().elements::<f32>(), [0., 0.]);
        zero_grad(&params, true).unwrap();
        assert!(params[0].grad().is_none());
    }
}
