//! The one door from Python into the core and back: the interpreter lock, Ctrl-C, panics and errors, all here.

use dlcore_core::error::{Error, Result};
use dlcore_core::interrupt;
use dlcore_kernels::memory::OutOfMemory;
use pyo3::create_exception;
use pyo3::exceptions::{
    PyFloatingPointError, PyIndexError, PyKeyboardInterrupt, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

create_exception!(
    dlcore,
    ShapeError,
    PyValueError,
    "Shapes that do not fit; the message names them and the operation.\n\n\
     >>> import dlcore\n\
     >>> try:\n\
     ...     dlcore.ones(2) + dlcore.ones(3)\n\
     ... except dlcore.ShapeError as error:\n\
     ...     print(error)\n\
     add: shapes (2,) and (3,) do not broadcast: ..."
);
create_exception!(
    dlcore,
    DTypeError,
    PyTypeError,
    "A dtype that an operation does not take.\n\n\
     >>> import dlcore\n\
     >>> try:\n\
     ...     dlcore.tensor('abc')\n\
     ... except dlcore.DTypeError as error:\n\
     ...     print(error)\n\
     tensor: a string is no number; map it to numbers first"
);
create_exception!(
    dlcore,
    GradientError,
    PyRuntimeError,
    "A gradient that cannot be computed.\n\n\
     >>> import dlcore\n\
     >>> try:\n\
     ...     dlcore.ones(()).backward()\n\
     ... except dlcore.GradientError:\n\
     ...     print('nothing was recorded')\n\
     nothing was recorded"
);
create_exception!(
    dlcore.linalg,
    LinAlgError,
    PyRuntimeError,
    "A matrix that has no such inverse or decomposition; of a batch, the message names which.\n\n\
     >>> import dlcore\n\
     >>> try:\n\
     ...     dlcore.linalg.inv(dlcore.zeros(2, 2))\n\
     ... except dlcore.linalg.LinAlgError:\n\
     ...     print('singular')\n\
     singular"
);

/// Work on fewer elements than this keeps the interpreter lock: letting go costs more than others would gain.
const DETACH_FROM: usize = 8192;

/// How many elements a tensor of `shape` has, as far as [`enter`] wants to know.
pub fn elements(shape: &[usize]) -> usize {
    shape.iter().fold(1, |n, &extent| n.saturating_mul(extent))
}

/// Runs `body`, which touches about `elements` elements, and maps what goes wrong to a Python exception.
#[inline]
pub fn enter<R: Send>(py: Python<'_>, elements: usize, body: impl FnOnce() -> Result<R> + Send) -> PyResult<R> {
    if elements < DETACH_FROM { guarded(body) } else { py.detach(|| Guarded::run(body)).into_py() }
}

/// As [`enter`] for quick work that never lets go of the lock.
#[inline]
pub fn guarded<R>(body: impl FnOnce() -> Result<R>) -> PyResult<R> {
    Guarded::run(body).into_py()
}

/// What came of guarded work: its result, or what a panic carried.
enum Guarded<R> {
    Done(Result<R>),
    Panicked(Box<dyn Any + Send>),
}

impl<R> Guarded<R> {
    #[inline]
    fn run(body: impl FnOnce() -> Result<R>) -> Self {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(result) => Self::Done(result),
            Err(payload) => Self::Panicked(payload),
        }
    }

    #[inline]
    fn into_py(self) -> PyResult<R> {
        match self {
            Self::Done(Ok(value)) => Ok(value),
            Self::Done(Err(error)) => Err(to_py(error)),
            Self::Panicked(payload) => Err(panicked(&*payload)),
        }
    }
}

/// The Python exception for a panic: a kernel that had no working memory, or a bug.
#[cold]
fn panicked(payload: &(dyn Any + Send)) -> PyErr {
    if let Some(cause) = payload.downcast_ref::<OutOfMemory>() {
        return PyMemoryError::new_err(format!("no working memory: {cause}"));
    }
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref().copied());
    PyRuntimeError::new_err(format!("dlcore has a bug here, please report it: {}", text.unwrap_or_default()))
}

/// The Python exception for a core error.
#[cold]
pub fn to_py(error: Error) -> PyErr {
    match error {
        Error::Shape(text) => ShapeError::new_err(text),
        Error::DType(text) => DTypeError::new_err(text),
        Error::Gradient(text) => GradientError::new_err(text),
        Error::Index(text) => PyIndexError::new_err(text),
        Error::Value(text) => PyValueError::new_err(text),
        Error::LinAlg(text) => LinAlgError::new_err(text),
        Error::NotFinite(text) => PyFloatingPointError::new_err(text),
        Error::Memory(text) => PyMemoryError::new_err(text),
        Error::Interrupted | Error::Raised => {
            PENDING.take().unwrap_or_else(|| PyKeyboardInterrupt::new_err("interrupted"))
        }
    }
}

/// The core's error for an exception that the user's code raised under it; [`to_py`] gives the exception back.
#[cold]
pub fn raised(error: PyErr) -> Error {
    PENDING.set(Some(error));
    Error::Raised
}

thread_local! {
    static PENDING: RefCell<Option<PyErr>> = const { RefCell::new(None) };
    static NEXT_LOOK: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Whether a signal handler (Ctrl-C) raised; looked at every 50 ms at most, since a look takes the interpreter lock.
fn asked_to_stop() -> bool {
    const BETWEEN: Duration = Duration::from_millis(50);
    let now = Instant::now();
    match NEXT_LOOK.get() {
        Some(next) if now < next => false,
        seen => {
            NEXT_LOOK.set(Some(now + BETWEEN));
            // The first look of a thread only starts the clock: short walks never take the lock.
            seen.is_some()
                && Python::attach(|py| match py.check_signals() {
                    Ok(()) => false,
                    Err(error) => {
                        PENDING.set(Some(error));
                        true
                    }
                })
        }
    }
}

/// Registers the exceptions and the answer to Ctrl-C.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interrupt::install(asked_to_stop);
    let py = module.py();
    module.add("ShapeError", py.get_type::<ShapeError>())?;
    module.add("DTypeError", py.get_type::<DTypeError>())?;
    module.add("GradientError", py.get_type::<GradientError>())?;
    module.add("LinAlgError", py.get_type::<LinAlgError>())
}
