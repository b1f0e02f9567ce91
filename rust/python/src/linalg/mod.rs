//! Linear algebra: what `dlcore.linalg` offers, and its older names among the tensor functions.

#![allow(non_snake_case, reason = "arguments have their names in PyTorch")]

mod factors;
mod norms;
mod older;
mod products;
mod systems;

use dlcore_core::Tensor;
pub use norms::nuclear_norm;
use pyo3::prelude::*;

type Out<'py> = PyResult<Bound<'py, PyAny>>;

/// About how many multiplications matrices take that are decomposed, or multiplied by one another.
fn work(matrices: &[&Tensor]) -> usize {
    let elements = matrices.iter().map(|x| x.numel()).fold(0, usize::saturating_add);
    let longest = matrices.iter().filter_map(|x| x.shape().iter().rev().take(2).max()).max();
    elements.saturating_mul(longest.copied().unwrap_or(1))
}

/// Several tensors as a named tuple; those of `out`, where it is given, with the values written to them.
macro_rules! named {
    ($py:expr, $name:literal, [$($field:literal),+], $values:expr, $out:expr) => {{
        static TYPE: pyo3::sync::PyOnceLock<[Py<PyAny>; 2]> = pyo3::sync::PyOnceLock::new();
        let make = || -> PyResult<[Py<PyAny>; 2]> {
            let named = $py.import("dlcore.named")?.getattr("_type")?;
            // What the type's own `_make` calls, at a third of the time.
            let new = $py.get_type::<pyo3::types::PyTuple>().getattr("__new__")?;
            Ok([new.unbind(), named.call1(($name, ($($field,)+)))?.unbind()])
        };
        let values = $crate::function::placed($py, $name, $values.into_iter().collect(), $out)?;
        let [new, named] = TYPE.get_or_try_init($py, make)?;
        new.bind($py).call1((named, values))
    }};
}
pub(crate) use named;

/// Adds functions to the module.
macro_rules! add {
    ($module:expr, $($name:ident)*) => { $($module.add_function(wrap_pyfunction!($name, $module)?)?;)* };
}
use add;

/// Registers the functions of this folder.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    norms::register(module)?;
    systems::register(module)?;
    factors::register(module)?;
    products::register(module)?;
    older::register(module)
}
