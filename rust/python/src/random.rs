//! Random numbers: functions that draw tensors, methods that fill them.

use crate::convert::{Arg, DTypeArg, Ints, Operand};
use crate::creation::{Asked, Made, Out, count, float_or, like, made};
use crate::device::DeviceArg;
use crate::enter::enter;
use crate::function::Returned;
use crate::generator::{PyGenerator, Seed, with_generator};
use crate::memory_format::MemoryFormat;
use crate::out;
use crate::tensor::PyTensor;
use dlcore_core::layout::Dims;
use dlcore_core::random::{self, Generator};
use dlcore_core::{DType, Tensor, ops};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Starts the default source of random numbers again from ``seed``.
///
/// >>> _ = dlcore.manual_seed(0)
/// >>> a = dlcore.rand(3)
/// >>> _ = dlcore.manual_seed(0)
/// >>> dlcore.equal(a, dlcore.rand(3))
/// True
#[pyfunction(crate = "crate::exchange::keywords")]
fn manual_seed(seed: Seed) -> PyGenerator {
    random::manual_seed(seed.0);
    PyGenerator::default()
}

macro_rules! drawn {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $like:ident, $like_doc:literal => $draw:expr;)*) => { $(
        $(#[$doc])*
        #[pyfunction(crate = "crate::exchange::keywords")]
        #[pyo3(
            signature = (
                *args, size = None, generator = None, dtype = None, device = None, requires_grad = false, out = None
            ),
            text_signature =
                "(*size, generator=None, dtype=None, device=None, requires_grad=False, out=None)"
        )]
        fn $name<'py>(
            py: Python<'py>, args: &Bound<'py, PyTuple>, size: Option<Ints>, generator: Option<&Bound<'py, PyGenerator>>, dtype: Option<DTypeArg>,
            device: Option<DeviceArg>, requires_grad: bool, out: out::Out<'py>,
        ) -> Made<'py> {
            let shape = crate::creation::shape($text, args, size)?;
            made(py, $text, Asked { dtype, device, requires_grad, out }, |dtype| {
                with_generator(generator, |generator| {
                    enter(py, usize::MAX, || $draw(generator, &shape, float_or(dtype)))
                })
            })
        }

        #[doc = $like_doc]
        #[pyfunction(crate = "crate::exchange::keywords")]
        #[pyo3(signature = (
            input, *, generator = None, dtype = None, device = None, requires_grad = false, memory_format = None
        ))]
        fn $like<'py>(
            py: Python<'py>, input: Arg, generator: Option<&Bound<'py, PyGenerator>>, dtype: Option<DTypeArg>,
            device: Option<DeviceArg>, requires_grad: bool, memory_format: Option<MemoryFormat>,
        ) -> Made<'py> {
            let asked = Asked { dtype, device, requires_grad, out: None };
            like(py, stringify!($like), input.0, asked, memory_format, |x, dtype| {
                with_generator(generator, |generator| enter(py, usize::MAX, || $draw(generator, x.shape(), dtype)))
            })
        }
    )* };
}

drawn! {
    /// Random numbers, uniform from 0 up to 1.
    ///
    /// >>> dlcore.rand(2, 3).shape
    /// (2, 3)
    rand, "rand", rand_like, "Uniform random numbers in the shape and dtype of ``input``.\n\n>>> dlcore.rand_like(dlcore.zeros(2)).shape\n(2,)" => random::rand;
    /// Random numbers, normal with mean 0 and variance 1.
    ///
    /// >>> dlcore.randn(2, 3).shape
    /// (2, 3)
    randn, "randn", randn_like, "Normal random numbers in the shape and dtype of ``input``.\n\n>>> dlcore.randn_like(dlcore.zeros(2)).shape\n(2,)" => random::randn;
}

/// Random integers from ``low`` (0 where it is missing) up to, not including, ``high``.
///
/// >>> dlcore.randint(0, 10, (2, 3)).dtype
/// dlcore.int64
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (
    low = None, high = None, size = None, *, generator = None, dtype = None, device = None, requires_grad = false, out = None
))]
fn randint<'py>(
    py: Python<'py>,
    low: Option<i64>,
    high: Option<&Bound<'py, PyAny>>,
    size: Option<Ints>,
    generator: Option<&Bound<'py, PyGenerator>>,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    out: out::Out<'py>,
) -> Made<'py> {
    // randint(high, size) and randint(low, high, size): those that are given decide.
    let (low, high, size) = match (low, high, size) {
        (low, Some(high), Some(size)) => (low.unwrap_or(0), high.extract()?, size),
        (Some(high), Some(size), None) => (0, high, size.extract()?),
        (Some(high), None, Some(size)) => (0, high, size),
        (None, None, _) => return Err(PyTypeError::new_err("randint() missing 1 required argument: 'high'")),
        _ => return Err(PyValueError::new_err("randint: size is missing")),
    };
    let shape = size.sizes("randint")?;
    made(py, "randint", Asked { dtype, device, requires_grad, out }, |dtype| {
        let dtype = dtype.unwrap_or(DType::I64);
        with_generator(generator, |generator| {
            enter(py, usize::MAX, || random::randint(generator, low, high, &shape, dtype))
        })
    })
}

/// A random permutation of the integers from 0 up to ``n``.
///
/// >>> sorted(dlcore.randperm(4).tolist())
/// [0, 1, 2, 3]
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (n, *, generator = None, dtype = None, device = None, requires_grad = false, out = None))]
fn randperm<'py>(
    py: Python<'py>,
    n: isize,
    generator: Option<&Bound<'py, PyGenerator>>,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    out: out::Out<'py>,
) -> Made<'py> {
    let n = count("randperm", "n", n)?;
    made(py, "randperm", Asked { dtype, device, requires_grad, out }, |dtype| {
        let dtype = dtype.unwrap_or(DType::I64);
        with_generator(generator, |generator| enter(py, n, || random::randperm(generator, n, dtype)))
    })
}

/// Random integers from ``low`` (0 where it is missing) up to, not including, ``high``, in the shape and dtype of
/// ``input``.
///
/// >>> dlcore.randint_like(dlcore.zeros(2), 10).shape
/// (2,)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (
    input, low, high = None, *, generator = None, dtype = None, device = None, requires_grad = false, memory_format = None
))]
fn randint_like<'py>(
    py: Python<'py>,
    input: Arg,
    low: i64,
    high: Option<i64>,
    generator: Option<&Bound<'py, PyGenerator>>,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    memory_format: Option<MemoryFormat>,
) -> Made<'py> {
    let (low, high) = high.map_or((0, low), |high| (low, high));
    let asked = Asked { dtype, device, requires_grad, out: None };
    like(py, "randint_like", input.0, asked, memory_format, |x, dtype| {
        with_generator(generator, |generator| {
            enter(py, usize::MAX, || random::randint(generator, low, high, x.shape(), dtype))
        })
    })
}

/// One with the probabilities in ``input``, or everywhere with probability ``p``, otherwise zero.
///
/// >>> dlcore.bernoulli(dlcore.tensor([0.0, 1.0]))
/// tensor([0., 1.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, p = None, *, generator = None, out = None))]
fn bernoulli<'py>(
    py: Python<'py>,
    input: Arg,
    p: Option<f64>,
    generator: Option<&Bound<'py, PyGenerator>>,
    out: out::Out<'py>,
) -> Made<'py> {
    let x = input.0;
    with_generator(generator, |generator| {
        out::into(py, "bernoulli", x.numel(), out, || match p {
            None => random::bernoulli(generator, &x),
            Some(p) => Ok(Tensor::from(random::mask(generator, p, x.shape())?.cast("bernoulli", x.dtype())?)),
        })
    })
}

/// Positions drawn with the weights (not necessarily of sum 1) in each row of ``input``, ``num_samples`` of them, each
/// once at most unless ``replacement``.
///
/// >>> dlcore.multinomial(dlcore.tensor([0.0, 3.0, 0.0]), 1)
/// tensor([1])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, num_samples, replacement = false, *, generator = None, out = None))]
fn multinomial<'py>(
    py: Python<'py>,
    input: Arg,
    num_samples: isize,
    replacement: bool,
    generator: Option<&Bound<'py, PyGenerator>>,
    out: out::Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let samples = count("multinomial", "num_samples", num_samples)?;
    with_generator(generator, |generator| {
        enter(py, usize::MAX, || random::multinomial(generator, &input.0, samples, replacement))?.returned_in(
            py,
            "multinomial",
            out,
        )
    })
}

/// Random numbers, normal with the given mean and standard deviation: tensors, which broadcast, or numbers, with
/// ``size`` if both are.
///
/// >>> dlcore.normal(dlcore.tensor([1.0, 2.0]), 0.0)
/// tensor([1., 2.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (
        mean, std = None, size = None, *, generator = None, dtype = None, device = None, requires_grad = false, out = None
    ),
    text_signature = "(mean, std=1.0, size=None, *, generator=None, dtype=None, device=None, requires_grad=False, out=None)",
)]
fn normal<'py>(
    py: Python<'py>,
    mean: Operand,
    std: Option<Operand>,
    size: Option<Ints>,
    generator: Option<&Bound<'py, PyGenerator>>,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    out: out::Out<'py>,
) -> Made<'py> {
    let std = std.unwrap_or(Operand::Scalar(dlcore_core::Scalar::Float(1.0)));
    let shape = size.map(|size| size.sizes("normal")).transpose()?;
    made(py, "normal", Asked { dtype, device, requires_grad, out }, |dtype| {
        with_generator(generator, |generator| match (&mean, &std, shape) {
            (Operand::Scalar(mean), Operand::Scalar(std), Some(shape)) => {
                let (mean, std) = (mean.to_f64(), std.to_f64());
                enter(py, usize::MAX, || {
                    random::check_deviation("normal", std)?;
                    random::normal(generator, &shape, mean, std, float_or(dtype))
                })
            }
            (Operand::Scalar(_), Operand::Scalar(_), None) => {
                Err(PyValueError::new_err("normal: size is missing; with numbers for mean and std it is needed"))
            }
            _ => {
                let (mean, std) = Operand::pair(mean.clone(), std.clone())?;
                enter(py, usize::MAX, || random::normal_around(generator, &mean, &std))
            }
        })
    })
}

macro_rules! by_parameter {
    ($($(#[$doc:meta])* $name:ident => $draw:expr;)*) => { $(
        $(#[$doc])*
        #[pyfunction(crate = "crate::exchange::keywords")]
        #[pyo3(signature = (input, generator = None))]
        fn $name(py: Python<'_>, input: Arg, generator: Option<&Bound<'_, PyGenerator>>) -> Out {
            with_generator(generator, |generator| {
                enter(py, usize::MAX, || $draw(generator, &input.0)).map(PyTensor::from)
            })
        }
    )* };
}
by_parameter! {
    /// Random counts of the Poisson distribution with the rates in ``input`` (Hoermann, "The transformed rejection method
    /// for generating Poisson random variables", 1993).
    ///
    /// >>> dlcore.poisson(dlcore.zeros(2))
    /// tensor([0., 0.])
    poisson => random::poisson;
    /// Random numbers of the gamma distribution with the shapes in ``input`` and scale 1 (Marsaglia and Tsang, "A simple
    /// method for generating gamma variables", 2000). Their gradient by the shapes is that at an unchanged probability
    /// (Figurnov et al., "Implicit reparameterization gradients", 2018).
    ///
    /// >>> bool((dlcore.standard_gamma(dlcore.ones(4)) > 0).all())
    /// True
    standard_gamma => random::standard_gamma;
}

/// Random numbers, normal with the given mean and standard deviation and cut to ``a`` up to ``b`` (Robert, "Simulation
/// of truncated normal variables", 1995).
///
/// >>> float(dlcore.truncated_normal((3,), a=0.0, b=0.5).max()) <= 0.5
/// True
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (size, mean = 0.0, std = 1.0, a = -2.0, b = 2.0, *, generator = None, dtype = None),
    text_signature = "(size, mean=0.0, std=1.0, a=-2.0, b=2.0, *, generator=None, dtype=None)",
)]
fn truncated_normal(
    py: Python<'_>,
    size: Ints,
    mean: f64,
    std: f64,
    a: f64,
    b: f64,
    generator: Option<&Bound<'_, PyGenerator>>,
    dtype: Option<DTypeArg>,
) -> Out {
    let shape = size.sizes("truncated_normal")?;
    let dtype = float_or(dtype.map(|dtype| dtype.0));
    with_generator(generator, |generator| {
        enter(py, usize::MAX, || random::truncated_normal(generator, &shape, [mean, std], [a, b], dtype))
            .map(PyTensor::from)
    })
}

/// Fills a tensor with what `draw` makes for its shape and dtype.
fn fill<'py>(
    slf: Bound<'py, PyTensor>,
    name: &'static str,
    generator: Option<&Bound<'py, PyGenerator>>,
    draw: impl FnOnce(&Generator, &Dims, DType) -> dlcore_core::Result<Tensor> + Send,
) -> PyResult<Bound<'py, PyTensor>> {
    let x = slf.get().get();
    let (shape, dtype) = (x.array().dims(), x.dtype());
    let value = with_generator(generator, |generator| enter(slf.py(), x.numel(), || draw(generator, &shape, dtype)))?;
    slf.get().write(name, &value)?;
    Ok(slf)
}

macro_rules! fillers {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty = $default:tt),*) => $draw:expr;)*) => {
        #[pymethods]
        impl PyTensor { $(
            $(#[$doc])*
            #[pyo3(signature = ($($arg = $default,)* *, generator = None))]
            fn $name<'py>(
                slf: Bound<'py, Self>, $($arg: $t,)* generator: Option<&Bound<'py, PyGenerator>>,
            ) -> PyResult<Bound<'py, Self>> {
                fill(slf, stringify!($name), generator, $draw)
            }
        )* }
    };
}
fillers! {
    /// Fills with random numbers, uniform from ``from`` up to ``to``, in place.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.empty(100).uniform_(-1, 1)
    /// >>> x.min() >= -1, x.max() < 1
    /// (tensor(True), tensor(True))
    uniform_(from: f64 = 0.0, to: f64 = 1.0) => |generator, shape, dtype| {
        random::check_interval("uniform_", from, to)?;
        random::uniform_below(generator, shape, from, to, dtype)
    };
    /// Fills with random numbers, normal with the given mean and standard deviation, in place.
    ///
    /// >>> import dlcore
    /// >>> dlcore.empty(2, 3).normal_(mean=5.0, std=0.1).shape
    /// (2, 3)
    normal_(mean: f64 = 0.0, std: f64 = 1.0) => |generator, shape, dtype| {
        random::check_deviation("normal_", std)?;
        random::normal(generator, shape, mean, std, dtype)
    };
    /// Fills with random numbers, exponential with rate ``lambd``, in place.
    ///
    /// >>> import dlcore
    /// >>> (dlcore.empty(100).exponential_(lambd=2.0) >= 0).all()
    /// tensor(True)
    exponential_(lambd: f64 = 1.0) => |generator, shape, dtype| random::exponential(generator, shape, lambd, dtype);
    /// Fills with random numbers of the Cauchy distribution, in place.
    ///
    /// >>> import dlcore
    /// >>> dlcore.empty(2, 3).cauchy_(median=1.0, sigma=0.5).shape
    /// (2, 3)
    cauchy_(median: f64 = 0.0, sigma: f64 = 1.0)
        => |generator, shape, dtype| random::cauchy(generator, shape, median, sigma, dtype);
    /// Fills with random numbers whose logarithms are normal with the given mean and standard deviation, in place.
    ///
    /// >>> import dlcore
    /// >>> (dlcore.empty(100).log_normal_(mean=0.0, std=1.0) > 0).all()
    /// tensor(True)
    log_normal_(mean: f64 = 1.0, std: f64 = 2.0)
        => |generator, shape, dtype| random::log_normal(generator, shape, mean, std, dtype);
}

#[pymethods]
impl PyTensor {
    /// Fills with how many trials of probability ``p`` it takes to succeed, at random, in place.
    ///
    /// >>> import dlcore
    /// >>> (dlcore.empty(100).geometric_(0.5) >= 1).all()
    /// tensor(True)
    #[pyo3(signature = (p, *, generator = None))]
    fn geometric_<'py>(
        slf: Bound<'py, Self>,
        p: f64,
        generator: Option<&Bound<'py, PyGenerator>>,
    ) -> PyResult<Bound<'py, Self>> {
        fill(slf, "geometric_", generator, |generator, shape, dtype| random::geometric(generator, shape, p, dtype))
    }

    /// Fills with ones of probability ``p``, a number or a tensor, otherwise zeros, in place.
    ///
    /// >>> import dlcore
    /// >>> dlcore.empty(2).bernoulli_(dlcore.tensor([0.0, 1.0]))
    /// tensor([0., 1.])
    #[pyo3(signature = (p = Operand::Scalar(dlcore_core::Scalar::Float(0.5)), *, generator = None), text_signature = "($self, p=0.5, *, generator=None)")]
    fn bernoulli_<'py>(
        slf: Bound<'py, Self>,
        p: Operand,
        generator: Option<&Bound<'py, PyGenerator>>,
    ) -> PyResult<Bound<'py, Self>> {
        fill(slf, "bernoulli_", generator, |generator, shape, dtype| match p {
            Operand::Scalar(p) => Ok(random::mask(generator, p.to_f64(), shape)?.cast("bernoulli_", dtype)?.into()),
            Operand::Tensor(p) => {
                let p = ops::broadcast_to(&p.detach(), shape)?;
                ops::cast(&random::bernoulli(generator, &p)?, dtype)
            }
        })
    }

    /// Fills with random integers, in place: from ``from`` up to, not including, ``to``; ``random_(to)`` from 0; without
    /// both up to the largest whole number of the dtype, or up to where its floats are whole.
    ///
    /// >>> import dlcore
    /// >>> dlcore.empty(3, dtype=dlcore.int64).random_(4, 5)
    /// tensor([4, 4, 4])
    #[pyo3(signature = (from = None, to = None, *, generator = None))]
    fn random_<'py>(
        slf: Bound<'py, Self>,
        from: Option<i64>,
        to: Option<i64>,
        generator: Option<&Bound<'py, PyGenerator>>,
    ) -> PyResult<Bound<'py, Self>> {
        fill(slf, "random_", generator, |generator, shape, dtype| match (from, to) {
            (None, None) => random::any_integers(generator, shape, dtype),
            (Some(high), None) => random::randint(generator, 0, high, shape, dtype),
            (low, Some(high)) => random::randint(generator, low.unwrap_or(0), high, shape, dtype),
        })
    }

    /// See ``dlcore.bernoulli``.
    #[pyo3(signature = (p = None, *, generator = None))]
    fn bernoulli<'py>(
        &self,
        py: Python<'py>,
        p: Option<f64>,
        generator: Option<&Bound<'py, PyGenerator>>,
    ) -> Made<'py> {
        bernoulli(py, Arg(self.get()), p, generator, None)
    }

    /// See ``dlcore.multinomial``.
    #[pyo3(signature = (num_samples, replacement = false, *, generator = None))]
    fn multinomial<'py>(
        &self,
        py: Python<'py>,
        num_samples: isize,
        replacement: bool,
        generator: Option<&Bound<'py, PyGenerator>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        multinomial(py, Arg(self.get()), num_samples, replacement, generator, None)
    }
}

/// Starts the default source of random numbers again from a seed that nobody chose, and returns it.
///
/// >>> dlcore.seed() == dlcore.initial_seed()
/// True
#[pyfunction(crate = "crate::exchange::keywords")]
fn seed() -> u64 {
    random::default_generator().seed()
}

/// The seed from which the default source of random numbers started.
///
/// >>> dlcore.manual_seed(3).initial_seed(), dlcore.initial_seed()
/// (3, 3)
#[pyfunction(crate = "crate::exchange::keywords")]
fn initial_seed() -> u64 {
    random::default_generator().state().seed
}

/// Where the default source of random numbers stands, to go back to with ``set_rng_state``.
///
/// >>> state = dlcore.get_rng_state()
/// >>> a = dlcore.rand(2)
/// >>> dlcore.set_rng_state(state)
/// >>> dlcore.equal(a, dlcore.rand(2))
/// True
#[pyfunction(crate = "crate::exchange::keywords")]
fn get_rng_state() -> Out {
    PyGenerator::default().get_state()
}

/// Goes back to where the default source of random numbers stood.
///
/// >>> dlcore.set_rng_state(dlcore.get_rng_state())
#[pyfunction(crate = "crate::exchange::keywords")]
fn set_rng_state(new_state: Arg) -> PyResult<()> {
    PyGenerator::default().set_state(new_state)
}

/// Registers the class and the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    module.add_class::<PyGenerator>()?;
    // Made here, where there is one thread yet: a process must not fork while another makes it.
    module.add("default_generator", PyGenerator::default())?;
    add!(manual_seed seed initial_seed get_rng_state set_rng_state rand rand_like randn randn_like randint randint_like randperm bernoulli
         multinomial normal poisson standard_gamma truncated_normal);
    Ok(())
}
