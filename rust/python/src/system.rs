//! What this process uses of the machine: instruction set, threads, memory.

use crate::enter::enter;
use dlcore_kernels::gemm::{self, Precision};
use dlcore_kernels::{isa, memory, parallel, roofline};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The instruction set in use: ``"amx"``, ``"avx512"``, ``"avx2"``, ``"neon"`` or ``"portable"``.
#[pyfunction]
#[pyo3(name = "isa")]
fn isa_name() -> &'static str {
    isa::isa().name()
}

/// Why that instruction set, in one line.
#[pyfunction]
fn isa_reason() -> String {
    isa::describe()
}

/// Threads that one operation may use.
///
/// >>> dlcore.get_num_threads() >= 1
/// True
#[pyfunction]
fn get_num_threads() -> usize {
    parallel::num_threads()
}

/// Sets how many threads one operation may use. Results do not depend on it, bit for bit.
///
/// >>> threads = dlcore.get_num_threads()
/// >>> dlcore.set_num_threads(1)
/// >>> dlcore.set_num_threads(threads)
#[pyfunction]
fn set_num_threads(threads: isize) -> PyResult<()> {
    match usize::try_from(threads) {
        Ok(threads) if threads > 0 => {
            parallel::set_num_threads(threads);
            Ok(())
        }
        _ => Err(PyValueError::new_err(format!("set_num_threads: there must be at least one thread, got {threads}"))),
    }
}

/// Why that many threads, in one line.
#[pyfunction]
fn threads_reason() -> String {
    parallel::why()
}

/// Float32 operations per second of which this machine is capable, measured now, on all threads (about 50 ms).
#[pyfunction]
fn peak_flops(py: Python<'_>) -> PyResult<f64> {
    enter(py, usize::MAX, || Ok(roofline::flops()))
}

/// Operations per second on bfloat16 of which this machine's tiles (AMX) are capable, measured now on all threads;
/// None where it has none.
#[pyfunction]
fn peak_bfloat16_flops(py: Python<'_>) -> PyResult<Option<f64>> {
    enter(py, usize::MAX, || Ok(roofline::bfloat16_flops()))
}

/// The names of the precisions.
const PRECISIONS: [(&str, Precision); 4] = [
    ("ieee", Precision::Ieee),
    ("highest", Precision::Highest),
    ("high", Precision::High),
    ("medium", Precision::Medium),
];

/// How exactly float32 matrix products, and convolutions, are computed: see ``set_float32_matmul_precision``.
///
/// >>> dlcore.get_float32_matmul_precision()
/// 'highest'
#[pyfunction]
fn get_float32_matmul_precision() -> &'static str {
    let precision = gemm::precision();
    PRECISIONS.into_iter().find(|(_, p)| *p == precision).map_or("highest", |(name, _)| name)
}

/// Sets how exactly float32 matrix products, and convolutions, are computed from now on, in all threads.
///
/// It changes something only where the CPU multiplies bfloat16 in tiles (Intel AMX); elsewhere all four are the first.
/// Large products are then sums of products of bfloat16 terms, accumulated in float32 (Henry, Tang and Heinecke 2019,
/// "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations"):
///
/// - ``"ieee"``: chains of float32 multiply-adds, the same bits on every CPU that has them;
/// - ``"highest"`` (at first): as accurate as those chains; six products of terms where that is faster;
/// - ``"high"``: three products of terms, about 2^-16 of relative error;
/// - ``"medium"``: one product of numbers rounded to bfloat16, about 2^-8.
///
/// Infinity, NaN and numbers too small or too large for the terms are computed as ``"ieee"`` does in all but
/// ``"medium"``, which takes subnormal numbers for zero. Products of float16 are float32 products, rounded once: the
/// setting holds for them too. Those of bfloat16 and float64 do not change.
///
/// Raises ValueError for any other name.
///
/// >>> dlcore.set_float32_matmul_precision("high")
/// >>> dlcore.set_float32_matmul_precision("highest")
#[pyfunction]
fn set_float32_matmul_precision(precision: &str) -> PyResult<()> {
    let Some((_, precision)) = PRECISIONS.into_iter().find(|(name, _)| *name == precision) else {
        return Err(PyValueError::new_err(format!(
            "set_float32_matmul_precision: expected \"highest\", \"high\", \"medium\" or \"ieee\", got {precision:?}"
        )));
    };
    gemm::set_precision(precision);
    Ok(())
}

/// Bytes per second at which all threads read a working set of ``bytes``, measured now.
#[pyfunction]
fn read_bandwidth(py: Python<'_>, bytes: usize) -> PyResult<f64> {
    enter(py, usize::MAX, || Ok(roofline::read_bandwidth(bytes)))
}

/// See ``dlcore.memory.stats``.
#[pyfunction]
fn memory_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let stats = memory::stats();
    let out = PyDict::new(py);
    out.set_item("live_bytes", stats.live_bytes)?;
    out.set_item("cached_bytes", stats.cached_bytes)?;
    out.set_item("peak_bytes", stats.peak_bytes)?;
    out.set_item("allocations", stats.allocations)?;
    out.set_item("cache_hits", stats.cache_hits)?;
    out.set_item("cache_limit", stats.cache_limit)?;
    Ok(out)
}

/// Why the cache has its limit, in one line.
#[pyfunction]
fn memory_reason() -> String {
    memory::why()
}

/// See ``dlcore.memory.reset_peak``.
#[pyfunction]
fn memory_reset_peak() {
    memory::reset_peak();
}

/// See ``dlcore.memory.empty_cache``.
#[pyfunction]
fn memory_empty_cache(py: Python<'_>) -> PyResult<()> {
    enter(py, usize::MAX, || {
        memory::empty_cache();
        Ok(())
    })
}

/// See ``dlcore.memory.get_limit``.
#[pyfunction]
fn memory_limit() -> Option<usize> {
    memory::limit()
}

/// See ``dlcore.memory.set_limit``.
#[pyfunction]
#[pyo3(signature = (bytes))]
fn memory_set_limit(bytes: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    memory::set_limit(size("set_limit", bytes)?);
    Ok(())
}

/// See ``dlcore.memory.set_cache_limit``.
#[pyfunction]
#[pyo3(signature = (bytes))]
fn memory_set_cache_limit(bytes: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    memory::set_cache_limit(size("set_cache_limit", bytes)?);
    Ok(())
}

fn size(op: &str, bytes: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    let Some(bytes) = bytes else { return Ok(None) };
    let Ok(number) = bytes.extract::<isize>() else {
        let got = bytes.repr()?;
        return Err(PyTypeError::new_err(format!("{op}: expected a whole number of bytes, such as 2**30, got {got}")));
    };
    usize::try_from(number)
        .map(Some)
        .map_err(|_| PyValueError::new_err(format!("{op}: a number of bytes is not negative; got {number}")))
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(isa_name isa_reason get_num_threads set_num_threads threads_reason);
    add!(peak_flops peak_bfloat16_flops read_bandwidth);
    add!(get_float32_matmul_precision set_float32_matmul_precision);
    add!(memory_stats memory_reason memory_reset_peak memory_empty_cache memory_limit memory_set_limit memory_set_cache_limit);
    Ok(())
}
