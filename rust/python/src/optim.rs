//! Optimizer steps: one call for all parameters of a group. Parameters without a gradient are left alone.

use crate::convert::{Arg, scalar_tensor, tensors};
use crate::enter::enter;
use crate::tensor::PyTensor;
use dlcore_core::optim::{
    self, Adadelta, Adagrad, Adam, Adamax, Asgd, Lion, NAdam, Optimiser, RAdam, RmsProp, Rprop, Sgd, Stepped,
};
use dlcore_core::{Array, DType, Scalar, Tensor};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

fn elements(params: &[Tensor]) -> usize {
    params.iter().map(Tensor::numel).sum()
}

/// Steps `params`, whose state is in as many lists as long.
fn stepped<const K: usize>(
    py: Python<'_>,
    op: &'static str,
    params: &Bound<'_, PyAny>,
    states: &[Bound<'_, PyAny>],
    with: impl Optimiser<K>,
) -> PyResult<()> {
    let params = tensors(params)?;
    let states = states.iter().map(tensors).collect::<PyResult<Vec<_>>>()?;
    if states.len() + 1 != K || states.iter().any(|state| state.len() != params.len()) {
        let lists = K - 1;
        return Err(PyValueError::new_err(format!(
            "{op}: takes {lists} lists of state, as long as that of parameters"
        )));
    }
    enter(py, elements(&params), || {
        let mut items = Vec::with_capacity(params.len());
        for (at, param) in params.iter().enumerate() {
            let Some(grad) = param.grad() else { continue };
            let state = std::array::from_fn(|k| if k == 0 { param.clone() } else { states[k - 1][at].clone() });
            items.push(Stepped { grad, state });
        }
        optim::step(op, &items, with)
    })
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
    const NAME: &str = "SGD.step";
    let with = Sgd { lr, momentum, dampening, weight_decay, nesterov, maximize, first: false };
    if momentum == 0.0 {
        return stepped::<1>(py, NAME, params, &[], with).map(|()| None);
    }
    let params = tensors(params)?;
    let given = momentum_buffers.unwrap_or_default();
    let mut buffers: Vec<Option<Tensor>> = given.into_iter().map(|arg| arg.map(|arg| arg.0)).collect();
    buffers.resize(params.len(), None);
    enter(py, elements(&params), || {
        let (mut kept, mut fresh) = (Vec::with_capacity(params.len()), Vec::new());
        for (param, buffer) in params.into_iter().zip(&mut buffers) {
            let Some(grad) = param.grad() else { continue };
            if let Some(velocity) = buffer {
                kept.push(Stepped { grad, state: [param, velocity.clone()] });
            } else {
                let velocity = Tensor::from(Array::zeros(NAME, param.shape(), param.dtype())?);
                *buffer = Some(velocity.clone());
                fresh.push(Stepped { grad, state: [param, velocity] });
            }
        }
        optim::step(NAME, &kept, with)?;
        optim::step(NAME, &fresh, Sgd { first: true, ..with })
    })?;
    Ok(Some(buffers.into_iter().map(|buffer| buffer.map(PyTensor::from)).collect()))
}

/// What Adam, ``NAdam`` and ``RAdam`` share.
fn adam(step: u64, lr: f64, betas: (f64, f64), eps: f64, weight_decay: f64, maximize: bool, decoupled: bool) -> Adam {
    Adam { lr, betas, eps, weight_decay, decoupled, maximize, step }
}

/// One step of Adam over ``params`` by their gradients, in place; ``decoupled`` decays the weights themselves (AdamW).
/// The states are the first and second moments, and for AMSGrad the largest second moments.
#[pyfunction]
fn adam_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    step: u64,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    maximize: bool,
    decoupled: bool,
) -> PyResult<()> {
    let with = adam(step, lr, betas, eps, weight_decay, maximize, decoupled);
    match states.len() {
        3 => stepped::<4>(py, "Adam.step", params, &states, with),
        _ => stepped::<3>(py, "Adam.step", params, &states, with),
    }
}

/// One step of NAdam over ``params`` by their gradients, in place. The states are the first and second moments;
/// ``mu_product`` is the product of the momenta of the steps before, and the result is that with this step's.
#[pyfunction]
fn nadam_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    step: u64,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    maximize: bool,
    decoupled: bool,
    momentum_decay: f64,
    mu_product: f64,
) -> PyResult<f64> {
    let with = adam(step, lr, betas, eps, weight_decay, maximize, decoupled);
    let with = NAdam::new(with, momentum_decay, mu_product);
    stepped::<3>(py, "NAdam.step", params, &states, with).map(|()| with.product)
}

/// One step of RAdam over ``params`` by their gradients, in place. The states are the first and second moments.
#[pyfunction]
fn radam_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    step: u64,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    maximize: bool,
    decoupled: bool,
) -> PyResult<()> {
    let adam = adam(step, lr, betas, eps, weight_decay, maximize, decoupled);
    stepped::<3>(py, "RAdam.step", params, &states, RAdam { adam })
}

/// One step of Adamax over ``params`` by their gradients, in place. The states are the means and the largest
/// magnitudes.
#[pyfunction]
fn adamax_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    step: u64,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    stepped::<3>(py, "Adamax.step", params, &states, Adamax { lr, betas, eps, weight_decay, maximize, step })
}

/// One step of RMSprop over ``params`` by their gradients, in place. The states are the mean squares; then, if it is
/// ``centered``, the means; then, with a ``momentum``, the velocities.
#[pyfunction]
fn rmsprop_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    lr: f64,
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
    maximize: bool,
) -> PyResult<()> {
    const NAME: &str = "RMSprop.step";
    let with = RmsProp { lr, alpha, eps, weight_decay, momentum, centered, maximize };
    match usize::from(centered) + usize::from(momentum > 0.0) {
        0 => stepped::<2>(py, NAME, params, &states, with),
        1 => stepped::<3>(py, NAME, params, &states, with),
        _ => stepped::<4>(py, NAME, params, &states, with),
    }
}

/// One step of Adagrad over ``params`` by their gradients, in place. The state is the sums of squares.
#[pyfunction]
fn adagrad_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    step: u64,
    lr: f64,
    lr_decay: f64,
    eps: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    stepped::<2>(py, "Adagrad.step", params, &states, Adagrad { lr, lr_decay, eps, weight_decay, maximize, step })
}

/// One step of Adadelta over ``params`` by their gradients, in place. The states are the mean squares of gradients and
/// of steps.
#[pyfunction]
fn adadelta_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    lr: f64,
    rho: f64,
    eps: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    stepped::<3>(py, "Adadelta.step", params, &states, Adadelta { lr, rho, eps, weight_decay, maximize })
}

/// One step of resilient backpropagation over ``params`` by their gradients, in place. The states are the last
/// gradients and the sizes of the steps.
#[pyfunction]
fn rprop_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    etas: (f64, f64),
    step_sizes: (f64, f64),
    maximize: bool,
) -> PyResult<()> {
    stepped::<3>(py, "Rprop.step", params, &states, Rprop { etas, sizes: step_sizes, maximize })
}

/// One step of averaged gradient descent over ``params`` by their gradients, in place, of the size ``eta``. The state
/// is the averages, in which the parameter has the weight ``mu``. The result is both numbers for the next step.
#[pyfunction]
fn asgd_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    step: u64,
    eta: f64,
    mu: f64,
    lr: f64,
    lambd: f64,
    alpha: f64,
    t0: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<(f64, f64)> {
    stepped::<2>(py, "ASGD.step", params, &states, Asgd { eta, mu, lambd, weight_decay, maximize })?;
    Ok(Asgd::after(step, lr, lambd, alpha, t0))
}

/// One step of Lion over ``params`` by their gradients, in place. The state is the mean gradients.
#[pyfunction]
fn lion_step(
    py: Python<'_>,
    params: &Bound<'_, PyAny>,
    states: Vec<Bound<'_, PyAny>>,
    lr: f64,
    betas: (f64, f64),
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    stepped::<2>(py, "Lion.step", params, &states, Lion { lr, betas, weight_decay, maximize })
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
    add!(sgd_step adam_step nadam_step radam_step adamax_step rmsprop_step adagrad_step adadelta_step rprop_step asgd_step);
    add!(lion_step zero_grad clip_grad_norm);
    Ok(())
}
