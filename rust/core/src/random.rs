//! Random tensors. Numbers are counter based: they depend on the seed, on what was drawn before and on the element's
//! index, never on the number of threads.

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops;
use crate::with_float;
use dlcore_kernels::random as kernel;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, PoisonError};

/// A stream of random numbers that threads may share; each draw takes the next stretch of it.
pub struct Generator(Mutex<kernel::Generator>);

impl Generator {
    /// The start of the stream that `seed` names.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(kernel::Generator::new(seed)))
    }

    /// Goes to the start of the stream that `seed` names.
    pub fn manual_seed(&self, seed: u64) {
        self.draw(|stream| *stream = kernel::Generator::new(seed));
    }

    /// Where the stream stands: seed and offset.
    #[must_use]
    pub fn state(&self) -> kernel::Generator {
        self.draw(|stream| *stream)
    }

    /// Goes to where a stream stood.
    pub fn set_state(&self, state: kernel::Generator) {
        self.draw(|stream| *stream = state);
    }

    /// Lets a kernel draw from the stream, alone.
    pub fn draw<R>(&self, draw: impl FnOnce(&mut kernel::Generator) -> R) -> R {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The generator that is used where none is named. Unseeded, it differs from process to process.
#[must_use]
pub fn default_generator() -> &'static Generator {
    static DEFAULT: LazyLock<Generator> = LazyLock::new(|| Generator::new(RandomState::new().hash_one(0)));
    &DEFAULT
}

/// Seeds the default generator.
pub fn manual_seed(seed: u64) {
    default_generator().manual_seed(seed);
}

macro_rules! distributions {
    ($($(#[$doc:meta])* $function:ident($a:ident, $b:ident);)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::DType`] for a dtype that is not a float's, [`Error::Value`] for an impossible shape.
        #[allow(clippy::cast_possible_truncation, trivial_numeric_casts, reason = "rounded to the dtype asked for")]
        pub fn $function(generator: &Generator, shape: &[usize], $a: f64, $b: f64, dtype: DType) -> Result<Tensor> {
            const NAME: &str = stringify!($function);
            let wide = with_float!(NAME, dtype.widened(), T => Array::build(NAME, shape, |out: &mut [T]| {
                generator.draw(|stream| kernel::$function(stream, $a as T, $b as T, out));
                Ok(())
            }))?;
            Ok(wide.cast(NAME, dtype)?.into())
        }
    )* };
}
distributions! {
    /// Uniform on [`low`, `high`), or up to `high` where the dtype rounds to it.
    uniform(low, high);
    /// Normal with the given mean and standard deviation.
    normal(mean, deviation);
}

/// Uniform on [0, 1).
///
/// # Errors
/// As [`uniform`].
pub fn rand(generator: &Generator, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let drawn = uniform(generator, shape, 0.0, 1.0, dtype.widened())?;
    // The largest below 1, to which no rounding leads from below it.
    let below = match dtype {
        DType::F16 => 1.0 - 2f64.powi(-11),
        DType::BF16 => 1.0 - 2f64.powi(-8),
        _ => return Ok(drawn),
    };
    ops::cast(&ops::clamp(&drawn, None, Some(crate::Scalar::Float(below)))?, dtype)
}

/// Standard normal.
///
/// # Errors
/// As [`normal`].
pub fn randn(generator: &Generator, shape: &[usize], dtype: DType) -> Result<Tensor> {
    normal(generator, shape, 0.0, 1.0, dtype)
}

/// Integers uniform on `low..high`.
///
/// # Errors
/// [`Error::Value`] for an empty range or an impossible shape.
pub fn randint(generator: &Generator, low: i64, high: i64, shape: &[usize], dtype: DType) -> Result<Tensor> {
    if low >= high {
        return Err(Error::value("randint", format_args!("the range from {low} to {high} (excluded) is empty")));
    }
    let drawn = Array::build("randint", shape, |out: &mut [i64]| {
        generator.draw(|stream| kernel::integers(stream, low, high, out));
        Ok(())
    })?;
    Ok(drawn.cast("randint", dtype)?.into())
}

/// The integers below `n` in random order.
///
/// # Errors
/// [`Error::Value`] for an impossible size.
pub fn randperm(generator: &Generator, n: usize) -> Result<Tensor> {
    Ok(Array::build("randperm", &[n], |out: &mut [i64]| {
        generator.draw(|stream| kernel::permutation(stream, out));
        Ok(())
    })?
    .into())
}

/// A mask that is true with probability `p`.
///
/// # Errors
/// [`Error::Value`] for a probability outside 0 to 1.
pub fn mask(generator: &Generator, p: f64, shape: &[usize]) -> Result<Array> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Error::value("bernoulli", format_args!("expected a probability from 0 to 1, got {p}")));
    }
    Array::build_as("bernoulli", DType::Bool, shape, |out: &mut [u8]| {
        generator.draw(|stream| kernel::bernoulli(stream, p, out));
        Ok(())
    })
}

/// Ones with the probabilities in `p`, element by element, otherwise zeros; in the dtype of `p`.
///
/// # Errors
/// [`Error::DType`] for probabilities that are not floats, [`Error::Value`] for one outside 0 to 1.
pub fn bernoulli(generator: &Generator, p: &Tensor) -> Result<Tensor> {
    let p = p.detach();
    if !p.dtype().is_float() {
        let got = p.dtype();
        return Err(Error::dtype("bernoulli", format_args!("expected probabilities of a float dtype, got {got}")));
    }
    let bound = |value| ops::arithmetic::scalar(crate::Scalar::Float(value), p.dtype());
    let valid = ops::logical_and(&ops::ge(&p, &bound(0.0)?)?, &ops::le(&p, &bound(1.0)?)?)?;
    if ops::reduce::any(ops::logical_not(&valid)?.array())? {
        return Err(Error::value("bernoulli", "expected probabilities from 0 to 1"));
    }
    // Drawn finer than 16-bit floats are, whose steps would show in the probabilities.
    ops::cast(&ops::lt(&rand(generator, p.shape(), p.dtype().widened())?, &p)?, p.dtype())
}
