//! Methods that write what the method of the same name without `_` returns into the tensor itself.

use crate::convert::{Arg, DTypeArg, Ints, Number, Operand};
use crate::creation::shape;
use crate::enter::{enter, to_py};
use crate::tensor::PyTensor;
use dlcore_core::autograd::mode;
use dlcore_core::autograd::tensor::Tracking;
use dlcore_core::{Array, Error, Layout, Tensor};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// What a method returned, as a tensor.
trait Value {
    fn tensor(self) -> PyResult<Tensor>;
}

impl Value for PyTensor {
    fn tensor(self) -> PyResult<Tensor> {
        Ok(self.get())
    }
}

impl Value for Bound<'_, PyTensor> {
    fn tensor(self) -> PyResult<Tensor> {
        Ok(self.get().get())
    }
}

impl Value for Bound<'_, PyAny> {
    fn tensor(self) -> PyResult<Tensor> {
        Ok(self.extract::<Arg>()?.0)
    }
}

macro_rules! in_place {
    ($write:ident: $($name:ident($($arg:ident: $t:ty $(= $default:tt)?),* $(; $($key:ident: $k:ty = $value:tt),+)?) => $method:ident;)*) => {
        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = concat!("See ``dlcore.", stringify!($method), "``, in place.")]
                #[pyo3(signature = ($($arg $(= $default)?,)* $(*, $($key = $value),+)?))]
                fn $name<'py>(
                    slf: Bound<'py, Self>, py: Python<'py>, $($arg: $t,)* $($($key: $k),+)?
                ) -> PyResult<Bound<'py, Self>> {
                    let x = slf.get();
                    x.$write(stringify!($name), || x.$method(py, $($arg,)* $($($key),+)?)?.tensor())?;
                    Ok(slf)
                }
            )*
        }
    };
}

in_place! {
    transform:
    sgn_() => sgn;
    round_(; decimals: i32 = 0) => round;
    pow_(exponent: Operand) => pow;
    tril_(diagonal: i64 = 0) => tril;
    triu_(diagonal: i64 = 0) => triu;
    abs_() => abs;
    ceil_() => ceil;
    cos_() => cos;
    erf_() => erf;
    exp_() => exp;
    exp2_() => exp2;
    expm1_() => expm1;
    floor_() => floor;
    log_() => log;
    log1p_() => log1p;
    log2_() => log2;
    log10_() => log10;
    neg_() => neg;
    reciprocal_() => reciprocal;
    relu_() => relu;
    rsqrt_() => rsqrt;
    sigmoid_() => sigmoid;
    sign_() => sign;
    sin_() => sin;
    sqrt_() => sqrt;
    square_() => square;
    tanh_() => tanh;
    trunc_() => trunc;
    lerp_(end: Arg, weight: Operand) => lerp;
    addcmul_(tensor1: Arg, tensor2: Arg; value: f64 = 1.0) => addcmul;
    addcdiv_(tensor1: Arg, tensor2: Arg; value: f64 = 1.0) => addcdiv;
    frac_() => frac;
    nan_to_num_(nan: Option<f64> = None, posinf: Option<f64> = None, neginf: Option<f64> = None) => nan_to_num;
    clamp_min_(min: Operand) => clamp_min;
    clamp_max_(max: Operand) => clamp_max;
    clip_(min: Option<Operand> = None, max: Option<Operand> = None) => clip;
    absolute_() => absolute;
    acos_() => acos;
    acosh_() => acosh;
    arccos_() => arccos;
    arccosh_() => arccosh;
    arcsin_() => arcsin;
    arcsinh_() => arcsinh;
    arctan_() => arctan;
    arctanh_() => arctanh;
    asin_() => asin;
    asinh_() => asinh;
    atan_() => atan;
    atanh_() => atanh;
    cosh_() => cosh;
    digamma_() => digamma;
    erfc_() => erfc;
    erfinv_() => erfinv;
    fix_() => fix;
    lgamma_() => lgamma;
    negative_() => negative;
    sinh_() => sinh;
    tan_() => tan;
    i0_() => i0;
    floor_divide_(other: Operand) => floor_divide;
    remainder_(other: Operand) => remainder;
    bitwise_not_() => bitwise_not;
    heaviside_(values: Arg) => heaviside;
    deg2rad_() => deg2rad;
    rad2deg_() => rad2deg;
    arctan2_(other: Arg) => arctan2;
    atan2_(other: Arg) => atan2;
    bitwise_and_(other: Operand) => bitwise_and;
    bitwise_left_shift_(other: Operand) => bitwise_left_shift;
    bitwise_or_(other: Operand) => bitwise_or;
    bitwise_right_shift_(other: Operand) => bitwise_right_shift;
    bitwise_xor_(other: Operand) => bitwise_xor;
    copysign_(other: Operand) => copysign;
    divide_(other: Operand; rounding_mode: Option<&str> = None) => divide;
    float_power_(exponent: Operand) => float_power;
    fmod_(other: Operand) => fmod;
    gcd_(other: Arg) => gcd;
    hypot_(other: Arg) => hypot;
    conj_physical_() => conj_physical;
    nextafter_(other: Arg) => nextafter;
    igamma_(other: Arg) => igamma;
    igammac_(other: Arg) => igammac;
    lcm_(other: Arg) => lcm;
    multiply_(other: Operand) => multiply;
    subtract_(other: Operand; alpha: Option<Number> = None) => subtract;
    true_divide_(other: Operand) => true_divide;
    logit_(eps: Option<f64> = None) => logit;
}

in_place! {
    test:
    eq_(other: Operand) => eq;
    ne_(other: Operand) => ne;
    lt_(other: Operand) => lt;
    le_(other: Operand) => le;
    gt_(other: Operand) => gt;
    ge_(other: Operand) => ge;
    greater_(other: Operand) => greater;
    greater_equal_(other: Operand) => greater_equal;
    less_(other: Operand) => less;
    less_equal_(other: Operand) => less_equal;
    not_equal_(other: Operand) => not_equal;
    logical_not_() => logical_not;
    logical_and_(other: Arg) => logical_and;
    logical_or_(other: Arg) => logical_or;
    logical_xor_(other: Arg) => logical_xor;
}

in_place! {
    overwrite:
    cumsum_(dim: isize; dtype: Option<DTypeArg> = None) => cumsum;
    cumprod_(dim: isize; dtype: Option<DTypeArg> = None) => cumprod;
    masked_fill_(mask: Arg, value: Operand) => masked_fill;
    sinc_() => sinc;
    renorm_(p: f64, dim: isize, maxnorm: f64) => renorm;
    ldexp_(other: Arg) => ldexp;
    xlogy_(other: Operand) => xlogy;
    mvlgamma_(p: i64) => mvlgamma;
    polygamma_(n: i64) => polygamma;
    addmm_(mat1: Arg, mat2: Arg; beta: f64 = 1.0, alpha: f64 = 1.0) => addmm;
    addmv_(mat: Arg, vec: Arg; beta: f64 = 1.0, alpha: f64 = 1.0) => addmv;
    addbmm_(batch1: Arg, batch2: Arg; beta: f64 = 1.0, alpha: f64 = 1.0) => addbmm;
    baddbmm_(batch1: Arg, batch2: Arg; beta: f64 = 1.0, alpha: f64 = 1.0) => baddbmm;
    addr_(vec1: Arg, vec2: Arg; beta: f64 = 1.0, alpha: f64 = 1.0) => addr;
}

in_place! {
    place:
    scatter_add_(dim: isize, index: Arg, src: Arg) => scatter_add;
    scatter_(dim: isize, index: Arg, src: Option<Operand> = None; reduce: Option<String> = None, value: Option<Operand> = None)
        => scatter;
    index_add_(dim: isize, index: Arg, source: Arg; alpha: f64 = 1.0) => index_add;
    index_copy_(dim: isize, index: Arg, source: Arg) => index_copy;
    index_fill_(dim: isize, index: Arg, value: Operand) => index_fill;
    index_put_(indices: Vec<Option<Arg>>, values: Arg, accumulate: bool = false) => index_put;
    put_(index: Arg, source: Arg, accumulate: bool = false) => put;
    masked_scatter_(mask: Arg, source: Arg) => masked_scatter;
    scatter_reduce_(dim: isize, index: Arg, src: Arg, reduce: &str; include_self: bool = true) => scatter_reduce;
    index_reduce_(dim: isize, index: Arg, source: Arg, reduce: &str; include_self: bool = true) => index_reduce;
}

impl PyTensor {
    /// Makes this handle stand for what `look` sees of its memory. It keeps its gradient, whether or not operations are
    /// recorded: a leaf stays one, and from others the gradient goes back through the view.
    fn look_as(slf: &Bound<'_, Self>, op: &str, look: impl FnOnce(&Bound<'_, Self>) -> PyResult<Self>) -> PyResult<()> {
        let tensor = slf.get().get();
        let view = match tensor.tracking() {
            Tracking::Leaf(_) if mode::is_recording() => {
                return Err(to_py(Error::gradient(
                    op,
                    "a leaf that requires a gradient keeps its shape; use the form without _",
                )));
            }
            leaf @ Tracking::Leaf(_) => {
                let plain = Bound::new(slf.py(), Self::from(tensor.detach()))?;
                Tensor::new(look(&plain)?.get().array().clone(), leaf.clone())
            }
            _ => {
                let _recording = mode::Scope::new(true);
                look(slf)?.get()
            }
        };
        slf.get().set(view);
        Ok(())
    }
}

#[pymethods]
impl PyTensor {
    /// Gives the tensor other extents, in place: its first elements in row-major order, where there are as many, and zeros
    /// behind all of them where there are not. Raises RuntimeError where a gradient is wanted, and ValueError where more
    /// elements are asked of memory that others see.
    ///
    /// >>> import dlcore
    /// >>> dlcore.arange(6).resize_(2, 2)
    /// tensor([[0, 1],
    ///         [2, 3]])
    #[pyo3(signature = (*args, size = None), text_signature = "($self, *size)")]
    fn resize_<'py>(
        slf: Bound<'py, Self>,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        size: Option<Ints>,
    ) -> PyResult<Bound<'py, Self>> {
        const NAME: &str = "resize_";
        let shape = shape(NAME, args, size)?;
        let tensor = slf.get().get();
        if tensor.requires_grad() {
            return Err(to_py(Error::gradient(
                NAME,
                "a tensor that requires a gradient keeps its size; detach() it first",
            )));
        }
        let (layout, buffer) = (tensor.array().layout(), tensor.array().storage().buffer());
        let room = buffer.len() / tensor.dtype().size() - layout.offset;
        let count = dlcore_core::layout::numel(NAME, &shape).map_err(to_py)?;
        if count <= room {
            let array = tensor.array().view(Layout { offset: layout.offset, ..Layout::contiguous(&shape) });
            slf.get().set(tensor.viewed(array, Tracking::None));
            return Ok(slf);
        }
        drop(tensor);
        if !slf.get().owns_alone(0) {
            return Err(to_py(Error::value(
                NAME,
                "memory grows only where the tensor has it for itself, and all of it; clone() it first",
            )));
        }
        let tensor = slf.get().get();
        let made = enter(py, count, || {
            let made = Array::zeros(NAME, &[count], tensor.dtype())?;
            let kept = made.view(Layout::contiguous(&[tensor.numel()]));
            kept.write(NAME, &tensor.array().reshape(NAME, &[tensor.numel()])?)?;
            made.reshape(NAME, &shape)
        })?;
        slf.get().set(made.into());
        Ok(slf)
    }
}

macro_rules! views_in_place {
    ($($name:ident($($arg:ident: $t:ty $(= $default:tt)?),*) => $method:literal, $op:expr;)*) => {
        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = concat!("See ``dlcore.", $method, "``, in place: the memory stays.")]
                #[pyo3(signature = ($($arg $(= $default)?),*))]
                fn $name<'py>(slf: Bound<'py, Self>, py: Python<'py>, $($arg: $t),*) -> PyResult<Bound<'py, Self>> {
                    let apply = $op;
                    Self::look_as(&slf, stringify!($name), |x| apply(x, py))?;
                    Ok(slf)
                }
            )*
        }
    };
}

views_in_place! {
    as_strided_(size: Ints, stride: Ints, storage_offset: Option<usize> = None)
        => "as_strided", |x: &Bound<'_, Self>, _| Self::as_strided(x, size, stride, storage_offset);
    squeeze_(dim: Option<Ints> = None) => "squeeze", |x: &Bound<'_, Self>, py| Self::squeeze(x, py, dim);
    swapaxes_(axis0: isize, axis1: isize) => "transpose", |x: &Bound<'_, Self>, py| Self::transpose(x, py, axis0, axis1);
    swapdims_(dim0: isize, dim1: isize) => "transpose", |x: &Bound<'_, Self>, py| Self::transpose(x, py, dim0, dim1);
    t_() => "t", |x: &Bound<'_, Self>, _| Self::t(x);
    transpose_(dim0: isize, dim1: isize) => "transpose", |x: &Bound<'_, Self>, py| Self::transpose(x, py, dim0, dim1);
    unsqueeze_(dim: isize) => "unsqueeze", |x: &Bound<'_, Self>, py| Self::unsqueeze(x, py, dim);
}
