//! Random tensors. Numbers are counter based: they depend on the seed, on what was drawn before and on the element's
//! index, never on the number of threads.

mod distributions;

pub use distributions::{
    any_integers, cauchy, check_deviation, check_interval, exponential, geometric, log_normal, multinomial,
    normal_around, poisson, standard_gamma, truncated_normal,
};

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops;
use crate::with_float;
use distributions::{check_each, without_slope};
use dlcore_kernels::random as kernel;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

/// A stream of random numbers that threads may share; each draw takes the next stretch of it. A process that forks
/// never finds it locked in the child.
pub struct Generator(kernel::Shared);

impl Generator {
    /// The start of the stream that `seed` names.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(kernel::Shared::new(kernel::Generator { seed, offset: 0 }))
    }

    /// Goes to the start of the stream that `seed` names.
    pub fn manual_seed(&self, seed: u64) {
        self.set_state(kernel::Generator::new(seed));
    }

    /// Goes to the start of a stream that nobody chose, and returns what names it.
    #[must_use]
    pub fn seed(&self) -> u64 {
        let seed = RandomState::new().hash_one(0);
        self.manual_seed(seed);
        seed
    }

    /// Where the stream stands: seed and offset.
    #[must_use]
    pub fn state(&self) -> kernel::Generator {
        self.0.with(|stream| *stream)
    }

    /// Goes to where a stream stood.
    pub fn set_state(&self, state: kernel::Generator) {
        self.0.with(|stream| *stream = state);
    }

    /// Streams that have nothing to do with each other, each named by the next number of this one.
    #[must_use]
    pub fn split(&self, count: usize) -> Vec<Self> {
        let mut seeds = vec![0; count];
        kernel::words(&mut &self.0, &mut seeds);
        seeds.into_iter().map(Self::new).collect()
    }

    /// Lets a kernel draw from the stream.
    pub fn draw<R>(&self, draw: impl FnOnce(&mut &kernel::Shared) -> R) -> R {
        draw(&mut &self.0)
    }
}

/// The generator that is used where none is named. Unseeded, it differs from process to process.
#[must_use]
pub fn default_generator() -> &'static Arc<Generator> {
    static DEFAULT: LazyLock<Arc<Generator>> =
        LazyLock::new(|| Arc::new(Generator::new(RandomState::new().hash_one(0))));
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
    uniform_below(generator, shape, 0.0, 1.0, dtype)
}

/// Uniform on [`low`, `high`), also where the numbers of a 16-bit dtype lie so far apart that what is drawn would be
/// rounded to `high`.
///
/// # Errors
/// As [`uniform`].
pub fn uniform_below(generator: &Generator, shape: &[usize], low: f64, high: f64, dtype: DType) -> Result<Tensor> {
    if !dtype.is_float() || !dtype.is_narrow() || low >= high {
        return uniform(generator, shape, low, high, dtype);
    }
    let number = |x: f64| Ok::<_, Error>(Tensor::from(Array::full("uniform", &[], crate::Scalar::Float(x), dtype)?));
    let end = number(high)?;
    let below = if end.array().item()?.to_f64() < high { end } else { ops::nextafter::nextafter(&end, &number(low)?)? };
    let drawn = uniform(generator, shape, low, high, dtype.widened())?;
    ops::cast(&ops::clamp(&drawn, None, Some(below.array().item()?))?, dtype)
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
    let bounds = if dtype == DType::Bool { Some((0, 1)) } else { dtype.integers() };
    if bounds.is_some_and(|(least, greatest)| i128::from(low) < least || i128::from(high) - 1 > greatest) {
        let what = format_args!("{dtype} does not hold the numbers from {low} to {high} (excluded)");
        return Err(Error::value("randint", what));
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
/// [`Error::Value`] for an impossible size, and a dtype that does not tell so many integers apart.
pub fn randperm(generator: &Generator, n: usize, dtype: DType) -> Result<Tensor> {
    const NAME: &str = "randperm";
    let last = i128::try_from(n).unwrap_or(i128::MAX) - 1;
    let holds = match (dtype.integers(), dtype.floats()) {
        (Some((_, greatest)), _) => last <= greatest,
        // Up to here all integers are floats.
        #[allow(clippy::cast_precision_loss, reason = "what is rounded is far beyond")]
        (_, Some(facts)) => last as f64 <= 2.0 / facts.eps,
        _ => last <= 1,
    };
    if !holds {
        return Err(Error::value(NAME, format_args!("{dtype} does not hold the integers below {n}")));
    }
    let drawn = Array::build(NAME, &[n], |out: &mut [i64]| {
        generator.draw(|stream| kernel::permutation(stream, out));
        Ok(())
    })?;
    Ok(drawn.cast(NAME, dtype)?.into())
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
    check_each("bernoulli", p, "probabilities from 0 to 1", |p| (0.0..=1.0).contains(&p))?;
    // Drawn finer than 16-bit floats are, whose steps would show in the probabilities.
    let drawn = rand(generator, p.shape(), p.dtype().widened())?;
    without_slope(&ops::cast(&ops::lt(&drawn, &p.detach())?, p.dtype())?, &[p])
}
