//! How tensors take part in differentiation, as their attributes and methods show it, and the ways into the engine.

use crate::convert::{Arg, tensors};
use crate::enter::{enter, to_py};
use crate::graph::{PyNode, RemovableHandle, hook, hook_on};
use crate::tensor::PyTensor;
use dlcore_core::autograd::engine::{self, Options};
use dlcore_core::autograd::mode;
use dlcore_core::autograd::node::Edge;
use dlcore_core::autograd::tensor::Tracking;
use dlcore_core::error::Error;
use dlcore_core::layout::Show;
use dlcore_core::{Result, Tensor};
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;

#[pymethods]
impl PyTensor {
    /// Whether gradients are computed for this tensor. Settable on leaves.
    ///
    /// >>> import dlcore
    /// >>> w = dlcore.ones(2)
    /// >>> w.requires_grad = True
    /// >>> (w * 2).requires_grad
    /// True
    #[getter]
    fn get_requires_grad(&self) -> bool {
        self.get().requires_grad()
    }

    #[setter]
    pub fn set_requires_grad(&self, value: bool) -> PyResult<()> {
        let tensor = self.get();
        match tensor.tracking() {
            Tracking::Node(..) if !value => Err(to_py(Error::gradient(
                "requires_grad",
                "only leaves can stop requiring a gradient; use detach() on the result of an operation",
            ))),
            Tracking::None | Tracking::Cut(_) if value => {
                tensor.close();
                self.set(Tensor::leaf(tensor.array().clone()).map_err(to_py)?);
                Ok(())
            }
            Tracking::Leaf(_) if !value => {
                self.set(tensor.detach());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sets ``requires_grad`` in place and returns the tensor.
    ///
    /// >>> import dlcore
    /// >>> dlcore.ones(2).requires_grad_()
    /// tensor([1., 1.], requires_grad=True)
    #[pyo3(signature = (requires_grad = true))]
    fn requires_grad_<'py>(slf: Bound<'py, Self>, requires_grad: bool) -> PyResult<Bound<'py, Self>> {
        slf.get().set_requires_grad(requires_grad)?;
        Ok(slf)
    }

    /// Whether no recorded operation made this tensor.
    ///
    /// >>> import dlcore
    /// >>> w = dlcore.ones(2, requires_grad=True)
    /// >>> w.is_leaf, (w * 2).is_leaf
    /// (True, False)
    #[getter]
    fn is_leaf(&self) -> bool {
        self.get().is_leaf()
    }

    /// The recorded operation that made this tensor, or None.
    ///
    /// >>> import dlcore
    /// >>> w = dlcore.ones(2, requires_grad=True)
    /// >>> (w * 2).grad_fn.name(), w.grad_fn
    /// ('mul', None)
    #[getter]
    fn grad_fn(&self) -> Option<PyNode> {
        match self.get().edge() {
            Some(edge @ Edge::Node(..)) => Some(PyNode(edge)),
            _ => None,
        }
    }

    /// The gradient that ``backward`` accumulated, or None. Settable.
    ///
    /// >>> import dlcore
    /// >>> w = dlcore.tensor([1.0, 2.0], requires_grad=True)
    /// >>> (w * w).sum().backward()
    /// >>> w.grad
    /// tensor([2., 4.])
    #[getter]
    fn get_grad(&self) -> Option<Self> {
        // Each look is a handle of its own: as a view it knows what is written through others.
        self.get().grad().map(|grad| grad.alias().into())
    }

    #[setter]
    fn set_grad(&self, value: Option<Arg>) -> PyResult<()> {
        let tensor = self.get();
        let Some(Arg(grad)) = value else {
            tensor.set_grad(None);
            return Ok(());
        };
        if grad.shape() != tensor.shape() || grad.dtype() != tensor.dtype() {
            return Err(to_py(Error::shape(
                "grad",
                format_args!(
                    "a {} gradient of shape {} for a {} tensor of shape {}",
                    grad.dtype(),
                    Show(grad.shape()),
                    tensor.dtype(),
                    Show(tensor.shape())
                ),
            )));
        }
        if !matches!(tensor.tracking(), Tracking::Leaf(_)) && !tensor.retains_grad() {
            return Err(to_py(Error::gradient("grad", "only a leaf that requires a gradient keeps one")));
        }
        tensor.set_grad(Some(grad));
        Ok(())
    }

    #[deleter]
    fn delete_grad(&self) {
        self.get().set_grad(None);
    }

    /// The same memory without a gradient.
    ///
    /// >>> import dlcore
    /// >>> w = dlcore.ones(2, requires_grad=True)
    /// >>> w.data.requires_grad, w.data.data_ptr() == w.data_ptr()
    /// (False, True)
    #[getter]
    fn get_data(&self) -> Self {
        self.detach()
    }

    #[setter]
    fn set_data(&self, value: Arg) -> PyResult<()> {
        let (tensor, value) = (self.get(), value.0.detach());
        if tensor.node().is_some() {
            return Err(to_py(Error::gradient(
                "data",
                "only a leaf takes new data; this is the result of an operation",
            )));
        }
        if tensor.grad().is_some() && value.shape() != tensor.shape() {
            return Err(to_py(Error::shape(
                "data",
                format_args!(
                    "{} for a tensor with a gradient of shape {}; set grad to None first",
                    Show(value.shape()),
                    Show(tensor.shape())
                ),
            )));
        }
        let now = match tensor.tracking() {
            Tracking::Leaf(_) => Tensor::new(value.array().clone(), tensor.tracking().clone()),
            _ => Tensor::from(value.array().clone()),
        };
        if now.dtype() != tensor.dtype() && tensor.requires_grad() {
            return Err(to_py(Error::dtype("data", format_args!("{} for a {} tensor", now.dtype(), tensor.dtype()))));
        }
        self.set(now);
        Ok(())
    }

    /// Computes the gradients of this tensor with respect to the leaves it came from and adds them to their ``grad``;
    /// with ``inputs``, a tensor or several, to the ``grad`` of those alone, leaves or not.
    ///
    /// ``gradient`` is required unless the tensor has one element; it has this tensor's shape and dtype. ``retain_graph``
    /// keeps what was saved for a second walk; ``create_graph`` records the walk itself, for higher derivatives.
    /// A gradient recorded so refers to its leaf and the leaf to it: set ``grad`` to None when done, or use
    /// ``dlcore.autograd.grad``, which keeps no such ring.
    #[pyo3(signature = (gradient = None, retain_graph = None, create_graph = false, inputs = None))]
    fn backward(
        &self,
        py: Python<'_>,
        gradient: Option<Arg>,
        retain_graph: Option<bool>,
        create_graph: bool,
        inputs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = Options { retain_graph: retain_graph.unwrap_or(create_graph), create_graph };
        walk(py, vec![self.get()], vec![gradient.map(|g| g.0)], inputs, options)
    }

    /// The same memory without a place in the graph.
    ///
    /// >>> import dlcore
    /// >>> w = dlcore.ones(2, requires_grad=True)
    /// >>> (w * 2).detach()
    /// tensor([2., 2.])
    fn detach(&self) -> Self {
        Tensor::from(self.get().array().clone()).into()
    }

    /// Forgets how this tensor was computed, in place. Where it has views, which do not forget, it can be written no more
    /// but under ``no_grad``.
    ///
    /// >>> import dlcore
    /// >>> y = dlcore.ones(2, requires_grad=True) * 2
    /// >>> y.detach_().requires_grad
    /// False
    fn detach_<'py>(slf: Bound<'py, Self>) -> Bound<'py, Self> {
        let tensor = slf.get().get();
        // It is in this one and in `slf`.
        slf.get().set(tensor.cut_off(2));
        slf
    }

    /// Lets ``backward`` keep the gradient by this result of an operation in its ``grad``; leaves keep theirs anyway.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.tensor(3.0, requires_grad=True)
    /// >>> y = x * 2
    /// >>> y.retain_grad()
    /// >>> (y * y).backward()
    /// >>> y.grad
    /// tensor(12.)
    fn retain_grad(&self) -> PyResult<()> {
        let tensor = self.get();
        if !tensor.requires_grad() {
            return Err(to_py(Error::gradient("retain_grad", "this tensor does not require a gradient")));
        }
        tensor.retain_grad();
        Ok(())
    }

    /// Whether ``retain_grad`` was called for this result of an operation.
    ///
    /// >>> import dlcore
    /// >>> y = dlcore.ones(2, requires_grad=True) * 2
    /// >>> y.retain_grad()
    /// >>> y.retains_grad
    /// True
    #[getter]
    fn retains_grad(&self) -> bool {
        self.get().retains_grad()
    }

    /// How often the memory was written in place; views share the count.
    #[getter]
    fn _version(&self) -> u64 {
        self.get().array().storage().version()
    }

    /// Calls ``hook(grad)`` whenever ``backward`` has computed the gradient by this tensor. What it returns, unless
    /// None, takes the gradient's place; it has the same shape and dtype. The handle's ``remove()`` ends it.
    ///
    /// Hooks run in the order of their registration. Raises GradientError for a tensor that requires no gradient.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.ones(2, requires_grad=True)
    /// >>> handle = x.register_hook(lambda grad: grad * 10)
    /// >>> (x * 3).sum().backward()
    /// >>> x.grad
    /// tensor([30., 30.])
    /// >>> handle.remove()
    fn register_hook(&self, hook: Bound<'_, PyAny>) -> PyResult<RemovableHandle> {
        let edge = self.get().edge().ok_or_else(|| {
            to_py(Error::gradient(
                "register_hook",
                "this tensor does not require a gradient; call requires_grad_() on it first",
            ))
        })?;
        let (hook, kept) = self::hook(&hook)?;
        Ok(RemovableHandle::new(edge.add_hook(hook, kept), &edge))
    }

    /// Calls ``hook(tensor)`` whenever ``backward`` has added to the ``grad`` of this leaf, as soon as no more can come
    /// in that walk: a place to take an optimizer's step and set ``grad`` to None.
    ///
    /// >>> import dlcore
    /// >>> w = dlcore.ones(2, requires_grad=True)
    /// >>> handle = w.register_post_accumulate_grad_hook(lambda w: print(w.grad))
    /// >>> (w * 3).sum().backward()
    /// tensor([3., 3.])
    fn register_post_accumulate_grad_hook(slf: &Bound<'_, Self>, hook: Bound<'_, PyAny>) -> PyResult<RemovableHandle> {
        let Some(Edge::Leaf(leaf)) = slf.get().get().edge() else {
            return Err(to_py(Error::gradient(
                "register_post_accumulate_grad_hook",
                "only a leaf that requires a gradient accumulates one; use register_hook",
            )));
        };
        // The leaf must not keep its handle alive, which keeps the leaf.
        let (hook, kept) = hook_on(&hook, PyWeakrefReference::new(slf)?.unbind())?;
        let id = leaf.change_watch(|watch| watch.after.add(hook, kept));
        Ok(RemovableHandle::new(id, &Edge::Leaf(leaf)))
    }
}

/// A tensor, a sequence of tensors, or None for none.
fn list(value: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Tensor>> {
    match value {
        None => Ok(Vec::new()),
        Some(value) => match value.cast::<PyTensor>() {
            Ok(one) => Ok(vec![one.get().get()]),
            Err(_) => tensors(value),
        },
    }
}

/// One gradient for each of `count` outputs, or none.
fn seeds(op: &str, given: Option<&Bound<'_, PyAny>>, count: usize) -> PyResult<Vec<Option<Tensor>>> {
    let Some(given) = given else { return Ok(vec![None; count]) };
    if let Ok(one) = given.cast::<PyTensor>() {
        return seeds_for(op, vec![Some(one.get().get())], count);
    }
    let each = given.try_iter()?.map(|item| Ok(item?.extract::<Option<Arg>>()?.map(|arg| arg.0)));
    seeds_for(op, each.collect::<PyResult<_>>()?, count)
}

fn seeds_for(op: &str, seeds: Vec<Option<Tensor>>, count: usize) -> PyResult<Vec<Option<Tensor>>> {
    if seeds.len() == count {
        return Ok(seeds);
    }
    Err(to_py(Error::gradient(op, format_args!("{} gradients for {count} outputs", seeds.len()))))
}

/// The gradients of ``outputs`` with respect to ``inputs``; what ``dlcore.autograd.grad`` calls.
#[pyfunction]
#[pyo3(signature = (outputs, inputs, grad_outputs = None, retain_graph = None, create_graph = false, allow_unused = false))]
fn autograd_grad(
    py: Python<'_>,
    outputs: &Bound<'_, PyAny>,
    inputs: &Bound<'_, PyAny>,
    grad_outputs: Option<&Bound<'_, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    allow_unused: bool,
) -> PyResult<Vec<Option<PyTensor>>> {
    let (outputs, inputs) = (list(Some(outputs))?, list(Some(inputs))?);
    if inputs.is_empty() {
        return Err(to_py(Error::gradient("grad", "inputs is empty; name the tensors that it is the gradient of")));
    }
    let seeds = seeds("grad", grad_outputs, outputs.len())?;
    let options = Options { retain_graph: retain_graph.unwrap_or(create_graph), create_graph };
    let found = enter(py, usize::MAX, move || {
        let found = engine::grad(&outputs, &seeds, &inputs, options)?;
        match found.iter().position(Option::is_none) {
            Some(i) if !allow_unused => Err(Error::gradient(
                "grad",
                format_args!("input {i} has no part in the outputs; pass allow_unused=True to get None for it"),
            )),
            _ => Ok(found),
        }
    })?;
    Ok(found.into_iter().map(|grad| grad.map(PyTensor::from)).collect())
}

/// Adds gradients to ``grad``; what ``dlcore.autograd.backward`` calls.
#[pyfunction]
#[pyo3(signature = (tensors, grad_tensors = None, retain_graph = None, create_graph = false, inputs = None))]
fn autograd_backward(
    py: Python<'_>,
    tensors: &Bound<'_, PyAny>,
    grad_tensors: Option<&Bound<'_, PyAny>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    inputs: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let outputs = list(Some(tensors))?;
    let seeds = seeds("backward", grad_tensors, outputs.len())?;
    let options = Options { retain_graph: retain_graph.unwrap_or(create_graph), create_graph };
    walk(py, outputs, seeds, inputs, options)
}

fn walk(
    py: Python<'_>,
    outputs: Vec<Tensor>,
    seeds: Vec<Option<Tensor>>,
    inputs: Option<&Bound<'_, PyAny>>,
    options: Options,
) -> PyResult<()> {
    let given = inputs.is_some();
    let inputs = list(inputs)?;
    if given && inputs.is_empty() {
        return Err(to_py(Error::gradient("backward", "inputs= is empty; leave it out to reach all leaves")));
    }
    // A walk is as large as its graph, which nobody has counted: always let others run.
    enter(py, usize::MAX, move || -> Result<()> {
        if given {
            engine::backward_into(&outputs, &seeds, &inputs, options)
        } else {
            engine::backward(&outputs, &seeds, options)
        }
    })
}

/// Whether operations are recorded on this thread.
///
/// >>> with dlcore.no_grad():
/// ...     dlcore.is_grad_enabled()
/// False
#[pyfunction]
fn is_grad_enabled() -> bool {
    mode::is_recording()
}

/// Sets whether operations are recorded on this thread; returns what it was.
#[pyfunction]
fn _set_grad_enabled(mode: bool) -> bool {
    mode::set_recording(mode)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(autograd_grad, module)?)?;
    module.add_function(wrap_pyfunction!(autograd_backward, module)?)?;
    module.add_function(wrap_pyfunction!(is_grad_enabled, module)?)?;
    module.add_function(wrap_pyfunction!(_set_grad_enabled, module)?)
}
