//! Facts about dtypes: what they hold, how they combine, which one floats have by default.

use crate::convert::{DTypeArg, PyDType, scalar};
use crate::enter::{DTypeError, to_py};
use crate::tensor::{PyTensor, number};
use dlcore_core::dtype::Floats;
use dlcore_core::{DType, Scalar};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyTuple};

/// What the floats of a dtype can tell apart: ``bits``, ``eps`` (from 1 to the next number), ``max``, ``min``,
/// ``smallest_normal`` (also ``tiny``) and ``resolution``, all as Python numbers.
///
/// Without argument of the default dtype. Raises DTypeError for dtypes that are not floats.
///
/// >>> import dlcore
/// >>> dlcore.finfo(dlcore.bfloat16).eps
/// 0.0078125
#[pyclass(frozen, name = "finfo", module = "dlcore")]
struct FInfo {
    dtype: DType,
    floats: Floats,
}

#[pymethods]
impl FInfo {
    #[new]
    #[pyo3(signature = (r#type = None))]
    fn new(r#type: Option<DTypeArg>) -> PyResult<Self> {
        let dtype = r#type.map_or_else(DType::default_float, |dtype| dtype.0);
        let floats = dtype.floats();
        let floats = floats.ok_or_else(|| {
            DTypeError::new_err(format!("finfo: expected a float dtype, got {dtype}; integers have iinfo"))
        })?;
        Ok(Self { dtype, floats })
    }

    /// Bits of a number.
    #[getter]
    fn bits(&self) -> usize {
        8 * self.dtype.size()
    }

    /// Distance from 1 to the next number.
    #[getter]
    fn eps(&self) -> f64 {
        self.floats.eps
    }

    /// The greatest finite number.
    #[getter]
    fn max(&self) -> f64 {
        self.floats.max
    }

    /// The least finite number.
    #[getter]
    fn min(&self) -> f64 {
        -self.floats.max
    }

    /// The smallest positive number of full precision.
    #[getter]
    fn smallest_normal(&self) -> f64 {
        self.floats.smallest_normal
    }

    /// The smallest positive number of full precision.
    #[getter]
    fn tiny(&self) -> f64 {
        self.floats.smallest_normal
    }

    /// Decimal digits that survive, as a power of ten.
    #[getter]
    fn resolution(&self) -> f64 {
        self.floats.resolution
    }

    /// The dtype's name.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.dtype.name()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let show = |x: f64| PyFloat::new(py, x).call_method1("__format__", (".6g",))?.extract::<String>();
        let Floats { max, eps, smallest_normal, resolution } = self.floats;
        let (min, max, eps, tiny) = (show(-max)?, show(max)?, show(eps)?, show(smallest_normal)?);
        let (resolution, dtype) = (show(resolution)?, self.dtype);
        Ok(format!(
            "finfo(resolution={resolution}, min={min}, max={max}, eps={eps}, smallest_normal={tiny}, tiny={tiny}, \
             dtype={dtype})"
        ))
    }
}

/// The range of an integer dtype: ``bits``, ``min`` and ``max``. Raises DTypeError for other dtypes.
///
/// >>> import dlcore
/// >>> dlcore.iinfo(dlcore.int8)
/// iinfo(min=-128, max=127, dtype=int8)
#[pyclass(frozen, name = "iinfo", module = "dlcore")]
struct IInfo {
    dtype: DType,
    range: (i128, i128),
}

#[pymethods]
impl IInfo {
    #[new]
    fn new(r#type: DTypeArg) -> PyResult<Self> {
        let dtype = r#type.0;
        let range = dtype.integers();
        let range = range.ok_or_else(|| {
            DTypeError::new_err(format!("iinfo: expected an integer dtype, got {dtype}; floats have finfo"))
        })?;
        Ok(Self { dtype, range })
    }

    /// Bits of a number.
    #[getter]
    fn bits(&self) -> usize {
        8 * self.dtype.size()
    }

    /// The greatest number.
    #[getter]
    fn max<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        number(py, Scalar::Int(self.range.1))
    }

    /// The least number.
    #[getter]
    fn min<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        number(py, Scalar::Int(self.range.0))
    }

    /// The dtype's name.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.dtype.name()
    }

    fn __repr__(&self) -> String {
        format!("iinfo(min={}, max={}, dtype={})", self.range.0, self.range.1, self.dtype)
    }
}

/// The dtype of results of ``type1`` with ``type2``: of the higher kind (bool, integer, float), and within a kind the
/// smallest that holds both.
///
/// Raises DTypeError for uint64 with a signed integer type: no dtype holds both.
///
/// >>> dlcore.promote_types(dlcore.uint8, dlcore.int8)
/// dlcore.int16
/// >>> dlcore.promote_types(dlcore.int64, dlcore.bfloat16)
/// dlcore.bfloat16
#[pyfunction]
fn promote_types(py: Python<'_>, type1: DTypeArg, type2: DTypeArg) -> PyResult<Py<PyDType>> {
    PyDType::of(py, type1.0.promote("promote_types", type2.0).map_err(to_py)?)
}

/// The dtype of results of arithmetic on the arguments: tensors, dtypes and Python numbers, which adapt to the others as
/// far as their kind allows.
///
/// >>> dlcore.result_type(dlcore.ones(2, dtype=dlcore.int32), 1.5)
/// dlcore.float32
/// >>> dlcore.result_type(dlcore.ones(2, dtype=dlcore.int32), dlcore.uint32)
/// dlcore.int64
#[pyfunction]
#[pyo3(signature = (*tensors), text_signature = "(*tensors)")]
fn result_type(tensors: &Bound<'_, PyTuple>) -> PyResult<Py<PyDType>> {
    const NAME: &str = "result_type";
    let (mut strong, mut numbers): (Option<DType>, Vec<Scalar>) = (None, Vec::new());
    for item in tensors.iter() {
        let dtype = if let Ok(tensor) = item.cast::<PyTensor>() {
            tensor.get().get().dtype()
        } else if let Some(value) = scalar(&item)? {
            numbers.push(value);
            continue;
        } else {
            item.extract::<DTypeArg>()?.0
        };
        strong = Some(strong.map_or(Ok(dtype), |found| found.promote(NAME, dtype)).map_err(to_py)?);
    }
    for value in numbers {
        let dtype = strong.map_or_else(|| value.default_dtype(), |found| value.dtype_with(found));
        strong = Some(strong.map_or(Ok(dtype), |found| found.promote(NAME, dtype)).map_err(to_py)?);
    }
    let found = strong.ok_or_else(|| PyTypeError::new_err("result_type: expected at least one argument"))?;
    PyDType::of(tensors.py(), found)
}

/// Whether ``from_`` converts to ``to`` without going to a lower kind of number: bool, integer, float.
///
/// >>> dlcore.can_cast(dlcore.float64, dlcore.float16), dlcore.can_cast(dlcore.float16, dlcore.int64)
/// (True, False)
#[pyfunction]
fn can_cast(from_: DTypeArg, to: DTypeArg) -> bool {
    from_.0.can_cast(to.0)
}

/// The dtype of Python floats, of tensors made without a dtype, and of what division and mathematical functions make of
/// integers.
///
/// >>> dlcore.get_default_dtype()
/// dlcore.float32
#[pyfunction]
fn get_default_dtype(py: Python<'_>) -> PyResult<Py<PyDType>> {
    PyDType::of(py, DType::default_float())
}

/// Sets what ``get_default_dtype`` returns, for all threads. Raises DTypeError for dtypes that are not floats.
///
/// >>> dlcore.set_default_dtype(dlcore.float64)
/// >>> dlcore.tensor(1.5).dtype
/// dlcore.float64
/// >>> dlcore.set_default_dtype(dlcore.float32)
#[pyfunction]
#[pyo3(signature = (d, /))]
fn set_default_dtype(d: DTypeArg) -> PyResult<()> {
    d.0.set_default_float().map_err(to_py)
}

/// Registers the classes and functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    module.add_class::<FInfo>()?;
    module.add_class::<IInfo>()?;
    add!(promote_types result_type can_cast get_default_dtype set_default_dtype);
    Ok(())
}
