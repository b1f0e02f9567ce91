//! Losses that are made of other operations.

use crate::convert::{Arg, Operand};
use crate::enter::{enter, to_py};
use crate::tensor::PyTensor;
use dlcore_core::Tensor;
use dlcore_core::ops::loss::Reduction;
use dlcore_core::ops::{likelihood, margin as margins};
use pyo3::prelude::*;

fn option(arg: Option<&Arg>) -> Option<&Tensor> {
    arg.map(|arg| &arg.0)
}

/// Binds losses of tensors and options, to which `reduction` is added: the mean of the losses of single elements, their
/// sum, or themselves.
macro_rules! losses {
    ($($(#[$doc:meta])* $name:ident(
        $first:ident: Arg, $($arg:ident: $t:ty $(= $default:tt)?),* $(; $($key:ident: $k:ty = $value:tt),+)?
    ) => |$reduction:ident| $op:expr;)*) => {
        $(
            $(#[$doc])*
            ///
            /// ``reduction`` is "mean", "sum" or "none".
            #[pyfunction]
            #[pyo3(signature = ($first, $($arg $(= $default)?,)* *, $($($key = $value,)+)? reduction = "mean"))]
            fn $name(
                py: Python<'_>, $first: Arg, $($arg: $t,)* $($($key: $k,)+)? reduction: &str,
            ) -> PyResult<PyTensor> {
                let $reduction = Reduction::parse(stringify!($name), reduction).map_err(to_py)?;
                enter(py, $first.0.numel(), || $op).map(PyTensor::from)
            }
        )*

        fn register_losses(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

losses! {
    /// ``-(t * log(x) + (1 - t) * log(1 - x))`` for probabilities of a yes, predicted and true, the logarithms at least
    /// -100, times ``weight``. Raises ShapeError where the shapes differ, ValueError for what is no probability.
    ///
    /// >>> dlcore.nn.functional.binary_cross_entropy(dlcore.tensor([0.5]), dlcore.tensor([1.0]))
    /// tensor(0.6931)
    binary_cross_entropy(input: Arg, target: Arg, weight: Option<Arg> = None)
        => |reduction| likelihood::binary_cross_entropy(&input.0, &target.0, option(weight.as_ref()), reduction);
    /// Minus the log-likelihood of counts under Poisson distributions with the logarithms of their rates, or with
    /// ``log_input=False`` the rates (which ``eps`` keeps off zero). ``full`` adds Stirling's approximation of what does
    /// not depend on the input.
    ///
    /// >>> dlcore.nn.functional.poisson_nll_loss(dlcore.zeros(2), dlcore.tensor([1.0, 2.0]))
    /// tensor(1.)
    poisson_nll_loss(input: Arg, target: Arg, log_input: bool = true, full: bool = false; eps: f64 = 1e-8)
        => |reduction| likelihood::poisson_nll_loss(&input.0, &target.0, log_input, full, eps, reduction);
    /// Minus the log-likelihood of ``target`` under normal distributions with means ``input`` and variances ``var``, at
    /// least ``eps``; ``full`` adds ``log(2 pi) / 2`` (Nix & Weigend 1994). ``var`` has the shape of the input, or its last
    /// extent is 1 or missing, or is a number. Raises ShapeError for others, ValueError for negative variances.
    ///
    /// >>> dlcore.nn.functional.gaussian_nll_loss(dlcore.zeros(2), dlcore.tensor([1.0, 2.0]), dlcore.ones(2))
    /// tensor(1.2500)
    gaussian_nll_loss(input: Arg, target: Arg, var: Operand, full: bool = false, eps: f64 = 1e-6)
        => |reduction| likelihood::gaussian_nll_loss(&input.0, &target.0, &var.beside(&input.0)?, full, eps, reduction);
    /// The mean over classes of the binary cross entropies between logits (N, C) or (C) and truth values.
    ///
    /// >>> dlcore.nn.functional.multilabel_soft_margin_loss(dlcore.zeros(1, 2), dlcore.tensor([[0.0, 1.0]]))
    /// tensor(0.6931)
    multilabel_soft_margin_loss(input: Arg, target: Arg, weight: Option<Arg> = None)
        => |reduction| likelihood::multilabel_soft_margin_loss(&input.0, &target.0, option(weight.as_ref()), reduction);
    /// ``max(0, margin - target * (input1 - input2))``: the first shall be larger where the target is 1, the second where it
    /// is -1.
    ///
    /// >>> dlcore.nn.functional.margin_ranking_loss(dlcore.zeros(1), dlcore.tensor([2.0]), dlcore.tensor([1.0]))
    /// tensor(2.)
    margin_ranking_loss(input1: Arg, input2: Arg, target: Arg, margin: f64 = 0.0)
        => |reduction| margins::margin_ranking_loss(&input1.0, &input2.0, &target.0, margin, reduction);
    /// ``x`` where the target is 1, ``max(0, margin - x)`` where it is -1.
    ///
    /// >>> dlcore.nn.functional.hinge_embedding_loss(dlcore.tensor([0.25, 0.25]), dlcore.tensor([1, -1]))
    /// tensor(0.5000)
    hinge_embedding_loss(input: Arg, target: Arg, margin: f64 = 1.0)
        => |reduction| margins::hinge_embedding_loss(&input.0, &target.0, margin, reduction);
    /// ``log(1 + exp(-target * x))`` for targets 1 and -1.
    ///
    /// >>> dlcore.nn.functional.soft_margin_loss(dlcore.zeros(1), dlcore.tensor([1]))
    /// tensor(0.6931)
    soft_margin_loss(input: Arg, target: Arg) => |reduction| margins::soft_margin_loss(&input.0, &target.0, reduction);
    /// With the cosine of the angle between the inputs: 1 minus it where the target is 1, ``max(0, cosine - margin)`` where
    /// it is -1. Inputs (N, D) with targets (N), or (D) with a 0-d one; raises ShapeError for others.
    ///
    /// >>> x = dlcore.tensor([[1.0, 0.0]])
    /// >>> dlcore.nn.functional.cosine_embedding_loss(x, -x, dlcore.tensor([1]))
    /// tensor(2.)
    cosine_embedding_loss(input1: Arg, input2: Arg, target: Arg, margin: f64 = 0.0)
        => |reduction| margins::cosine_embedding_loss(&input1.0, &input2.0, &target.0, margin, reduction);
    /// ``max(0, margin + distance(anchor, positive) - distance(anchor, negative))`` by the ``p``-norm; with ``swap`` by the
    /// smaller one of the distances from ``negative`` (Balntas et al. 2016). Raises ShapeError for two numbers of
    /// dimensions, ValueError for a margin that is not positive.
    ///
    /// >>> near, far = dlcore.ones(1, 1), dlcore.full((1, 1), 3.0)
    /// >>> dlcore.nn.functional.triplet_margin_loss(dlcore.zeros(1, 1), near, far, margin=2.5)
    /// tensor(0.5000)
    triplet_margin_loss(
        anchor: Arg, positive: Arg, negative: Arg, margin: f64 = 1.0, p: f64 = 2.0, eps: f64 = 1e-6, swap: bool = false
    ) => |reduction| margins::triplet_margin_loss(
        &anchor.0, &positive.0, &negative.0, margin, p, eps, swap, reduction
    );
    /// The mean over classes of ``max(0, margin - x[label] + x[other]) ** p``, ``p`` 1 or 2, over the other classes, times the
    /// ``weight`` of the label. Scores (N, C) with labels (N), or (C) with a 0-d one.
    ///
    /// Raises ShapeError, DTypeError and IndexError for labels that do not fit, ValueError for other ``p``.
    ///
    /// >>> dlcore.nn.functional.multi_margin_loss(dlcore.tensor([[0.5, 1.0]]), dlcore.tensor([1]))
    /// tensor(0.2500)
    multi_margin_loss(input: Arg, target: Arg, p: i64 = 1, margin: f64 = 1.0, weight: Option<Arg> = None)
        => |reduction| margins::multi_margin_loss(
            &input.0, &target.0, p, margin, option(weight.as_ref()), reduction
        );
    /// The sum of ``max(0, 1 - (x[label] - x[other]))`` over all labels of a row, which end at the first -1, and all classes
    /// that are none, over the number of classes. Scores and int64 labels (N, C) or (C).
    ///
    /// >>> labels = dlcore.tensor([[1, -1, 0]])
    /// >>> dlcore.nn.functional.multilabel_margin_loss(dlcore.tensor([[0.5, 1.0, 0.0]]), labels)
    /// tensor(0.1667)
    multilabel_margin_loss(input: Arg, target: Arg)
        => |reduction| margins::multilabel_margin_loss(&input.0, &target.0, reduction);
}

/// ``target * (log(target) - input)``: the Kullback-Leibler divergence from log-probabilities ``input`` (1951); of
/// log-probabilities as targets with ``log_target``.
///
/// ``reduction`` is "mean", which divides by the number of elements, "batchmean", by that of rows, "sum" or "none".
///
/// >>> even = dlcore.tensor([[0.5, 0.5]])
/// >>> dlcore.nn.functional.kl_div(dlcore.log(even), dlcore.tensor([[1.0, 0.0]]), reduction="batchmean")
/// tensor(0.6931)
#[pyfunction]
#[pyo3(signature = (input, target, *, reduction = "mean", log_target = false))]
fn kl_div(py: Python<'_>, input: Arg, target: Arg, reduction: &str, log_target: bool) -> PyResult<PyTensor> {
    let by_batch = reduction == "batchmean";
    let reduction = Reduction::parse("kl_div", if by_batch { "sum" } else { reduction }).map_err(to_py)?;
    enter(py, input.0.numel(), || likelihood::kl_div(&input.0, &target.0, log_target, by_batch, reduction))
        .map(PyTensor::from)
}

/// The ``p``-norm of ``x1 - x2 + eps`` along the last dimension.
///
/// >>> dlcore.pairwise_distance(dlcore.tensor([[3.0, 4.0]]), dlcore.zeros(1, 2))
/// tensor([5.0000])
#[pyfunction]
#[pyo3(signature = (x1, x2, p = 2.0, eps = 1e-6, keepdim = false))]
fn pairwise_distance(py: Python<'_>, x1: Arg, x2: Arg, p: f64, eps: f64, keepdim: bool) -> PyResult<PyTensor> {
    enter(py, x1.0.numel(), || margins::pairwise_distance(&x1.0, &x2.0, p, eps, keepdim)).map(PyTensor::from)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_losses(module)?;
    module.add_function(wrap_pyfunction!(kl_div, module)?)?;
    module.add_function(wrap_pyfunction!(pairwise_distance, module)?)
}
