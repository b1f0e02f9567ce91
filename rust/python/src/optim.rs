//! Optimizer steps: one call for all parameters of a group. Parameters without a gradient are left alone.

use crate::convert::{Arg, scalar_tensor, tensors};
use crate::enter::enter;
use crate::tensor::PyTensor;
use dlcore_core::optim::{self, AdamItem, SgdItem};
use dlcore_core::{Array, DType, Scalar, Tensor};
use dlcore_kernels::optim::{Adam, Sgd};
use pyo3::prelude::*;

fn elements(params: &[Tensor]) -> usize {
    params.iter().map(Tensor::numel).sum()
}

/// One step of stochastic gradient descent over ``params`` by their gradients, in place. With a momentum it returns
/// the momentum buffers, made where they are missing.
#[pyfunction]
fn sgd_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    momentum_buffers: Option<Vec<Option<Arg>>>,
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
) -> PyResult<Option<Vec<Option<PyTensor>>>> {
    let params = tensors(params)?;
    let with = Sgd { lr, momentum, dampening, weight_decay, nesterov, maximize, first: false };
    if momentum == 0.0 {
        let item = |param: Tensor| Some(SgdItem { grad: param.grad()?, param, velocity: None });
        enter(py, elements(&params), || {
            optim::sgd_step(&params.into_iter().filter_map(item).collect::<Vec<_>>(), &with)
        })?;
        return Ok(None);
    }
    let given = momentum_buffers.unwrap_or_default();
    let mut buffers: Vec<Option<Tensor>> = given.into_iter().map(|arg| arg.map(|arg| arg.0)).collect();
    buffers.resize(params.len(), None);
    enter(py, elements(&params), || {
        let mut items = Vec::with_capacity(params.len());
        for (param, buffer) in params.into_iter().zip(&mut buffers) {
            let Some(grad) = param.grad() else { continue };
            let velocity = if let Some(buffer) = buffer {
                (buffer.clone(), false)
            } else {
                let fresh = Tensor::from(Array::zeros("SGD.step", param.shape(), param.dtype())?);
                *buffer = Some(fresh.clone());
                (fresh, true)
            };
            items.push(SgdItem { param, grad, velocity: Some(velocity) });
        }
        optim::sgd_step(&items, &with)
    })?;
    Ok(Some(buffers.into_iter().map(|buffer| buffer.map(PyTensor::from)).collect()))
}

/// One step of Adam over ``params`` by their gradients, in place; ``decoupled`` decays the weights themselves (AdamW).
#[pyfunction]
fn adam_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    exp_avgs: &Bound<'_, PyAny>,
    exp_avg_sqs: &Bound<'_, PyAny>,
    max_exp_avg_sqs: Option<&Bound<'_, PyAny>>,
    step: u64,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
    maximize: bool,
    decoupled: bool,
) -> PyResult<()> {
    let params = tensors(params)?;
    let (firsts, seconds) = (tensors(exp_avgs)?, tensors(exp_avg_sqs)?);
    let largest = match max_exp_avg_sqs {
        Some(list) if amsgrad => tensors(list)?.into_iter().map(Some).collect(),
        _ => vec![None; params.len()],
    };
    let with = Adam { lr, betas: (beta1, beta2), eps, weight_decay, decoupled, maximize, step };
    enter(py, elements(&params), || {
        let items: Vec<AdamItem> = params
            .into_iter()
            .zip(firsts.into_iter().zip(seconds).zip(largest))
            .filter_map(|(param, ((first, second), largest))| {
                let grad = param.grad()?;
                Some(AdamItem { param, grad, moments: [first, second], largest, step })
            })
            .collect();
        optim::adam_step(&items, &with)
    })
}

/// Forgets the gradients of ``params``; without ``set_to_none`` it fills them with zeros instead.
#[pyfunction]
#[pyo3(signature = (params, set_to_none = true))]
fn zero_grad(py: Python<'_>, params: &Bound<'_, PyAny>, set_to_none: bool) -> PyResult<()> {
    let params = tensors(params)?;
    enter(py, 0, || optim::zero_grad(&params, set_to_none))
}

/// Scales the gradients of ``params`` together so that their ``norm_type``-norm is at most ``max_norm``; returns the
/// norm before, a 0-d float32 tensor.
#[pyfunction]
#[pyo3(signature = (params, max_norm, norm_type = 2.0))]
fn clip_grad_norm(py: Python<'_>, params: &Bound<'_, PyAny>, max_norm: f64, norm_type: f64) -> PyResult<PyTensor> {
    let params = tensors(params)?;
    let norm = enter(py, elements(&params), || optim::clip_grad_norm(&params, max_norm, norm_type))?;
    Ok(scalar_tensor(Scalar::Float(norm), DType::F32)?.into())
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(sgd_step adam_step zero_grad clip_grad_norm);
    Ok(())
}
