//! What this process uses of the machine: instruction set, threads, memory.

use crate::enter::enter;
use dlcore_kernels::{isa, memory, parallel, roofline};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The instruction set in use: ``"avx512"``, ``"avx2"``, ``"neon"`` or ``"portable"``.
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

/// Bytes per second at which all threads read a working set of ``bytes``, measured now.
#[pyfunction]
fn read_bandwidth(py: Python<'_>, bytes: usize) -> PyResult<f64> {
    enter(py, usize::MAX, || Ok(roofline::read_bandwidth(bytes)))
}

/// Counters of the memory that tensors use, in bytes.
///
/// >>> before = dlcore.memory_stats()["live_bytes"]
/// >>> x = dlcore.zeros(1000)
/// >>> dlcore.memory_stats()["live_bytes"] - before >= 4000
/// True
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

/// Returns memory that is kept for reuse to the system.
///
/// >>> dlcore.empty_cache()
/// >>> dlcore.memory_stats()["cached_bytes"]
/// 0
#[pyfunction]
fn empty_cache() {
    memory::empty_cache();
}

/// Keeps at most this many bytes for reuse; zero turns the cache off.
///
/// >>> limit = dlcore.memory_stats()["cache_limit"]
/// >>> dlcore.set_memory_cache_limit(0)
/// >>> dlcore.set_memory_cache_limit(limit)
#[pyfunction]
fn set_memory_cache_limit(bytes: usize) {
    memory::set_cache_limit(bytes);
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(isa_name isa_reason get_num_threads set_num_threads threads_reason peak_flops read_bandwidth memory_stats empty_cache set_memory_cache_limit);
    Ok(())
}
