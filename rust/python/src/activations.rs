//! Activation functions. All but a few take `inplace`, with which they write into their input and return it.

use crate::convert::Arg;
use crate::enter::enter;
use crate::function::{Returned, functions};
use crate::tensor::PyTensor;
use dlcore_core::ops::{self, activation};
use dlcore_core::{Result, Tensor};
use pyo3::prelude::*;

/// Defaults that are no single token, as macros take them.
const LAST: isize = -1;
const MINUS_ONE: f64 = -1.0;

/// Applies `op`, which is one operation, to `input`, in place if asked to.
fn applied<'py>(
    py: Python<'py>,
    name: &'static str,
    input: &Bound<'py, PyAny>,
    inplace: bool,
    op: impl FnOnce(&Tensor) -> Result<Tensor> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let x = input.extract::<Arg>()?.0;
    let value = || enter(py, x.numel(), || op(&x));
    if !inplace {
        return value()?.returned(py);
    }
    input.cast::<PyTensor>()?.get().transform(name, value)?;
    Ok(input.clone())
}

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty $(= $default:tt)?),*) $([$signature:literal])? => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(
                signature = (input, $($arg $(= $default)?,)* inplace = false)
                $(, text_signature = $signature)?
            )]
            fn $name<'py>(
                py: Python<'py>, input: &Bound<'py, PyAny>, $($arg: $t,)* inplace: bool,
            ) -> PyResult<Bound<'py, PyAny>> {
                let op = $op;
                applied(py, stringify!($name), input, inplace, |x| op(x, $($arg),*))
            }
        )*

        fn register_activations(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

activations! {
    /// ``max(x, 0)`` of each element; NaN stays NaN.
    ///
    /// >>> dlcore.relu(dlcore.tensor([-1.0, 2.0]))
    /// tensor([0., 2.])
    relu() => ops::relu;
    /// ``x * sigmoid(x)`` of each element (Elfwing et al. 2017).
    ///
    /// >>> dlcore.nn.functional.silu(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 0.7311])
    silu() => ops::silu;
    /// ``min(max(x, 0), 6)`` of each element (Krizhevsky 2010).
    ///
    /// >>> dlcore.nn.functional.relu6(dlcore.tensor([-1.0, 2.0, 9.0]))
    /// tensor([0., 2., 6.])
    relu6() => |x: &Tensor| activation::hardtanh(x, 0.0, 6.0);
    /// Each element above zero as it is, below zero times ``negative_slope``.
    ///
    /// >>> dlcore.nn.functional.leaky_relu(dlcore.tensor([-1.0, 2.0]), 0.5)
    /// tensor([-0.5000,  2.0000])
    leaky_relu(negative_slope: f64 = 0.01) => activation::leaky_relu;
    /// ``x`` above zero, ``alpha * (exp(x) - 1)`` elsewhere (Clevert et al. 2015).
    ///
    /// >>> dlcore.nn.functional.elu(dlcore.tensor([-1.0, 2.0]))
    /// tensor([-0.6321,  2.0000])
    elu(alpha: f64 = 1.0) => activation::elu;
    /// ``elu`` with the two numbers that keep mean 0 and variance 1 from layer to layer (Klambauer et al. 2017).
    ///
    /// >>> dlcore.nn.functional.selu(dlcore.tensor([-1.0, 2.0]))
    /// tensor([-1.1113,  2.1014])
    selu() => activation::selu;
    /// ``x`` above zero, ``alpha * (exp(x / alpha) - 1)`` elsewhere (Barron 2017). Raises ValueError for ``alpha`` zero.
    ///
    /// >>> dlcore.nn.functional.celu(dlcore.tensor([-1.0, 2.0]), 2.0)
    /// tensor([-0.7869,  2.0000])
    celu(alpha: f64 = 1.0) => activation::celu;
    /// ``min(max(x, min_val), max_val)`` of each element. Raises ValueError where ``min_val`` is above ``max_val``.
    ///
    /// >>> dlcore.nn.functional.hardtanh(dlcore.tensor([-3.0, 0.5, 2.0]))
    /// tensor([-1.0000,  0.5000,  1.0000])
    hardtanh(min_val: f64 = MINUS_ONE, max_val: f64 = 1.0)["(input, min_val=-1.0, max_val=1.0, inplace=False)"]
        => activation::hardtanh;
    /// ``min(max(x + 3, 0), 6) / 6`` of each element.
    ///
    /// >>> dlcore.nn.functional.hardsigmoid(dlcore.tensor([-4.0, 0.0, 4.0]))
    /// tensor([0.0000, 0.5000, 1.0000])
    hardsigmoid() => activation::hardsigmoid;
    /// ``x * hardsigmoid(x)`` of each element (Howard et al. 2019).
    ///
    /// >>> dlcore.nn.functional.hardswish(dlcore.tensor([-1.0, 1.0, 4.0]))
    /// tensor([-0.3333,  0.6667,  4.0000])
    hardswish() => activation::hardswish;
    /// ``x * tanh(log(1 + exp(x)))`` of each element (Misra 2019).
    ///
    /// >>> dlcore.nn.functional.mish(dlcore.tensor([-1.0, 2.0]))
    /// tensor([-0.3034,  1.9440])
    mish() => activation::mish;
    /// Each element above ``threshold`` as it is, ``value`` elsewhere.
    ///
    /// >>> dlcore.nn.functional.threshold(dlcore.tensor([0.5, 2.0]), 1.0, -1.0)
    /// tensor([-1.,  2.])
    threshold(threshold: f64, value: f64) => activation::threshold;
}

/// ``x`` above zero; elsewhere ``x`` times a slope, drawn for each element from ``lower`` to ``upper`` when ``training``,
/// the middle of the two otherwise (Xu et al. 2015).
///
/// Raises ValueError where ``lower`` is above ``upper``, DTypeError for integers.
///
/// >>> dlcore.nn.functional.rrelu(dlcore.tensor([-1.0, 2.0]), 0.2, 0.4)
/// tensor([-0.3000,  2.0000])
#[pyfunction]
#[pyo3(
    signature = (input, lower = 0.125, upper = 1.0 / 3.0, training = false, inplace = false),
    text_signature = "(input, lower=0.125, upper=0.3333333333333333, training=False, inplace=False)",
)]
fn rrelu<'py>(
    py: Python<'py>,
    input: &Bound<'py, PyAny>,
    lower: f64,
    upper: f64,
    training: bool,
    inplace: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let x = input.extract::<Arg>()?.0;
    let value = || enter(py, x.numel(), || activation::rrelu(&x, lower, upper, training));
    if !inplace {
        return value()?.returned(py);
    }
    let tensor = input.cast::<PyTensor>()?.get();
    // With slopes that are drawn the elements are read twice.
    if training { tensor.overwrite("rrelu", value) } else { tensor.transform("rrelu", value) }?;
    Ok(input.clone())
}

functions! {
    /// Each element where it is further than ``lambd`` from zero, zero elsewhere.
    ///
    /// >>> dlcore.nn.functional.hardshrink(dlcore.tensor([-1.0, 0.2]))
    /// tensor([-1.,  0.])
    hardshrink(lambd: f64 = 0.5) => |x| activation::hardshrink(x, lambd);
    /// ``x`` above zero, ``weight * x`` elsewhere, with one weight for each channel (dimension 1) or one for all (He et al.
    /// 2015). Raises ShapeError for other weights.
    ///
    /// >>> dlcore.nn.functional.prelu(dlcore.tensor([-1.0, 2.0]), dlcore.tensor([0.25]))
    /// tensor([-0.2500,  2.0000])
    prelu(weight: Arg) => |x| activation::prelu(x, &weight.0);
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty $(= $default:tt)?),*) $([$signature:literal])? => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (input, $($arg $(= $default)?),*) $(, text_signature = $signature)?)]
            fn $name(py: Python<'_>, input: Arg, $($arg: $t),*) -> PyResult<PyTensor> {
                let op = $op;
                enter(py, input.0.numel(), || op(&input.0, $($arg),*)).map(PyTensor::from)
            }
        )*

        fn register_plain(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

plain! {
    /// Each element moved towards zero by ``lambd``, at most up to there. Raises ValueError for ``lambd`` below zero.
    ///
    /// >>> dlcore.nn.functional.softshrink(dlcore.tensor([-1.0, 0.2]))
    /// tensor([-0.5000,  0.0000])
    softshrink(lambd: f64 = 0.5) => activation::softshrink;
    /// ``x / (1 + |x|)`` of each element.
    ///
    /// >>> dlcore.nn.functional.softsign(dlcore.tensor([-1.0, 3.0]))
    /// tensor([-0.5000,  0.7500])
    softsign() => activation::softsign;
    /// ``x - tanh(x)`` of each element.
    ///
    /// >>> dlcore.nn.functional.tanhshrink(dlcore.tensor([0.0, 2.0]))
    /// tensor([0.0000, 1.0360])
    tanhshrink() => activation::tanhshrink;
    /// The first half of the input along ``dim`` times the sigmoid of the second (Dauphin et al. 2017). Raises ShapeError
    /// for an odd extent.
    ///
    /// >>> dlcore.nn.functional.glu(dlcore.tensor([3.0, 0.0]))
    /// tensor([1.5000])
    glu(dim: isize = LAST)["(input, dim=-1)"] => activation::glu;
}

/// ``softmax`` of ``-x`` along ``dim``.
///
/// >>> dlcore.nn.functional.softmin(dlcore.tensor([0.0, 0.0]), 0)
/// tensor([0.5000, 0.5000])
#[pyfunction]
#[pyo3(signature = (input, dim, *, dtype = None))]
fn softmin(py: Python<'_>, input: Arg, dim: isize, dtype: Option<crate::convert::DTypeArg>) -> PyResult<PyTensor> {
    enter(py, input.0.numel(), || match dtype {
        Some(dtype) => activation::softmin(&ops::cast(&input.0, dtype.0)?, dim),
        None => activation::softmin(&input.0, dim),
    })
    .map(PyTensor::from)
}

/// Samples of a categorical distribution with ``logits`` along ``dim`` that have a gradient (Jang et al. 2016): softmax
/// of the logits plus Gumbel noise, over ``tau``; with ``hard`` ones and zeros, which have the gradient of the soft ones.
///
/// >>> dlcore.nn.functional.gumbel_softmax(dlcore.zeros(2, 5), hard=True).sum(1)
/// tensor([1., 1.])
#[pyfunction]
#[pyo3(signature = (logits, tau = 1.0, hard = false, eps = 1e-10, dim = -1),
       text_signature = "(logits, tau=1.0, hard=False, eps=1e-10, dim=-1)")]
fn gumbel_softmax(py: Python<'_>, logits: Arg, tau: f64, hard: bool, eps: f64, dim: isize) -> PyResult<PyTensor> {
    let _ = eps; // taken for PyTorch's programs, where it does nothing either
    enter(py, logits.0.numel(), || activation::gumbel_softmax(&logits.0, tau, hard, dim)).map(PyTensor::from)
}

#[pymethods]
impl PyTensor {
    /// See ``dlcore.relu``.
    pub fn relu(&self, py: Python<'_>) -> PyResult<Self> {
        let x = self.get();
        enter(py, x.numel(), || ops::relu(&x)).map(Self::from)
    }

    /// See ``dlcore.nn.functional.silu``.
    fn silu(&self, py: Python<'_>) -> PyResult<Self> {
        let x = self.get();
        enter(py, x.numel(), || ops::silu(&x)).map(Self::from)
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_activations(module)?;
    register_functions(module)?;
    register_plain(module)?;
    module.add_function(wrap_pyfunction!(rrelu, module)?)?;
    module.add_function(wrap_pyfunction!(softmin, module)?)?;
    module.add_function(wrap_pyfunction!(gumbel_softmax, module)?)
}
