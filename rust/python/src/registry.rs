//! The list of operations and their examples, for the tests that are generated from it.

use crate::convert::tensors;
use crate::enter::enter;
use crate::tensor::PyTensor;
use dlcore_core::ops::registry;
use dlcore_core::ops::sample::{Domain, Entry, Example, Param};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// An operation: its name, whether it has a gradient, and its examples.
#[pyclass(frozen, name = "Operation", module = "dlcore._core")]
struct PyOperation(Entry);

/// What an operation is applied to, with its parameters.
#[pyclass(frozen, name = "Example", module = "dlcore._core")]
struct PyExample(Example);

#[pymethods]
impl PyOperation {
    /// The operation's name.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name
    }

    /// Whether the operation has a gradient.
    #[getter]
    fn differentiable(&self) -> bool {
        self.0.differentiable
    }

    /// The operation's examples.
    fn examples(&self) -> Vec<PyExample> {
        (self.0.examples)().into_iter().map(PyExample).collect()
    }

    fn __repr__(&self) -> String {
        format!("Operation({:?})", self.0.name)
    }
}

#[pymethods]
impl PyExample {
    /// Per input its shape, the name of its values' domain, and for indices the bound.
    #[getter]
    fn inputs(&self) -> Vec<(Vec<usize>, &'static str, Option<i64>)> {
        let describe = |domain| match domain {
            Domain::Real => ("real", None),
            Domain::Positive => ("positive", None),
            Domain::Unit => ("unit", None),
            Domain::Invertible => ("invertible", None),
            Domain::PositiveDefinite => ("positive_definite", None),
            Domain::AboveOne => ("above_one", None),
            Domain::AwayFromZero => ("away_from_zero", None),
            Domain::Distinct => ("distinct", None),
            Domain::Index(below) => ("index", Some(below)),
            Domain::Bool => ("bool", None),
        };
        self.0
            .inputs
            .iter()
            .map(|input| {
                let (name, below) = describe(input.domain);
                (input.shape.clone(), name, below)
            })
            .collect()
    }

    /// The operation's parameters by name.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        for (name, value) in &self.0.params {
            match value {
                Param::None => out.set_item(name, py.None())?,
                Param::Bool(value) => out.set_item(name, value)?,
                Param::Int(value) => out.set_item(name, value)?,
                Param::Float(value) => out.set_item(name, value)?,
                Param::Ints(values) => out.set_item(name, PyTuple::new(py, values)?)?,
                Param::Text(value) => out.set_item(name, value)?,
            }
        }
        Ok(out)
    }

    /// Applies the operation to tensors; all its outputs.
    fn run(&self, py: Python<'_>, inputs: &Bound<'_, PyAny>) -> PyResult<Vec<PyTensor>> {
        let inputs = tensors(inputs)?;
        let outputs = enter(py, usize::MAX, || (self.0.run)(&inputs.iter().collect::<Vec<_>>()))?;
        Ok(outputs.into_iter().map(PyTensor::from).collect())
    }
}

/// Every operation, with examples: what the tests are generated from.
#[pyfunction]
fn operations() -> Vec<PyOperation> {
    registry().into_iter().map(PyOperation).collect()
}

/// Registers the classes and the function of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyOperation>()?;
    module.add_class::<PyExample>()?;
    module.add_function(wrap_pyfunction!(operations, module)?)
}
