//! Recurrent networks: whole stacks of layers, and single steps.

#![allow(clippy::fn_params_excessive_bools, clippy::similar_names, reason = "the arguments are PyTorch's")]

use crate::convert::{Arg, Ints, tensors};
use crate::enter::{enter, to_py};
use crate::tensor::PyTensor;
use dlcore_core::ops::{self, RecurrentKind as Kind, RecurrentOptions};
use dlcore_core::{Error, Tensor};
use pyo3::prelude::*;

/// Products with weights do much per element.
const WORK_PER_ELEMENT: usize = 64;

/// Long short-term memory (Hochreiter & Schmidhuber 1997), layers stacked and run both ways.
///
/// ``i, f, g, o = x @ w_ih.T + b_ih + h @ w_hh.T + b_hh``, ``c = sigmoid(f) * c + sigmoid(i) * tanh(g)``,
/// ``h = sigmoid(o) * tanh(c)``, and with a projection ``h @ w_hr.T`` instead of ``h``.
///
/// Args:
///     input: (steps, batch, features), with ``batch_first`` (batch, steps, features), or (steps, features).
///     hx: the states (h, c) before the first step, (layers * directions, batch, size) each.
///     params: for each layer and direction ``w_ih`` (4 * hidden, features), ``w_hh`` (4 * hidden, size), with
///         ``has_biases`` ``b_ih`` and ``b_hh`` (4 * hidden), and perhaps a projection ``w_hr`` (size, hidden).
///     dropout: probability with which an output is dropped between layers while ``train``.
///     batch_sizes: how many sequences each step has, never more than the one before; the input is then (rows, features),
///         the steps one after the other.
///
/// Returns the outputs (steps, batch, directions * size) and the last states h and c.
///
/// >>> x, state = dlcore.ones(3, 2, 1), dlcore.zeros(1, 2, 4)
/// >>> params = [dlcore.zeros(16, 1), dlcore.zeros(16, 4)]
/// >>> output, h, c = dlcore.lstm(x, (state, state), params, False, 1, 0.0, False, False)
/// >>> output.shape, h.shape, c.shape
/// ((3, 2, 4), (1, 2, 4), (1, 2, 4))
#[pyfunction]
#[pyo3(
    signature = (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first = false, *, batch_sizes = None),
    text_signature = "(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first=False, *, batch_sizes=None)",
)]
fn lstm(
    py: Python<'_>,
    input: Arg,
    hx: &Bound<'_, PyAny>,
    params: &Bound<'_, PyAny>,
    has_biases: bool,
    num_layers: usize,
    dropout: f64,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    batch_sizes: Option<Ints>,
) -> PyResult<(PyTensor, PyTensor, PyTensor)> {
    let options = RecurrentOptions {
        kind: Kind::Lstm,
        biases: has_biases,
        layers: num_layers,
        dropout: if train { dropout } else { 0.0 },
        bidirectional,
        batch_first,
    };
    let (y, h, c) = run(py, &input.0, tensors(hx)?, params, options, batch_sizes)?;
    Ok((y, h, c.ok_or_else(missing)?))
}

fn run(
    py: Python<'_>,
    input: &Tensor,
    states: Vec<Tensor>,
    params: &Bound<'_, PyAny>,
    options: RecurrentOptions,
    batch_sizes: Option<Ints>,
) -> PyResult<(PyTensor, PyTensor, Option<PyTensor>)> {
    let sizes = batch_sizes.map(|sizes| sizes.sizes(options.kind.name())).transpose()?;
    let params = tensors(params)?;
    let work = input.numel().saturating_mul(WORK_PER_ELEMENT);
    let (y, h, c) =
        enter(py, work, || ops::recurrent(input, &states, &params, options, sizes.map(|sizes| sizes.to_vec())))?;
    Ok((y.into(), h.into(), c.map(PyTensor::from)))
}

#[cold]
fn missing() -> PyErr {
    to_py(Error::value("lstm", "expected the states (h, c)"))
}

/// Binds the networks with one state, and their single steps.
macro_rules! networks {
    ($($(#[$doc:meta])* $name:ident, $(#[$cell_doc:meta])* $cell:ident => $kind:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(
                signature = (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first = false, *, batch_sizes = None),
                text_signature = "(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first=False, *, batch_sizes=None)",
            )]
            fn $name(
                py: Python<'_>,
                input: Arg,
                hx: Arg,
                params: &Bound<'_, PyAny>,
                has_biases: bool,
                num_layers: usize,
                dropout: f64,
                train: bool,
                bidirectional: bool,
                batch_first: bool,
                batch_sizes: Option<Ints>,
            ) -> PyResult<(PyTensor, PyTensor)> {
                let dropout = if train { dropout } else { 0.0 };
                let options = RecurrentOptions {
                    kind: $kind, biases: has_biases, layers: num_layers, dropout, bidirectional, batch_first,
                };
                let (y, h, _) = run(py, &input.0, vec![hx.0], params, options, batch_sizes)?;
                Ok((y, h))
            }

            $(#[$cell_doc])*
            #[pyfunction]
            #[pyo3(signature = (input, hx, w_ih, w_hh, b_ih = None, b_hh = None))]
            fn $cell(
                py: Python<'_>,
                input: Arg,
                hx: Arg,
                w_ih: Arg,
                w_hh: Arg,
                b_ih: Option<Arg>,
                b_hh: Option<Arg>,
            ) -> PyResult<PyTensor> {
                Ok(step(py, $kind, &input.0, vec![hx.0], [w_ih, w_hh], [b_ih, b_hh])?.0)
            }
        )*

        /// Registers the functions of this file.
        pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
            module.add_function(wrap_pyfunction!(lstm, module)?)?;
            module.add_function(wrap_pyfunction!(lstm_cell, module)?)?;
            $(
                module.add_function(wrap_pyfunction!($name, module)?)?;
                module.add_function(wrap_pyfunction!($cell, module)?)?;
            )*
            Ok(())
        }
    };
}

fn step(
    py: Python<'_>,
    kind: Kind,
    input: &Tensor,
    states: Vec<Tensor>,
    weights: [Arg; 2],
    biases: [Option<Arg>; 2],
) -> PyResult<(PyTensor, Option<PyTensor>)> {
    let mut params: Vec<Tensor> = weights.into_iter().map(|arg| arg.0).collect();
    match biases {
        [Some(input), Some(recurrent)] => params.extend([input.0, recurrent.0]),
        [None, None] => {}
        _ => return Err(to_py(Error::value(kind.name(), "b_ih and b_hh come together or not at all"))),
    }
    let work = input.numel().saturating_mul(WORK_PER_ELEMENT);
    let (h, c) = enter(py, work, || ops::recurrent_cell(input, &states, &params, kind))?;
    Ok((h.into(), c.map(PyTensor::from)))
}

/// One step of ``lstm``: input (batch, features) and states (h, c), (batch, hidden) each; or all without the batch.
///
/// Returns the new states (h, c).
///
/// >>> state = dlcore.zeros(2, 4)
/// >>> h, c = dlcore.lstm_cell(dlcore.ones(2, 3), (state, state), dlcore.zeros(16, 3), dlcore.zeros(16, 4))
/// >>> h.shape, c.shape
/// ((2, 4), (2, 4))
#[pyfunction]
#[pyo3(signature = (input, hx, w_ih, w_hh, b_ih = None, b_hh = None))]
fn lstm_cell(
    py: Python<'_>,
    input: Arg,
    hx: &Bound<'_, PyAny>,
    w_ih: Arg,
    w_hh: Arg,
    b_ih: Option<Arg>,
    b_hh: Option<Arg>,
) -> PyResult<(PyTensor, PyTensor)> {
    let (h, c) = step(py, Kind::Lstm, &input.0, tensors(hx)?, [w_ih, w_hh], [b_ih, b_hh])?;
    Ok((h, c.ok_or_else(missing)?))
}

networks! {
    /// Gated recurrent units (Cho et al. 2014), layers stacked and run both ways; arguments as for ``lstm``, with one
    /// state and three gates.
    ///
    /// ``r, z = sigmoid(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)`` of their rows of the weights,
    /// ``n = tanh(x @ w_in.T + b_in + r * (h @ w_hn.T + b_hn))``, ``h = (1 - z) * n + z * h``.
    ///
    /// >>> params = [dlcore.zeros(12, 1), dlcore.zeros(12, 4)]
    /// >>> output, h = dlcore.gru(dlcore.ones(3, 2, 1), dlcore.ones(1, 2, 4), params, False, 1, 0.0, False, False)
    /// >>> output[:, 0, 0]
    /// tensor([0.5000, 0.2500, 0.1250])
    gru,
    /// One step of ``gru``: input (batch, features), state (batch, hidden), or both without the batch; the new state.
    ///
    /// >>> dlcore.gru_cell(dlcore.ones(2, 3), dlcore.ones(2, 1), dlcore.zeros(3, 3), dlcore.zeros(3, 1)).tolist()
    /// [[0.5], [0.5]]
    gru_cell => Kind::Gru;
    /// Plain recurrent units (Elman 1990), ``h = tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)``; arguments as for
    /// ``lstm``, with one state.
    ///
    /// >>> params = [dlcore.ones(1, 1), dlcore.zeros(1, 1)]
    /// >>> output, h = dlcore.rnn_tanh(dlcore.zeros(3, 2, 1), dlcore.zeros(1, 2, 1), params, False, 1, 0.0, False, False)
    /// >>> output.shape, h.shape
    /// ((3, 2, 1), (1, 2, 1))
    rnn_tanh,
    /// One step of ``rnn_tanh``: input (batch, features), state (batch, hidden), or both without the batch.
    ///
    /// >>> dlcore.rnn_tanh_cell(dlcore.zeros(2, 3), dlcore.zeros(2, 1), dlcore.ones(1, 3), dlcore.ones(1, 1)).tolist()
    /// [[0.0], [0.0]]
    rnn_tanh_cell => Kind::Tanh;
    /// As ``rnn_tanh`` with ``max(x, 0)`` instead of ``tanh``.
    ///
    /// >>> params = [dlcore.ones(1, 1), dlcore.ones(1, 1)]
    /// >>> output, h = dlcore.rnn_relu(dlcore.ones(3, 1, 1), dlcore.zeros(1, 1, 1), params, False, 1, 0.0, False, False)
    /// >>> output.flatten()
    /// tensor([1., 2., 3.])
    rnn_relu,
    /// One step of ``rnn_relu``: input (batch, features), state (batch, hidden), or both without the batch.
    ///
    /// >>> dlcore.rnn_relu_cell(dlcore.ones(2, 3), dlcore.ones(2, 1), dlcore.ones(1, 3), dlcore.ones(1, 1)).tolist()
    /// [[4.0], [4.0]]
    rnn_relu_cell => Kind::Relu;
}
