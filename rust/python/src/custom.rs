//! Functions that users differentiate themselves (``autograd.Function``): recorded whole, whatever happened inside.

use crate::enter::{raised, to_py};
use crate::tensor::PyTensor;
use dlcore_core::autograd::hooks::Kept;
use dlcore_core::autograd::inplace;
use dlcore_core::autograd::mode;
use dlcore_core::autograd::node::{Backward, Gradients, Node};
use dlcore_core::autograd::saved::Saved;
use dlcore_core::autograd::tensor::{Kind, Tracking};
use dlcore_core::error::{Error, Result};
use dlcore_core::layout::{Dims, Show};
use dlcore_core::{Array, DType, Tensor, ops};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::sync::{Arc, OnceLock, Weak};

/// Shape and dtype of an argument or result; None for one that is no tensor.
type Described = Option<(Dims, DType)>;

/// How a function of the user's goes back.
struct Custom {
    name: String,
    backward: Py<PyAny>,
    context: Arc<Py<PyAny>>,
    inputs: Vec<Described>,
    outputs: Vec<Described>,
    /// Whether zeros are passed for an output to which no gradient came, instead of None.
    materialize: bool,
    keeps: bool,
}

impl Backward for Custom {
    fn backward(&self, _: &Arc<Node>, arrived: &[Option<Tensor>]) -> Result<Gradients> {
        let mut gradients = Vec::with_capacity(self.outputs.len());
        for (i, output) in self.outputs.iter().enumerate() {
            gradients.push(match (arrived.get(i).cloned().flatten(), output) {
                (None, Some((shape, dtype))) if self.materialize => {
                    Some(Array::zeros("backward", shape, *dtype)?.into())
                }
                (gradient, _) => gradient,
            });
        }
        let found = Python::attach(|py| self.call(py, gradients)).map_err(raised)?;
        self.checked(found)
    }

    fn keeps_values(&self) -> bool {
        self.keeps
    }

    fn inputs(&self) -> Vec<Described> {
        self.inputs.clone()
    }

    fn kept(&self, see: &mut dyn FnMut(&Kept)) {
        let context: Kept = self.context.clone();
        see(&context);
    }
}

impl Custom {
    fn call(&self, py: Python<'_>, gradients: Vec<Option<Tensor>>) -> PyResult<Vec<Option<Tensor>>> {
        let gradients = gradients.into_iter().map(|gradient| gradient.map(PyTensor::from).into_pyobject(py));
        let arguments = gradients.collect::<PyResult<Vec<_>>>()?;
        let arguments = [self.context.bind(py).clone()].into_iter().chain(arguments);
        let found = self.backward.call1(py, PyTuple::new(py, arguments.collect::<Vec<_>>())?)?;
        let found = found.bind(py);
        let each: Vec<Bound<'_, PyAny>> = match found.cast::<PyTuple>() {
            Ok(found) => found.iter().collect(),
            Err(_) => match found.cast::<PyList>() {
                Ok(found) => found.iter().collect(),
                Err(_) => vec![found.clone()],
            },
        };
        each.into_iter().map(|one| Ok(one.extract::<Option<crate::convert::Arg>>()?.map(|one| one.0))).collect()
    }

    /// The gradients that the function returned, as its inputs need them.
    fn checked(&self, found: Vec<Option<Tensor>>) -> Result<Gradients> {
        let (name, inputs) = (&self.name, &self.inputs);
        if found.len() < inputs.len() || found[inputs.len()..].iter().any(Option::is_some) {
            return Err(Error::gradient(
                name,
                format_args!(
                    "backward returned {} gradients for {} inputs; return None for an input without one",
                    found.len(),
                    inputs.len()
                ),
            ));
        }
        let check = |(i, (gradient, input)): (usize, (Option<Tensor>, &Described))| {
            let Some(gradient) = gradient else { return Ok(None) };
            let Some((shape, dtype)) = input else {
                return Err(Error::gradient(
                    name,
                    format_args!("backward returned a gradient for input {i}, which is no tensor; return None"),
                ));
            };
            let wrong = |_| {
                Error::shape(
                    name,
                    format_args!(
                        "backward returned a gradient of shape {} for input {i} of shape {}",
                        Show(gradient.shape()),
                        Show(shape)
                    ),
                )
            };
            let gradient = if gradient.shape() == &shape[..] {
                gradient.clone()
            } else {
                ops::sum_to(&gradient, shape).map_err(wrong)?
            };
            ops::cast(&gradient, *dtype).map(Some)
        };
        found.into_iter().zip(inputs).enumerate().map(check).collect()
    }
}

/// What a function saved for its backward.
#[pyclass(frozen, module = "dlcore._core")]
struct SavedTensors {
    name: String,
    values: Vec<Value>,
    /// Weak: the node has this, through its context.
    node: OnceLock<Weak<Node>>,
}

enum Value {
    Nothing,
    Input(Saved<Tensor>),
    /// An output by its number: it owns the node, and must not be owned by it.
    Output(u32, Saved<Array>),
}

#[pymethods]
impl SavedTensors {
    /// The tensors, as they were saved.
    fn get(&self) -> PyResult<Vec<Option<PyTensor>>> {
        let value = |value: &Value| {
            Ok(match value {
                Value::Nothing => None,
                Value::Input(value) => Some(value.get(&self.name)?),
                Value::Output(output, value) => {
                    let node = self.node.get().and_then(Weak::upgrade);
                    let tracking = node.map_or(Tracking::None, |node| Tracking::Node(node, *output));
                    Some(Tensor::new(value.get(&self.name)?, tracking))
                }
            })
        };
        let values = self.values.iter().map(value).collect::<Result<Vec<_>>>().map_err(to_py)?;
        Ok(values.into_iter().map(|value| value.map(PyTensor::from)).collect())
    }
}

/// Makes the ``outputs`` of a function of ``args`` its results in the graph, if it is to be recorded.
///
/// Of the outputs those in ``constant`` take no gradient; ``dirty`` are the inputs that the function wrote. Returns the
/// outputs and what to give to the function's backward.
#[pyfunction]
fn _record_function<'py>(
    py: Python<'py>,
    name: String,
    backward: Py<PyAny>,
    context: Py<PyAny>,
    args: &Bound<'py, PyTuple>,
    outputs: &Bound<'py, PyTuple>,
    saved: &Bound<'py, PyTuple>,
    dirty: &Bound<'py, PyTuple>,
    constant: &Bound<'py, PyTuple>,
    materialize: bool,
) -> PyResult<(Bound<'py, PyTuple>, Option<SavedTensors>)> {
    let inputs: Vec<Option<Tensor>> = args.iter().map(|arg| tensor(&arg)).collect();
    let is_among = |object: &Bound<'py, PyAny>, list: &Bound<'py, PyTuple>| list.iter().any(|other| other.is(object));
    let recorded = mode::is_recording() && inputs.iter().flatten().any(Tensor::requires_grad);
    for written in dirty.iter() {
        if !is_among(&written, args) || !is_among(&written, outputs) {
            return Err(to_py(Error::gradient(&name, "mark_dirty is for inputs that the function also returns")));
        }
        if let (true, Some(written)) = (recorded, tensor(&written)) {
            inplace::check(&name, &written).map_err(to_py)?;
        }
    }
    if !recorded {
        return Ok((outputs.clone(), None));
    }
    let described = |tensor: &Tensor| (tensor.array().dims(), tensor.dtype());
    let results: Vec<Option<Tensor>> = outputs.iter().map(|output| tensor(&output)).collect();
    let mut values = Vec::with_capacity(saved.len());
    for object in saved.iter() {
        let output = outputs.iter().position(|output| output.is(&object) && !is_among(&output, args));
        values.push(match (tensor(&object), output) {
            (None, _) => Value::Nothing,
            (Some(value), None) => Value::Input(Saved::input(&value).map_err(to_py)?),
            (Some(value), Some(output)) => {
                let output = u32::try_from(output).unwrap_or(u32::MAX);
                Value::Output(output, Saved::output(value.array()).map_err(to_py)?)
            }
        });
    }
    let body = Custom {
        name: name.clone(),
        backward,
        context: Arc::new(context),
        inputs: inputs.iter().map(|input| input.as_ref().map(described)).collect(),
        outputs: results.iter().map(|output| output.as_ref().map(described)).collect(),
        materialize,
        keeps: !values.is_empty(),
    };
    let edges = inputs.iter().map(|input| input.as_ref().and_then(Tensor::edge)).collect();
    let node = Node::new(name.clone(), edges, Arc::new(body));
    let mut placed = Vec::with_capacity(results.len());
    for (i, (object, result)) in (0u32..).zip(outputs.iter().zip(results)) {
        let Some(result) = result else {
            placed.push(object);
            continue;
        };
        let smooth = result.dtype().is_float() && !is_among(&object, constant);
        let tracking = if smooth { Tracking::Node(node.clone(), i) } else { Tracking::None };
        let array = result.array().clone();
        if is_among(&object, dirty) {
            const WRITER: &str = "a function that marked it dirty";
            array.storage().written_by(WRITER);
            let value = Tensor::new(array, tracking);
            object.cast::<PyTensor>()?.get().set(inplace::written(WRITER, &result, &value).map_err(to_py)?);
            placed.push(object);
            continue;
        }
        let now = match inputs.iter().flatten().find(|input| input.array().shares_storage(&array)) {
            Some(input) => input.viewed_as(array, tracking, Kind::Custom),
            None => Tensor::new(array, tracking),
        };
        // What came from elsewhere keeps its own place in the graph.
        if is_among(&object, args) || result.requires_grad() {
            placed.push(Bound::new(py, PyTensor::from(now))?.into_any());
        } else {
            object.cast::<PyTensor>()?.get().set(now);
            placed.push(object);
        }
    }
    let saved = SavedTensors { name, values, node: OnceLock::from(Arc::downgrade(&node)) };
    Ok((PyTuple::new(py, placed)?, Some(saved)))
}

fn tensor(object: &Bound<'_, PyAny>) -> Option<Tensor> {
    object.cast::<PyTensor>().ok().map(|tensor| tensor.get().get())
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<SavedTensors>()?;
    module.add_function(wrap_pyfunction!(_record_function, module)?)
}
