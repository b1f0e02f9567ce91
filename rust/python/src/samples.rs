//! Integrals, covariances, polynomials, combinations.

use crate::convert::{Arg, Ints};
use crate::enter::{enter, to_py};
use crate::function::{Returned, functions};
use crate::reductions::dims;
use crate::tensor::PyTensor;
use dlcore_core::layout::normalize_dim;
use dlcore_core::ops::samples::{self, Places};
use dlcore_core::{Error, Result, Tensor};
use pyo3::prelude::*;

fn option(arg: Option<&Arg>) -> Option<&Tensor> {
    arg.map(|arg| &arg.0)
}

functions! {
    /// The covariances of variables, rows of the input, over its columns: of each observation ``fweights`` (whole numbers),
    /// weighted by ``aweights``. Raises ShapeError for more than two dimensions.
    ///
    /// >>> dlcore.cov(dlcore.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    /// tensor([[ 1., -1.],
    ///         [-1.,  1.]])
    cov(; correction: f64 = 1.0, fweights: Option<Arg> = None, aweights: Option<Arg> = None)
        => |x| samples::cov(x, correction, option(fweights.as_ref()), option(aweights.as_ref()));
    /// The correlations of variables, rows of the input, over its columns.
    ///
    /// >>> dlcore.corrcoef(dlcore.tensor([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]]))
    /// tensor([[ 1., -1.],
    ///         [-1.,  1.]])
    corrcoef() => |x| samples::corrcoef(x);
    /// Slices along ``dim`` scaled down to the ``p``-norm ``maxnorm`` where theirs is above.
    ///
    /// >>> dlcore.renorm(dlcore.tensor([[3.0, 4.0], [0.0, 1.0]]), 2, 0, 1.0)
    /// tensor([[0.6000, 0.8000],
    ///         [0.0000, 1.0000]])
    renorm(p: f64, dim: isize, maxnorm: f64) => |x| samples::renorm(x, p, dim, maxnorm);
}

macro_rules! integrals {
    ($($(#[$doc:meta])* $name:ident => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (y, x = None, *, dx = 1.0, dim = -1), text_signature = "(y, x=None, *, dx=1.0, dim=-1)")]
            fn $name(py: Python<'_>, y: Arg, x: Option<Arg>, dx: f64, dim: isize) -> PyResult<PyTensor> {
                enter(py, y.0.numel(), || $op(&y.0, option(x.as_ref()), dx, dim)).map(PyTensor::from)
            }
        )*
    };
}

integrals! {
    /// The integral of samples ``y`` at ``x``, or ``dx`` apart, along ``dim`` by the trapezoidal rule.
    ///
    /// >>> dlcore.trapezoid(dlcore.tensor([1.0, 3.0, 5.0]))
    /// tensor(6.)
    trapezoid => samples::trapezoid;
    /// Another name of ``dlcore.trapezoid``.
    ///
    /// >>> dlcore.trapz(dlcore.tensor([1.0, 3.0, 5.0]))
    /// tensor(6.)
    trapz => samples::trapezoid;
    /// The integrals of samples ``y`` at ``x``, or ``dx`` apart, along ``dim`` up to each but the first.
    ///
    /// >>> dlcore.cumulative_trapezoid(dlcore.tensor([1.0, 3.0, 5.0]))
    /// tensor([2., 6.])
    cumulative_trapezoid => samples::cumulative_trapezoid;
}

/// Numbers for all dimensions or for each, or coordinates for each.
#[derive(FromPyObject)]
enum Spacing {
    All(f64),
    Each(Vec<f64>),
    At(Vec<Arg>),
}

/// The derivatives of a function of whose values on a grid ``input`` is the tensor: a tuple, one for each dimension, or for
/// each in ``dim``. ``spacing``: the distance of neighbours, one for all dimensions or a list, or the coordinates along
/// each, a list of vectors. At both ends differences of ``edge_order`` 1 or 2. Raises ShapeError for fewer than
/// ``edge_order + 1`` values.
///
/// >>> dlcore.gradient(dlcore.tensor([1.0, 4.0, 9.0, 16.0]))
/// (tensor([3., 4., 6., 7.]),)
/// >>> dlcore.gradient(dlcore.tensor([0.0, 1.0, 9.0]), spacing=[dlcore.tensor([0.0, 1.0, 3.0])], edge_order=2)
/// (tensor([0., 2., 6.]),)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, *, spacing = None, dim = None, edge_order = 1))]
fn gradient<'py>(
    py: Python<'py>,
    input: Arg,
    spacing: Option<Spacing>,
    dim: Option<Ints>,
    edge_order: usize,
) -> PyResult<Bound<'py, PyAny>> {
    const NAME: &str = "gradient";
    let x = input.0;
    let mut dims = dims(NAME, dim.as_ref(), x.rank()).map_err(to_py)?;
    if let Some(given) = dim.filter(|given| !given.0.is_empty()) {
        // In the order given, which that of the results is.
        dims = given.0.iter().map(|&dim| normalize_dim(NAME, dim, x.rank())).collect::<Result<_>>().map_err(to_py)?;
    }
    let places: Vec<Places> = match spacing {
        None => vec![Places::Apart(1.0); dims.len()],
        Some(Spacing::All(step)) => vec![Places::Apart(step); dims.len()],
        Some(Spacing::Each(steps)) => steps.into_iter().map(Places::Apart).collect(),
        Some(Spacing::At(coordinates)) => coordinates.into_iter().map(|arg| Places::At(arg.0)).collect(),
    };
    if places.len() != dims.len() {
        let what = format_args!("spacing of {} dimensions, and {} to differentiate along", places.len(), dims.len());
        return Err(to_py(Error::value(NAME, what)));
    }
    let one = |(&dim, places): (&usize, &Places)| samples::gradient(&x, places, dim.cast_signed(), edge_order);
    enter(py, x.numel(), || dims.iter().zip(&places).map(one).collect::<Result<Vec<_>>>())?.returned(py)
}

/// The powers of each element of a vector: from the highest, ``N - 1``, or ``increasing`` from 0.
///
/// >>> dlcore.vander(dlcore.tensor([2, 3]), 3)
/// tensor([[4, 2, 1],
///         [9, 3, 1]])
#[pyfunction]
#[pyo3(signature = (x, N = None, increasing = false))]
#[allow(non_snake_case, reason = "the name that numpy and PyTorch give it")]
fn vander(py: Python<'_>, x: Arg, N: Option<usize>, increasing: bool) -> PyResult<PyTensor> {
    let n = N.unwrap_or(x.0.numel());
    enter(py, x.0.numel(), || samples::vander(&x.0, n, increasing)).map(PyTensor::from)
}

/// The positions along each dimension of ``shape`` of row-major positions: a tuple. Raises IndexError for positions out of
/// range.
///
/// >>> dlcore.unravel_index(dlcore.tensor([1, 5]), (2, 3))
/// (tensor([0, 1]), tensor([1, 2]))
#[pyfunction]
fn unravel_index<'py>(py: Python<'py>, indices: Arg, shape: Ints) -> PyResult<Bound<'py, PyAny>> {
    let shape = shape.sizes("unravel_index")?;
    enter(py, indices.0.numel(), || samples::unravel_index(&indices.0, &shape))?.returned(py)
}

/// All ways to take ``r`` elements of a vector in order, one a row; ``with_replacement`` also with repeats.
///
/// >>> dlcore.combinations(dlcore.tensor([1, 2, 3])).tolist()
/// [[1, 2], [1, 3], [2, 3]]
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, r = 2, with_replacement = false))]
fn combinations(py: Python<'_>, input: Arg, r: isize, with_replacement: bool) -> PyResult<PyTensor> {
    let r = usize::try_from(r)
        .map_err(|_| to_py(Error::value("combinations", format_args!("r must not be negative, got {r}"))))?;
    enter(py, input.0.numel(), || samples::combinations(&input.0, r, with_replacement)).map(PyTensor::from)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(trapezoid trapz cumulative_trapezoid gradient vander unravel_index combinations);
    Ok(())
}
