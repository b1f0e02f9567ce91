//! Sources of random numbers as Python holds them.

use crate::convert::Arg;
use crate::creation::Out;
use crate::device::{DeviceArg, on_cpu};
use crate::enter::to_py;
use crate::tensor::PyTensor;
use dlcore_core::random::{self, Generator};
use dlcore_core::{Array, DType, Error, Tensor};
use dlcore_kernels::random::Generator as State;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::Arc;

/// A source of random numbers: ``Generator(seed)``. The same seed gives the same numbers for any number of threads
/// and on every instruction set (Philox4x32-10, Salmon et al. 2011); on one without a fused multiply-add, what goes
/// through an exponential or a logarithm (``exponential_``, ``log_normal_``, gumbel, Laplace) may differ in last bits.
///
/// >>> import dlcore
/// >>> a = dlcore.rand(2, generator=dlcore.Generator(7))
/// >>> b = dlcore.rand(2, generator=dlcore.Generator(7))
/// >>> dlcore.equal(a, b)
/// True
///
/// Threads may share one, and each draw takes the next stretch of its stream.
#[pyclass(frozen, name = "Generator", module = "dlcore")]
pub struct PyGenerator(Arc<Generator>);

/// A seed as Python gives it: negative ones stand for the bits of a two's complement.
pub struct Seed(pub u64);

impl<'py> FromPyObject<'_, 'py> for Seed {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(Self).or_else(|_| Ok(Self(object.extract::<i64>()?.cast_unsigned())))
    }
}

/// What a generator is made with: a seed or, as in PyTorch, a device.
pub enum Start {
    /// The seed.
    Seed(Seed),
    /// The device.
    Device(DeviceArg),
}

impl<'py> FromPyObject<'_, 'py> for Start {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(Self::Device).or_else(|_| object.extract().map(Self::Seed))
    }
}

#[pymethods]
impl PyGenerator {
    #[new]
    #[pyo3(signature = (seed = Start::Seed(Seed(0)), *, device = None), text_signature = "(seed=0, *, device=None)")]
    fn new(seed: Start, device: Option<DeviceArg>) -> PyResult<Self> {
        on_cpu(device)?;
        match seed {
            Start::Seed(seed) => Ok(Self(Arc::new(Generator::new(seed.0)))),
            Start::Device(device) => {
                on_cpu(Some(device))?;
                Ok(Self(Arc::new(Generator::new(0))))
            }
        }
    }

    /// Starts again from ``seed``; returns the generator.
    fn manual_seed(slf: Bound<'_, Self>, seed: Seed) -> Bound<'_, Self> {
        slf.get().0.manual_seed(seed.0);
        slf
    }

    /// Starts again from a seed that nobody chose, and returns it.
    fn seed(&self) -> u64 {
        self.0.seed()
    }

    /// The seed from which the stream started.
    fn initial_seed(&self) -> u64 {
        self.0.state().seed
    }

    /// Where the stream stands: 16 bytes, to go back to with ``set_state``.
    ///
    /// >>> import dlcore
    /// >>> generator = dlcore.Generator(7)
    /// >>> state = generator.get_state()
    /// >>> a = dlcore.rand(2, generator=generator)
    /// >>> generator.set_state(state)
    /// >>> dlcore.equal(a, dlcore.rand(2, generator=generator))
    /// True
    pub fn get_state(&self) -> Out {
        let State { seed, offset } = self.0.state();
        let bytes = [seed.to_le_bytes(), offset.to_le_bytes()].concat();
        Ok(PyTensor::from(Tensor::from(Array::from_slice("get_state", &bytes, &[16]).map_err(to_py)?)))
    }

    /// Goes back to where a stream stood.
    pub fn set_state(&self, new_state: Arg) -> PyResult<()> {
        let state = new_state.0.array().contiguous("set_state").map_err(to_py)?;
        let wrong = || to_py(Error::value("set_state", "expected the 16 bytes (uint8) that get_state returned"));
        if state.dtype() != DType::U8 {
            return Err(wrong());
        }
        let (seed, offset) = state.elements::<u8>().split_first_chunk().ok_or_else(wrong)?;
        let (seed, offset) = (u64::from_le_bytes(*seed), u64::from_le_bytes(offset.try_into().map_err(|_| wrong())?));
        self.0.set_state(State { seed, offset });
        Ok(())
    }

    /// ``n`` generators whose streams have nothing to do with each other or with this one: for workers.
    ///
    /// >>> import dlcore
    /// >>> a, b = dlcore.Generator(7).split()
    /// >>> a.initial_seed() != b.initial_seed()
    /// True
    #[pyo3(signature = (n = 2))]
    fn split(&self, n: usize) -> Vec<Self> {
        self.0.split(n).into_iter().map(|generator| Self(Arc::new(generator))).collect()
    }

    /// The device, always ``"cpu"``.
    #[getter]
    #[allow(clippy::unused_self, reason = "an attribute")]
    fn device(&self) -> &'static str {
        "cpu"
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let restore = py.get_type::<Self>().getattr("_restored")?;
        let State { seed, offset } = slf.get().0.state();
        (restore, (seed, offset)).into_pyobject(py)
    }

    #[staticmethod]
    fn _restored(seed: u64, offset: u64) -> Self {
        let generator = Generator::new(seed);
        generator.set_state(State { seed, offset });
        Self(Arc::new(generator))
    }
}

impl Default for PyGenerator {
    /// The one that is used where none is named.
    fn default() -> Self {
        Self(random::default_generator().clone())
    }
}

/// Runs `body` with the generator given, or the default one.
pub fn with_generator<R>(generator: Option<&Bound<'_, PyGenerator>>, body: impl FnOnce(&Generator) -> R) -> R {
    match generator {
        Some(generator) => body(&generator.get().0),
        None => body(random::default_generator()),
    }
}
