//! What networks are made of: products with weights, attention, activations, normalisation, losses.

use crate::convert::{Arg, Ints};
use crate::enter::{enter, to_py};
use crate::out;
use crate::tensor::PyTensor;
use dlcore_core::layout::{Show, normalize_dim};
use dlcore_core::ops::loss::Reduction;
use dlcore_core::ops::pad::Border;
use dlcore_core::ops::{self, AttentionOptions, Bags, BatchNormOptions};
use dlcore_core::{Error, Result, Tensor};
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use std::ffi::CString;

type Out = PyResult<PyTensor>;

/// Products and convolutions do much per element: let others run from here on.
const WORK_PER_ELEMENT: usize = 16;

fn run(py: Python<'_>, elements: usize, body: impl FnOnce() -> Result<Tensor> + Send) -> Out {
    enter(py, elements, body).map(PyTensor::from)
}

fn option(arg: Option<&Arg>) -> Option<&Tensor> {
    arg.map(|arg| &arg.0)
}

fn reduction(op: &str, name: &str) -> PyResult<Reduction> {
    Reduction::parse(op, name).map_err(to_py)
}

/// ``input @ weight.T + bias``: (..., in) with a weight (out, in) and a bias (out) to (..., out).
///
/// Raises ShapeError where the features do not match.
///
/// >>> dlcore.nn.functional.linear(dlcore.ones(1, 2), dlcore.tensor([[3.0, 4.0]]), dlcore.tensor([1.0]))
/// tensor([[8.]])
#[pyfunction]
#[pyo3(signature = (input, weight, bias = None))]
fn linear(py: Python<'_>, input: Arg, weight: Arg, bias: Option<Arg>) -> Out {
    let work = (input.0.numel() + weight.0.numel()).saturating_mul(WORK_PER_ELEMENT) / 8;
    run(py, work, || ops::linear(&input.0, &weight.0, option(bias.as_ref())))
}

/// Attention of queries to keys (Vaswani et al. 2017): ``softmax(scale * query @ key.T + mask) @ value``.
///
/// Args:
///     query: (..., L, E).
///     key: (..., S, E).
///     value: (..., S, V). Leading dimensions broadcast.
///     attn_mask: broadcasts to (..., L, S); bool, False where a query must not see a key, or numbers added to the scores.
///     dropout_p: probability with which a weight is dropped. It is dropped whenever this is above 0: pass 0 to infer.
///     is_causal: query i sees keys 0 to i only.
///     scale: ``1 / sqrt(E)`` by default.
///     enable_gqa: neighbouring heads (dimension -3) of queries may share one of keys and values.
///
/// Returns (..., L, V). A query that sees no key gets zeros. Memory grows with L and S, not with their product, unless
/// there is dropout or the mask has a gradient. Raises ShapeError for shapes that do not fit and DTypeError for dtypes
/// that differ.
///
/// >>> x = dlcore.tensor([[[1.0, 0.0], [0.0, 1.0]]])
/// >>> dlcore.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
/// tensor([[[1.0000, 0.0000],
///          [0.3302, 0.6698]]])
#[pyfunction]
#[pyo3(
    signature = (query, key, value, attn_mask = None, dropout_p = 0.0, is_causal = false, scale = None, enable_gqa = false),
    text_signature = "(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False)",
)]
fn scaled_dot_product_attention(
    py: Python<'_>,
    query: Arg,
    key: Arg,
    value: Arg,
    attn_mask: Option<Arg>,
    dropout_p: f64,
    is_causal: bool,
    scale: Option<f64>,
    enable_gqa: bool,
) -> Out {
    let options = AttentionOptions { dropout: dropout_p, causal: is_causal, scale, shared_heads: enable_gqa };
    let work = (query.0.numel() + key.0.numel()).saturating_mul(WORK_PER_ELEMENT);
    run(py, work, || ops::scaled_dot_product_attention(&query.0, &key.0, &value.0, option(attn_mask.as_ref()), options))
}

/// Gaussian error linear unit (Hendrycks & Gimpel 2016): ``x * P(X <= x)`` for a standard normal X, or with
/// ``approximate="tanh"`` its approximation.
///
/// >>> dlcore.nn.functional.gelu(dlcore.tensor([0.0, 1.0]))
/// tensor([0.0000, 0.8413])
#[pyfunction]
#[pyo3(signature = (input, approximate = "none"))]
fn gelu(py: Python<'_>, input: Arg, approximate: &str) -> Out {
    let tanh_form = match approximate {
        "none" => false,
        "tanh" => true,
        other => {
            return Err(to_py(Error::value(
                "gelu",
                format_args!("approximate is \"none\" or \"tanh\", not {other:?}"),
            )));
        }
    };
    run(py, input.0.numel(), || ops::gelu(&input.0, tanh_form))
}

macro_rules! along {
    ($($(#[$doc:meta])* $name:ident, $method_doc:literal => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, dim, dtype = None, *, out = None))]
            fn $name<'py>(
                py: Python<'py>,
                input: Arg,
                dim: isize,
                dtype: Option<crate::convert::DTypeArg>,
                out: out::Out<'py>,
            ) -> PyResult<Bound<'py, PyTensor>> {
                out::into(py, stringify!($name), input.0.numel(), out, || match dtype {
                    Some(dtype) => $op(&ops::cast(&input.0, dtype.0)?, dim),
                    None => $op(&input.0, dim),
                })
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = $method_doc]
                #[pyo3(signature = (dim, dtype = None))]
                fn $name<'py>(
                    &self,
                    py: Python<'py>,
                    dim: isize,
                    dtype: Option<crate::convert::DTypeArg>,
                ) -> PyResult<Bound<'py, Self>> {
                    $name(py, Arg(self.get()), dim, dtype, None)
                }
            )*
        }
    };
}

along! {
    /// ``exp(x) / sum(exp(x))`` along ``dim``, without overflow.
    ///
    /// >>> dlcore.softmax(dlcore.tensor([0.0, 0.0]), dim=0)
    /// tensor([0.5000, 0.5000])
    softmax, "See ``dlcore.softmax``." => ops::softmax;
    /// The logarithm of ``softmax`` along ``dim``, without overflow.
    ///
    /// >>> dlcore.log_softmax(dlcore.tensor([0.0, 0.0]), dim=0)
    /// tensor([-0.6931, -0.6931])
    log_softmax, "See ``dlcore.log_softmax``." => ops::log_softmax;
}

/// ``log(1 + exp(beta * x)) / beta`` of each element, and ``x`` itself where ``beta * x`` is above ``threshold``; from
/// 20 on the two differ by less than 3e-9, and a threshold changes nothing.
///
/// >>> dlcore.nn.functional.softplus(dlcore.tensor([0.0]))
/// tensor([0.6931])
#[pyfunction]
#[pyo3(signature = (input, beta = 1.0, threshold = 20.0))]
fn softplus(py: Python<'_>, input: Arg, beta: f64, threshold: f64) -> Out {
    run(py, input.0.numel(), || ops::scaled_softplus(&input.0, beta, threshold))
}

/// ``log(sigmoid(x))`` of each element, without overflow.
///
/// >>> dlcore.nn.functional.logsigmoid(dlcore.tensor([0.0]))
/// tensor([-0.6931])
#[pyfunction]
fn logsigmoid(py: Python<'_>, input: Arg) -> Out {
    run(py, input.0.numel(), || ops::logsigmoid(&input.0))
}

/// Zeroes each element with probability ``p`` and scales the others by ``1 / (1 - p)``; the input itself when not
/// ``training`` (Srivastava et al. 2014).
///
/// >>> dlcore.nn.functional.dropout(dlcore.ones(2), training=False)
/// tensor([1., 1.])
#[pyfunction]
#[pyo3(signature = (input, p = 0.5, training = true))]
fn dropout(py: Python<'_>, input: Arg, p: f64, training: bool) -> Out {
    run(py, input.0.numel(), || ops::dropout(&input.0, p, training))
}

/// Each row over the trailing dimensions ``normalized_shape`` to mean 0 and variance 1, then times ``weight`` plus
/// ``bias`` (Ba et al. 2016).
///
/// >>> dlcore.nn.functional.layer_norm(dlcore.tensor([[1.0, 3.0]]), (2,))
/// tensor([[-1.0000,  1.0000]])
#[pyfunction]
#[pyo3(signature = (input, normalized_shape, weight = None, bias = None, eps = 1e-5))]
fn layer_norm(
    py: Python<'_>,
    input: Arg,
    normalized_shape: Ints,
    weight: Option<Arg>,
    bias: Option<Arg>,
    eps: f64,
) -> Out {
    let shape = normalized_shape.sizes("layer_norm")?;
    run(py, input.0.numel(), || ops::layer_norm(&input.0, &shape, option(weight.as_ref()), option(bias.as_ref()), eps))
}

/// Each row over the trailing dimensions ``normalized_shape`` over the root of its mean square, then times ``weight``
/// (Zhang & Sennrich 2019). ``eps``, added to the mean square, is the dtype's precision by default.
///
/// Raises ShapeError for other trailing dimensions.
///
/// >>> dlcore.nn.functional.rms_norm(dlcore.tensor([3.0, 4.0]), (2,))
/// tensor([0.8485, 1.1314])
#[pyfunction]
#[pyo3(signature = (input, normalized_shape, weight = None, eps = None))]
fn rms_norm(py: Python<'_>, input: Arg, normalized_shape: Ints, weight: Option<Arg>, eps: Option<f64>) -> Out {
    let shape = normalized_shape.sizes("rms_norm")?;
    run(py, input.0.numel(), || ops::rms_norm(&input.0, &shape, option(weight.as_ref()), eps))
}

/// Channels in ``num_groups`` groups, each with its positions to mean 0 and variance 1, then times ``weight`` plus
/// ``bias`` per channel (Wu & He 2018). Input (N, C, ...).
///
/// >>> dlcore.nn.functional.group_norm(dlcore.tensor([[1.0, 3.0]]), 1)
/// tensor([[-1.0000,  1.0000]])
#[pyfunction]
#[pyo3(signature = (input, num_groups, weight = None, bias = None, eps = 1e-5))]
fn group_norm(py: Python<'_>, input: Arg, num_groups: usize, weight: Option<Arg>, bias: Option<Arg>, eps: f64) -> Out {
    run(py, input.0.numel(), || {
        ops::group_norm(&input.0, num_groups, option(weight.as_ref()), option(bias.as_ref()), eps)
    })
}

/// Each channel of (N, C, ...) to mean 0 and variance 1, then times ``weight`` plus ``bias`` (Ioffe & Szegedy 2015).
///
/// With ``training`` by the statistics of the batch, which also move ``running_mean`` and ``running_var`` by
/// ``momentum``, in place; otherwise by the running ones.
///
/// >>> dlcore.nn.functional.batch_norm(dlcore.tensor([[1.0], [3.0]]), None, None, training=True)
/// tensor([[-1.0000],
///         [ 1.0000]])
#[pyfunction]
#[pyo3(signature = (input, running_mean, running_var, weight = None, bias = None, training = false, momentum = 0.1, eps = 1e-5))]
fn batch_norm(
    py: Python<'_>,
    input: Arg,
    running_mean: Option<Arg>,
    running_var: Option<Arg>,
    weight: Option<Arg>,
    bias: Option<Arg>,
    training: bool,
    momentum: f64,
    eps: f64,
) -> Out {
    let running = match (&running_mean, &running_var) {
        (Some(mean), Some(var)) => Some((&mean.0, &var.0)),
        (None, None) => None,
        _ => return Err(to_py(Error::value("batch_norm", "running_mean and running_var come together or not at all"))),
    };
    let options = BatchNormOptions { training, momentum, eps };
    run(py, input.0.numel(), || {
        ops::batch_norm(&input.0, running, option(weight.as_ref()), option(bias.as_ref()), options)
    })
}

/// The rows of ``weight`` (V, D) that ``input`` (int64, any shape) names: shape (..., D). The row ``padding_idx``
/// receives no gradient. Raises IndexError for an index out of range.
///
/// >>> dlcore.nn.functional.embedding(dlcore.tensor([1]), dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]))
/// tensor([[3., 4.]])
#[pyfunction]
#[pyo3(signature = (input, weight, padding_idx = None))]
fn embedding(py: Python<'_>, input: Arg, weight: Arg, padding_idx: Option<isize>) -> Out {
    let padding_idx = match padding_idx {
        Some(at) if weight.0.rank() > 0 => {
            let rows = weight.0.shape()[0];
            Some(normalize_dim("embedding (padding_idx)", at, rows).map_err(to_py)?.cast_signed())
        }
        other => other,
    };
    run(py, input.0.numel().saturating_mul(WORK_PER_ELEMENT), || ops::embedding(&input.0, &weight.0, padding_idx))
}

/// Rows of ``weight`` (V, D), reduced bag by bag: (bags, D).
///
/// Args:
///     input: int64, (bags, size), or a row of indices with ``offsets``.
///     weight: (V, D).
///     offsets: where each bag begins in ``input``, from 0 on.
///     max_norm, norm_type, scale_grad_by_freq, sparse: not supported; only their defaults.
///     mode: ``"sum"``, ``"mean"`` or ``"max"``. An empty bag gives zeros.
///     per_sample_weights: what each row is multiplied by, in the shape of ``input``; with ``mode="sum"`` only.
///     include_last_offset: the last of ``offsets`` is where the last bag ends.
///     padding_idx: a row that does not count.
///
/// Raises IndexError for an index out of range and ValueError for offsets that fall.
///
/// >>> weight = dlcore.tensor([[1.0], [2.0], [4.0]])
/// >>> ids, offsets = dlcore.tensor([0, 2, 1]), dlcore.tensor([0, 2])
/// >>> dlcore.nn.functional.embedding_bag(ids, weight, offsets, mode="sum")
/// tensor([[5.],
///         [2.]])
#[pyfunction]
#[pyo3(
    signature = (input, weight, offsets = None, max_norm = None, norm_type = 2.0, scale_grad_by_freq = false, mode = "mean", sparse = false, per_sample_weights = None, include_last_offset = false, padding_idx = None),
    text_signature = "(input, weight, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode='mean', sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None)",
)]
fn embedding_bag(
    py: Python<'_>,
    input: Arg,
    weight: Arg,
    offsets: Option<Arg>,
    max_norm: Option<f64>,
    norm_type: f64,
    scale_grad_by_freq: bool,
    mode: &str,
    sparse: bool,
    per_sample_weights: Option<Arg>,
    include_last_offset: bool,
    padding_idx: Option<isize>,
) -> Out {
    let op = "embedding_bag";
    if max_norm.is_some() || scale_grad_by_freq || sparse {
        let what = format_args!("max_norm (norm_type={norm_type}), scale_grad_by_freq and sparse are not supported");
        return Err(to_py(Error::value(op, what)));
    }
    let mode = Bags::parse(mode).map_err(to_py)?;
    run(py, input.0.numel().saturating_mul(WORK_PER_ELEMENT), || {
        let (offsets, each) = (option(offsets.as_ref()), option(per_sample_weights.as_ref()));
        ops::embedding_bag(&input.0, &weight.0, offsets, mode, each, include_last_offset, padding_idx)
    })
}

/// ``input`` with borders: ``pad`` holds how many elements are added before and after the last dimension, then the one
/// before it, and so on; negative numbers take elements away. ``mode`` is "constant" (of ``value``, 0 by default),
/// "reflect", "replicate" or "circular".
///
/// Raises ValueError for borders that do not fit.
///
/// >>> dlcore.nn.functional.pad(dlcore.tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
/// tensor([3., 2., 1., 2., 3., 2.])
#[pyfunction]
#[pyo3(
    name = "pad",
    signature = (input, pad, mode = "constant", value = None),
    text_signature = "(input, pad, mode='constant', value=None)",
)]
fn pad_borders(py: Python<'_>, input: Arg, pad: Ints, mode: &str, value: Option<f64>) -> Out {
    run(py, input.0.numel(), || ops::pad(&input.0, &pad.0, Border::parse(mode, value)?))
}

/// A one where each index of ``tensor`` (int64) points, among ``num_classes`` (found from the data where -1).
///
/// >>> dlcore.nn.functional.one_hot(dlcore.tensor([0, 2]))
/// tensor([[1, 0, 0],
///         [0, 0, 1]])
#[pyfunction]
#[pyo3(signature = (tensor, num_classes = -1), text_signature = "(tensor, num_classes=-1)")]
fn one_hot(py: Python<'_>, tensor: Arg, num_classes: isize) -> Out {
    run(py, tensor.0.numel(), || ops::one_hot(&tensor.0, usize::try_from(num_classes).ok()))
}

/// Cross entropy between logits (N, C), (C) or (N, C, d1, ...) and targets: int64 class labels (N), (), (N, d1, ...),
/// or class probabilities in the shape of the input.
///
/// ``weight`` (C) weighs classes; rows labelled ``ignore_index`` do not count; ``label_smoothing`` spreads that share of
/// each label over all classes; ``reduction`` is "mean", "sum" or "none". Raises IndexError for a label out of range
/// and DTypeError for float labels.
///
/// >>> dlcore.nn.functional.cross_entropy(dlcore.zeros(1, 2), dlcore.tensor([1]))
/// tensor(0.6931)
#[pyfunction]
#[pyo3(
    signature = (input, target, weight = None, *, ignore_index = -100, reduction = "mean", label_smoothing = 0.0),
    text_signature = "(input, target, weight=None, *, ignore_index=-100, reduction='mean', label_smoothing=0.0)",
)]
fn cross_entropy(
    py: Python<'_>,
    input: Arg,
    target: Arg,
    weight: Option<Arg>,
    ignore_index: i64,
    reduction: &str,
    label_smoothing: f64,
) -> Out {
    let reduction = self::reduction("cross_entropy", reduction)?;
    run(py, input.0.numel(), || {
        ops::cross_entropy(&input.0, &target.0, option(weight.as_ref()), ignore_index, reduction, label_smoothing)
    })
}

/// Cross entropy of ``linear(input, weight, bias)`` and labels, without ever holding all logits: rows are taken some at a
/// time, and backward computes their logits again.
///
/// Args:
///     input: (N, D).
///     weight: (V, D).
///     target: int64 labels (N) from 0 to V - 1.
///     bias: (V).
///     ignore_index: rows with this label do not count.
///     reduction: ``"mean"`` or ``"sum"``.
///     label_smoothing: share of each label that is spread evenly over all classes.
///
/// Raises IndexError for a label out of range. Second derivatives do hold all logits.
///
/// >>> x, weight = dlcore.zeros(3, 4), dlcore.zeros(2, 4)
/// >>> dlcore.nn.functional.linear_cross_entropy(x, weight, dlcore.tensor([0, 1, 1]))
/// tensor(0.6931)
#[pyfunction]
#[pyo3(
    signature = (input, weight, target, bias = None, *, ignore_index = -100, reduction = "mean", label_smoothing = 0.0),
    text_signature = "(input, weight, target, bias=None, *, ignore_index=-100, reduction='mean', label_smoothing=0.0)",
)]
fn linear_cross_entropy(
    py: Python<'_>,
    input: Arg,
    weight: Arg,
    target: Arg,
    bias: Option<Arg>,
    ignore_index: i64,
    reduction: &str,
    label_smoothing: f64,
) -> Out {
    let reduction = self::reduction("linear_cross_entropy", reduction)?;
    run(py, weight.0.numel().saturating_mul(WORK_PER_ELEMENT), || {
        let bias = option(bias.as_ref());
        ops::linear_cross_entropy(&input.0, &weight.0, &target.0, bias, ignore_index, reduction, label_smoothing)
    })
}

/// Negative log-likelihood of int64 labels under log-probabilities (N, C), (C) or (N, C, d1, ...).
///
/// >>> dlcore.nn.functional.nll_loss(dlcore.tensor([[-0.5, -1.0]]), dlcore.tensor([1]))
/// tensor(1.)
#[pyfunction]
#[pyo3(
    signature = (input, target, weight = None, *, ignore_index = -100, reduction = "mean"),
    text_signature = "(input, target, weight=None, *, ignore_index=-100, reduction='mean')",
)]
fn nll_loss(py: Python<'_>, input: Arg, target: Arg, weight: Option<Arg>, ignore_index: i64, reduction: &str) -> Out {
    let reduction = self::reduction("nll_loss", reduction)?;
    run(py, input.0.numel(), || ops::nll_loss(&input.0, &target.0, option(weight.as_ref()), ignore_index, reduction))
}

/// Warns where a loss compares tensors of two shapes: a forgotten squeeze, usually, and then every pair is compared.
fn warn_of_broadcast(py: Python<'_>, op: &str, input: &Tensor, target: &Tensor) -> PyResult<()> {
    if input.shape() == target.shape() {
        return Ok(());
    }
    let text = format!(
        "{op}: input {} and target {} differ in shape and are broadcast; reshape one of them",
        Show(input.shape()),
        Show(target.shape())
    );
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &CString::new(text)?, 1)
}

/// Mean squared error.
///
/// >>> dlcore.nn.functional.mse_loss(dlcore.tensor([1.0, 3.0]), dlcore.tensor([1.0, 1.0]))
/// tensor(2.)
#[pyfunction]
#[pyo3(signature = (input, target, *, reduction = "mean"))]
fn mse_loss(py: Python<'_>, input: Arg, target: Arg, reduction: &str) -> Out {
    let reduction = self::reduction("mse_loss", reduction)?;
    let loss = run(py, input.0.numel(), || ops::mse_loss(&input.0, &target.0, reduction))?;
    warn_of_broadcast(py, "mse_loss", &input.0, &target.0)?;
    Ok(loss)
}

/// Mean absolute error.
///
/// >>> dlcore.nn.functional.l1_loss(dlcore.tensor([1.0, 3.0]), dlcore.tensor([1.0, 1.0]))
/// tensor(1.)
#[pyfunction]
#[pyo3(signature = (input, target, *, reduction = "mean"))]
fn l1_loss(py: Python<'_>, input: Arg, target: Arg, reduction: &str) -> Out {
    let reduction = self::reduction("l1_loss", reduction)?;
    let loss = run(py, input.0.numel(), || ops::l1_loss(&input.0, &target.0, reduction))?;
    warn_of_broadcast(py, "l1_loss", &input.0, &target.0)?;
    Ok(loss)
}

/// Squared error below ``delta``, linear above (Huber 1964).
///
/// >>> dlcore.nn.functional.huber_loss(dlcore.tensor([0.0]), dlcore.tensor([3.0]))
/// tensor(2.5000)
#[pyfunction]
#[pyo3(signature = (input, target, *, reduction = "mean", delta = 1.0))]
fn huber_loss(py: Python<'_>, input: Arg, target: Arg, reduction: &str, delta: f64) -> Out {
    let reduction = self::reduction("huber_loss", reduction)?;
    let loss = run(py, input.0.numel(), || ops::huber_loss(&input.0, &target.0, delta, reduction))?;
    warn_of_broadcast(py, "huber_loss", &input.0, &target.0)?;
    Ok(loss)
}

/// Squared error over ``beta`` below ``beta``, linear above.
///
/// >>> dlcore.nn.functional.smooth_l1_loss(dlcore.tensor([0.0]), dlcore.tensor([3.0]))
/// tensor(2.5000)
#[pyfunction]
#[pyo3(signature = (input, target, *, reduction = "mean", beta = 1.0))]
fn smooth_l1_loss(py: Python<'_>, input: Arg, target: Arg, reduction: &str, beta: f64) -> Out {
    let reduction = self::reduction("smooth_l1_loss", reduction)?;
    let loss = run(py, input.0.numel(), || ops::smooth_l1_loss(&input.0, &target.0, beta, reduction))?;
    warn_of_broadcast(py, "smooth_l1_loss", &input.0, &target.0)?;
    Ok(loss)
}

/// Binary cross entropy between logits and targets from 0 to 1, without overflow; ``pos_weight`` weighs positives.
///
/// >>> dlcore.nn.functional.binary_cross_entropy_with_logits(dlcore.zeros(1), dlcore.ones(1))
/// tensor(0.6931)
#[pyfunction]
#[pyo3(signature = (input, target, weight = None, *, reduction = "mean", pos_weight = None))]
fn binary_cross_entropy_with_logits(
    py: Python<'_>,
    input: Arg,
    target: Arg,
    weight: Option<Arg>,
    reduction: &str,
    pos_weight: Option<Arg>,
) -> Out {
    let reduction = self::reduction("binary_cross_entropy_with_logits", reduction)?;
    run(py, input.0.numel(), || {
        ops::binary_cross_entropy_with_logits(
            &input.0,
            &target.0,
            option(weight.as_ref()),
            option(pos_weight.as_ref()),
            reduction,
        )
    })
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(linear scaled_dot_product_attention gelu softmax log_softmax softplus logsigmoid dropout layer_norm rms_norm group_norm
         embedding_bag linear_cross_entropy
         batch_norm embedding pad_borders one_hot cross_entropy nll_loss mse_loss l1_loss huber_loss smooth_l1_loss
         binary_cross_entropy_with_logits);
    Ok(())
}
