//! What slides over sequences, images and volumes: convolution, its transpose, and pooling.

use crate::convert::{Arg, Ints};
use crate::enter::{enter, to_py};
use crate::tensor::PyTensor;
use dlcore_core::ops::convolution::{Steps, conv_transpose, convolution};
use dlcore_core::ops::pooling::{self, Windows};
use dlcore_core::{Dims, Error, Tensor};
use dlcore_kernels::pool::Divisor;
use pyo3::prelude::*;
use pyo3::types::{PySequence, PyString, PyTuple};

/// Convolutions do much per element: let others run from here on.
const WORK_PER_ELEMENT: usize = 16;

type Out = PyResult<PyTensor>;

/// One value for each dimension; `default` where nothing is given.
fn each(op: &str, name: &str, value: Option<&Ints>, dims: usize, default: usize) -> PyResult<Dims> {
    value.map_or_else(|| Ok(Dims::from_elem(default, dims)), |value| value.each(op, name, dims))
}

fn convolve(
    py: Python<'_>,
    op: &str,
    dims: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: Option<&Ints>,
    padding: Option<&Bound<'_, PyAny>>,
    dilation: Option<&Ints>,
    groups: usize,
) -> Out {
    let (stride, dilation) = (each(op, "stride", stride, dims, 1)?, each(op, "dilation", dilation, dims, 1)?);
    // Zeros behind: an even window needs one more to keep the size.
    let mut extra = Dims::from_elem(0, dims);
    let padding = match padding {
        Some(text) if text.is_instance_of::<PyString>() => {
            let text: String = text.extract()?;
            match text.as_str() {
                "valid" => extra.clone(),
                "same" if stride.iter().any(|&n| n != 1) => {
                    return Err(to_py(Error::value(op, "padding=\"same\" goes with stride 1 only")));
                }
                "same" => {
                    let kernel = weight.shape().iter().skip(2);
                    let all = dilation.iter().zip(kernel).map(|(&d, &k)| d.saturating_mul(k.saturating_sub(1)));
                    let mut all: Dims = all.collect();
                    all.resize(dims, 0);
                    extra = all.iter().map(|n| n % 2).collect();
                    all.iter().map(|n| n / 2).collect()
                }
                _ => {
                    return Err(to_py(Error::value(
                        op,
                        format_args!("padding is ints, \"valid\" or \"same\", not {text:?}"),
                    )));
                }
            }
        }
        Some(ints) => ints.extract::<Ints>()?.each(op, "padding", dims)?,
        None => extra.clone(),
    };
    let steps = Steps { stride, padding, dilation, groups };
    let work = x.numel().saturating_mul(WORK_PER_ELEMENT);
    enter(py, work, || convolution(op, x, weight, bias, &steps, &extra)).map(PyTensor::from)
}

macro_rules! convolutions {
    ($($(#[$doc:meta])* $name:ident $dims:literal, $(#[$transposed_doc:meta])* $transposed:ident;)*) => { $(
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (input, weight, bias = None, stride = None, padding = None, dilation = None, groups = 1))]
        fn $name(
            py: Python<'_>,
            input: Arg,
            weight: Arg,
            bias: Option<Arg>,
            stride: Option<Ints>,
            padding: Option<&Bound<'_, PyAny>>,
            dilation: Option<Ints>,
            groups: usize,
        ) -> Out {
            let bias = bias.as_ref().map(|bias| &bias.0);
            let (name, stride, dilation) = (stringify!($name), stride.as_ref(), dilation.as_ref());
            convolve(py, name, $dims, &input.0, &weight.0, bias, stride, padding, dilation, groups)
        }

        $(#[$transposed_doc])*
        #[pyfunction]
        #[pyo3(signature = (
            input, weight, bias = None, stride = None, padding = None, output_padding = None, groups = 1, dilation = None,
        ))]
        fn $transposed(
            py: Python<'_>,
            input: Arg,
            weight: Arg,
            bias: Option<Arg>,
            stride: Option<Ints>,
            padding: Option<Ints>,
            output_padding: Option<Ints>,
            groups: usize,
            dilation: Option<Ints>,
        ) -> Out {
            let op = stringify!($transposed);
            let steps = Steps {
                stride: each(op, "stride", stride.as_ref(), $dims, 1)?,
                padding: each(op, "padding", padding.as_ref(), $dims, 0)?,
                dilation: each(op, "dilation", dilation.as_ref(), $dims, 1)?,
                groups,
            };
            let more = each(op, "output_padding", output_padding.as_ref(), $dims, 0)?;
            let bias = bias.as_ref().map(|bias| &bias.0);
            let work = input.0.numel().saturating_mul(WORK_PER_ELEMENT);
            enter(py, work, || conv_transpose(op, &input.0, &weight.0, bias, &steps, &more)).map(PyTensor::from)
        }
    )*
        fn register_convolutions(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(
                module.add_function(wrap_pyfunction!($name, module)?)?;
                module.add_function(wrap_pyfunction!($transposed, module)?)?;
            )*
            Ok(())
        }
    };
}

convolutions! {
    /// 1-d convolution: input (N, C, L) or (C, L), weight (O, C / groups, k), bias (O); arguments as for ``conv2d``.
    ///
    /// >>> dlcore.nn.functional.conv1d(dlcore.arange(4.0).reshape(1, 1, 4), dlcore.ones(1, 1, 2))
    /// tensor([[[1., 3., 5.]]])
    conv1d 1,
    /// Transposed 1-d convolution: input (N, C, L) or (C, L), weight (C, O / groups, k), bias (O); arguments as for
    /// ``conv_transpose2d``.
    ///
    /// >>> dlcore.nn.functional.conv_transpose1d(dlcore.ones(1, 1, 2), dlcore.ones(1, 1, 2), stride=2)
    /// tensor([[[1., 1., 1., 1.]]])
    conv_transpose1d;
    /// 2-d convolution: input (N, C, H, W) or (C, H, W), weight (O, C / groups, kh, kw), bias (O).
    ///
    /// ``padding`` is a number, a pair, ``"valid"`` or ``"same"`` (stride 1). Raises ShapeError where channels or sizes do
    /// not fit.
    ///
    /// >>> dlcore.nn.functional.conv2d(dlcore.ones(1, 1, 3, 3), dlcore.ones(1, 1, 2, 2)).tolist()
    /// [[[[4.0, 4.0], [4.0, 4.0]]]]
    conv2d 2,
    /// Transposed 2-d convolution, the gradient of a convolution by its input: input (N, C, H, W) or (C, H, W), weight
    /// (C, O / groups, kh, kw), bias (O).
    ///
    /// Sizes become ``(n - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1``. Raises ShapeError where
    /// channels or sizes do not fit, and ValueError for an ``output_padding`` that neither stride nor dilation exceed.
    ///
    /// >>> x, weight = dlcore.ones(1, 1, 2, 2), dlcore.ones(1, 1, 2, 2)
    /// >>> dlcore.nn.functional.conv_transpose2d(x, weight).tolist()
    /// [[[[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]]]
    conv_transpose2d;
    /// 3-d convolution: input (N, C, D, H, W) or (C, D, H, W), weight (O, C / groups, kd, kh, kw), bias (O); arguments as
    /// for ``conv2d``. Holds the input once for each slice of the kernel.
    ///
    /// >>> dlcore.nn.functional.conv3d(dlcore.ones(1, 1, 2, 2, 2), dlcore.ones(1, 1, 2, 2, 2)).item()
    /// 8.0
    conv3d 3,
    /// Transposed 3-d convolution: input (N, C, D, H, W) or (C, D, H, W), weight (C, O / groups, kd, kh, kw), bias (O);
    /// arguments as for ``conv_transpose2d``.
    ///
    /// >>> dlcore.nn.functional.conv_transpose3d(dlcore.ones(1, 1, 1, 1, 1), dlcore.ones(1, 1, 2, 2, 2)).sum().item()
    /// 8.0
    conv_transpose3d;
}

/// The windows of a pooling function.
fn windows(
    op: &str,
    dims: usize,
    kernel_size: &Ints,
    stride: Option<&Ints>,
    padding: Option<&Ints>,
    dilation: Option<&Ints>,
    ceil_mode: bool,
) -> PyResult<Windows> {
    let kernel = kernel_size.each(op, "kernel_size", dims)?;
    let stride = match stride {
        Some(stride) if !stride.0.is_empty() => stride.each(op, "stride", dims)?,
        _ => kernel.clone(),
    };
    let padding = each(op, "padding", padding, dims, 0)?;
    Ok(Windows { stride, kernel, padding, dilation: each(op, "dilation", dilation, dims, 1)?, ceil_mode })
}

/// Values, and where they were.
fn with_places(py: Python<'_>, (values, places): (Tensor, Tensor)) -> PyResult<Bound<'_, PyAny>> {
    Ok(PyTuple::new(py, [values, places].map(PyTensor::from))?.into_any())
}

/// The extents that an adaptive pool is asked for: one or several, each perhaps `None`.
fn targets(op: &str, size: &Bound<'_, PyAny>, dims: usize) -> PyResult<Vec<Option<usize>>> {
    let expected = || {
        let many = ["one size", "one or two sizes", "one or three sizes"][dims - 1];
        to_py(Error::value(op, format_args!("output_size takes {many}, each an int or None")))
    };
    if let Ok(one) = size.extract::<Option<usize>>() {
        return Ok(vec![one; dims]);
    }
    let sequence = size.cast::<PySequence>().map_err(|_| expected())?;
    let sizes =
        sequence.try_iter()?.map(|item| item?.extract().map_err(|_| expected())).collect::<PyResult<Vec<_>>>()?;
    match sizes[..] {
        [one] => Ok(vec![one; dims]),
        _ if sizes.len() == dims => Ok(sizes),
        _ => Err(expected()),
    }
}

fn divisor(op: &str, count_include_pad: bool, divisor_override: Option<i64>) -> PyResult<Divisor> {
    match divisor_override {
        Some(0) => Err(to_py(Error::value(op, "divisor_override must not be zero"))),
        Some(divisor) => Ok(Divisor::Fixed(divisor)),
        None if count_include_pad => Ok(Divisor::WithPadding),
        None => Ok(Divisor::WithoutPadding),
    }
}

/// The mean of each window of the last dimension. ``stride`` is the window's size where it is missing.
///
/// >>> dlcore.nn.functional.avg_pool1d(dlcore.arange(4.0).reshape(1, 1, 4), 2)
/// tensor([[[0.5000, 2.5000]]])
#[pyfunction]
#[pyo3(signature = (input, kernel_size, stride = None, padding = None, ceil_mode = false, count_include_pad = true))]
fn avg_pool1d(
    py: Python<'_>,
    input: Arg,
    kernel_size: Ints,
    stride: Option<Ints>,
    padding: Option<Ints>,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Out {
    let op = "avg_pool1d";
    let windows = windows(op, 1, &kernel_size, stride.as_ref(), padding.as_ref(), None, ceil_mode)?;
    let divisor = divisor(op, count_include_pad, None)?;
    enter(py, input.0.numel(), || pooling::avg_pool(op, &input.0, &windows, divisor)).map(PyTensor::from)
}

macro_rules! averages {
    ($($(#[$doc:meta])* $name:ident $dims:literal;)*) => { $(
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (input, kernel_size, stride = None, padding = None, ceil_mode = false, count_include_pad = true, divisor_override = None))]
        fn $name(
            py: Python<'_>,
            input: Arg,
            kernel_size: Ints,
            stride: Option<Ints>,
            padding: Option<Ints>,
            ceil_mode: bool,
            count_include_pad: bool,
            divisor_override: Option<i64>,
        ) -> Out {
            let op = stringify!($name);
            let windows = windows(op, $dims, &kernel_size, stride.as_ref(), padding.as_ref(), None, ceil_mode)?;
            let divisor = divisor(op, count_include_pad, divisor_override)?;
            enter(py, input.0.numel(), || pooling::avg_pool(op, &input.0, &windows, divisor)).map(PyTensor::from)
        }
    )* };
}

averages! {
    /// The mean of each window of the last two dimensions. ``stride`` is the window's size where it is missing.
    ///
    /// >>> dlcore.nn.functional.avg_pool2d(dlcore.arange(16.0).reshape(1, 1, 4, 4), 2).tolist()
    /// [[[[2.5, 4.5], [10.5, 12.5]]]]
    avg_pool2d 2;
    /// The mean of each window of the last three dimensions. ``stride`` is the window's size where it is missing.
    ///
    /// >>> dlcore.nn.functional.avg_pool3d(dlcore.arange(8.0).reshape(1, 2, 2, 2), 2).item()
    /// 3.5
    avg_pool3d 3;
}

macro_rules! pools {
    ($($dims:literal:
        $(#[$max:meta])* $max_pool:ident,
        $(#[$adaptive_avg:meta])* $adaptive_avg_pool:ident,
        $(#[$adaptive_max:meta])* $adaptive_max_pool:ident,
        $(#[$unpool:meta])* $max_unpool:ident,
        $(#[$lp:meta])* $lp_pool:ident;)*
    ) => {
        $(
            $(#[$max])*
            #[pyfunction]
            #[pyo3(signature = (input, kernel_size, stride = None, padding = None, dilation = None, ceil_mode = false, return_indices = false))]
            fn $max_pool<'py>(
                py: Python<'py>,
                input: Arg,
                kernel_size: Ints,
                stride: Option<Ints>,
                padding: Option<Ints>,
                dilation: Option<Ints>,
                ceil_mode: bool,
                return_indices: bool,
            ) -> PyResult<Bound<'py, PyAny>> {
                let op = stringify!($max_pool);
                let (stride, padding, dilation) = (stride.as_ref(), padding.as_ref(), dilation.as_ref());
                let windows = windows(op, $dims, &kernel_size, stride, padding, dilation, ceil_mode)?;
                if !return_indices {
                    let values = enter(py, input.0.numel(), || pooling::max_pool_values(op, &input.0, &windows))?;
                    return Ok(Bound::new(py, PyTensor::from(values))?.into_any());
                }
                let both = enter(py, input.0.numel(), || pooling::max_pool(op, &input.0, &windows))?;
                with_places(py, both)
            }

            $(#[$adaptive_avg])*
            #[pyfunction]
            fn $adaptive_avg_pool(py: Python<'_>, input: Arg, output_size: &Bound<'_, PyAny>) -> Out {
                let op = stringify!($adaptive_avg_pool);
                let sizes = targets(op, output_size, $dims)?;
                enter(py, input.0.numel(), || pooling::adaptive_avg_pool(op, &input.0, &sizes)).map(PyTensor::from)
            }

            $(#[$adaptive_max])*
            #[pyfunction]
            #[pyo3(signature = (input, output_size, return_indices = false))]
            fn $adaptive_max_pool<'py>(
                py: Python<'py>,
                input: Arg,
                output_size: &Bound<'_, PyAny>,
                return_indices: bool,
            ) -> PyResult<Bound<'py, PyAny>> {
                let op = stringify!($adaptive_max_pool);
                let sizes = targets(op, output_size, $dims)?;
                if !return_indices {
                    let values = || pooling::adaptive_max_pool_values(op, &input.0, &sizes);
                    return Ok(Bound::new(py, PyTensor::from(enter(py, input.0.numel(), values)?))?.into_any());
                }
                let both = enter(py, input.0.numel(), || pooling::adaptive_max_pool(op, &input.0, &sizes))?;
                with_places(py, both)
            }

            $(#[$unpool])*
            #[pyfunction]
            #[pyo3(signature = (input, indices, kernel_size, stride = None, padding = None, output_size = None))]
            fn $max_unpool(
                py: Python<'_>,
                input: Arg,
                indices: Arg,
                kernel_size: Ints,
                stride: Option<Ints>,
                padding: Option<Ints>,
                output_size: Option<Ints>,
            ) -> Out {
                let op = stringify!($max_unpool);
                let windows = windows(op, $dims, &kernel_size, stride.as_ref(), padding.as_ref(), None, false)?;
                let found = &input.0.shape()[input.0.rank().saturating_sub($dims)..];
                let size = match output_size {
                    Some(size) => {
                        let size = size.sizes(op)?;
                        Dims::from_slice(&size[size.len().saturating_sub($dims)..])
                    }
                    None => (0..found.len()).map(|d| {
                        let reach = found[d].saturating_sub(1).saturating_mul(windows.stride[d]);
                        reach.saturating_add(windows.kernel[d]).saturating_sub(2 * windows.padding[d])
                    }).collect(),
                };
                if size.len() != $dims {
                    let many = format_args!("expected an output_size of {} extents, got {}", $dims, size.len());
                    return Err(to_py(Error::shape(op, many)));
                }
                enter(py, input.0.numel(), || pooling::max_unpool(op, &input.0, &indices.0, &size)).map(PyTensor::from)
            }

            $(#[$lp])*
            #[pyfunction]
            #[pyo3(signature = (input, norm_type, kernel_size, stride = None, ceil_mode = false))]
            fn $lp_pool(
                py: Python<'_>,
                input: Arg,
                norm_type: f64,
                kernel_size: Ints,
                stride: Option<Ints>,
                ceil_mode: bool,
            ) -> Out {
                let op = stringify!($lp_pool);
                let windows = windows(op, $dims, &kernel_size, stride.as_ref(), None, None, ceil_mode)?;
                enter(py, input.0.numel(), || pooling::lp_pool(op, &input.0, norm_type, &windows)).map(PyTensor::from)
            }
        )*

        /// Registers the functions of this file.
        pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(
                module.add_function(wrap_pyfunction!($max_pool, module)?)?;
                module.add_function(wrap_pyfunction!($adaptive_avg_pool, module)?)?;
                module.add_function(wrap_pyfunction!($adaptive_max_pool, module)?)?;
                module.add_function(wrap_pyfunction!($max_unpool, module)?)?;
                module.add_function(wrap_pyfunction!($lp_pool, module)?)?;
            )*
            module.add_function(wrap_pyfunction!(avg_pool1d, module)?)?;
            module.add_function(wrap_pyfunction!(avg_pool2d, module)?)?;
            module.add_function(wrap_pyfunction!(avg_pool3d, module)?)?;
            register_convolutions(module)
        }
    };
}

pools! {
    1:
    /// The largest element of each window of the last dimension; with ``return_indices`` also where it was. NaN wins.
    /// ``stride`` is the window's size where it is missing.
    ///
    /// >>> dlcore.nn.functional.max_pool1d(dlcore.arange(4.0).reshape(1, 1, 4), 2)
    /// tensor([[[1., 3.]]])
    max_pool1d,
    /// Means over ``output_size`` windows of the last dimension, as equal as can be.
    ///
    /// >>> dlcore.nn.functional.adaptive_avg_pool1d(dlcore.arange(3.0).reshape(1, 1, 3), 2)
    /// tensor([[[0.5000, 1.5000]]])
    adaptive_avg_pool1d,
    /// Largest elements of ``output_size`` windows of the last dimension, as equal as can be; with ``return_indices`` also
    /// where they were.
    ///
    /// >>> dlcore.nn.functional.adaptive_max_pool1d(dlcore.arange(3.0).reshape(1, 1, 3), 2)
    /// tensor([[[1., 2.]]])
    adaptive_max_pool1d,
    /// Zeros with what ``max_pool1d`` found put back where it was.
    ///
    /// >>> y, places = dlcore.nn.functional.max_pool1d(dlcore.arange(4.0).reshape(1, 1, 4), 2, return_indices=True)
    /// >>> dlcore.nn.functional.max_unpool1d(y, places, 2)
    /// tensor([[[0., 1., 0., 3.]]])
    max_unpool1d,
    /// The root of the sum of powers ``norm_type`` of each window of the last dimension.
    ///
    /// >>> dlcore.nn.functional.lp_pool1d(dlcore.tensor([[3.0, 4.0]]), 2, 2)
    /// tensor([[5.]])
    lp_pool1d;
    2:
    /// The largest element of each window of the last two dimensions; with ``return_indices`` also where it was, counted
    /// in the flattened plane. NaN wins. ``stride`` is the window's size where it is missing.
    ///
    /// >>> dlcore.nn.functional.max_pool2d(dlcore.arange(16.0).reshape(1, 1, 4, 4), 2).tolist()
    /// [[[[5.0, 7.0], [13.0, 15.0]]]]
    max_pool2d,
    /// Means over windows of the last two dimensions, as equal as can be, for ``output_size`` results: a number, or a pair
    /// of which None keeps the extent.
    ///
    /// >>> dlcore.nn.functional.adaptive_avg_pool2d(dlcore.arange(4.0).reshape(1, 2, 2), 1).item()
    /// 1.5
    adaptive_avg_pool2d,
    /// Largest elements of windows of the last two dimensions, as equal as can be, for ``output_size`` results; with
    /// ``return_indices`` also where they were, counted in the flattened plane.
    ///
    /// >>> dlcore.nn.functional.adaptive_max_pool2d(dlcore.arange(4.0).reshape(1, 2, 2), 1).item()
    /// 3.0
    adaptive_max_pool2d,
    /// Zeros with what ``max_pool2d`` found put back where it was.
    ///
    /// >>> y, places = dlcore.nn.functional.max_pool2d(dlcore.arange(4.0).reshape(1, 2, 2), 2, return_indices=True)
    /// >>> dlcore.nn.functional.max_unpool2d(y, places, 2).tolist()
    /// [[[0.0, 0.0], [0.0, 3.0]]]
    max_unpool2d,
    /// The root of the sum of powers ``norm_type`` of each window of the last two dimensions.
    ///
    /// >>> dlcore.nn.functional.lp_pool2d(dlcore.tensor([[[3.0, 4.0]]]), 2, (1, 2)).item()
    /// 5.0
    lp_pool2d;
    3:
    /// The largest element of each window of the last three dimensions; with ``return_indices`` also where it was, counted
    /// in the flattened volume. NaN wins. ``stride`` is the window's size where it is missing.
    ///
    /// >>> dlcore.nn.functional.max_pool3d(dlcore.arange(8.0).reshape(1, 2, 2, 2), 2).item()
    /// 7.0
    max_pool3d,
    /// Means over windows of the last three dimensions, as equal as can be, for ``output_size`` results.
    ///
    /// >>> dlcore.nn.functional.adaptive_avg_pool3d(dlcore.arange(8.0).reshape(1, 2, 2, 2), 1).item()
    /// 3.5
    adaptive_avg_pool3d,
    /// Largest elements of windows of the last three dimensions, as equal as can be, for ``output_size`` results; with
    /// ``return_indices`` also where they were, counted in the flattened volume.
    ///
    /// >>> dlcore.nn.functional.adaptive_max_pool3d(dlcore.arange(8.0).reshape(1, 2, 2, 2), 1).item()
    /// 7.0
    adaptive_max_pool3d,
    /// Zeros with what ``max_pool3d`` found put back where it was.
    ///
    /// >>> y, places = dlcore.nn.functional.max_pool3d(dlcore.arange(8.0).reshape(1, 2, 2, 2), 2, return_indices=True)
    /// >>> dlcore.nn.functional.max_unpool3d(y, places, 2).flatten()
    /// tensor([0., 0., 0., 0., 0., 0., 0., 7.])
    max_unpool3d,
    /// The root of the sum of powers ``norm_type`` of each window of the last three dimensions.
    ///
    /// >>> dlcore.nn.functional.lp_pool3d(dlcore.tensor([[[[3.0, 4.0]]]]), 2, (1, 1, 2)).item()
    /// 5.0
    lp_pool3d;
}
