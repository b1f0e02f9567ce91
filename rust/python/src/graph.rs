//! The recorded graph as Python sees it, and the user's functions that the engine calls: hooks on gradients, on what is
//! saved, and the one that knows where the program is.

use crate::convert::Arg;
use crate::enter::raised;
use crate::tensor::PyTensor;
use dlcore_core::autograd::hooks::{After, Before, Hook, Kept};
use dlcore_core::autograd::node::{Edge, Metadata, WeakEdge};
use dlcore_core::autograd::saved::{self, Packed};
use dlcore_core::autograd::{mode, trace};
use dlcore_core::{Result, Tensor};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyWeakrefMethods, PyWeakrefReference};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// A recorded operation, or the leaf where gradients end: what ``Tensor.grad_fn`` shows of the graph.
///
/// >>> import dlcore
/// >>> x = dlcore.ones(2, requires_grad=True)
/// >>> node = (x * 2).sum().grad_fn
/// >>> node.name(), node.next_functions
/// ('sum', ((<mul>, 0),))
#[pyclass(frozen, name = "Node", module = "dlcore.autograd.graph")]
pub struct PyNode(pub Edge);

impl PyNode {
    /// The place without the output's number.
    fn key(&self) -> usize {
        self.0.key().0
    }

    fn text(&self) -> &str {
        match &self.0 {
            Edge::Leaf(_) => "accumulate_grad",
            Edge::Node(node, _) => node.name(),
        }
    }
}

#[pymethods]
impl PyNode {
    /// Name of the operation; ``"accumulate_grad"`` for a leaf.
    fn name(&self) -> &str {
        self.text()
    }

    /// For each input of the operation where its gradient goes: a node and the number of that node's output, or
    /// ``(None, 0)`` where the input takes no part.
    #[getter]
    fn next_functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let Edge::Node(node, _) = &self.0 else { return Ok(PyTuple::empty(py)) };
        let pair = |edge: &Option<Edge>| match edge {
            None => (None, 0),
            Some(edge) => (Some(Self(edge.clone())), edge.key().1),
        };
        PyTuple::new(
            py,
            node.edges().iter().map(pair).map(|pair| pair.into_pyobject(py)).collect::<PyResult<Vec<_>>>()?,
        )
    }

    /// Shapes of the inputs, None for those that are no tensors; empty for a leaf and after the graph was freed.
    #[getter]
    fn input_shapes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let body = match &self.0 {
            Edge::Leaf(_) => None,
            Edge::Node(node, _) => node.body(),
        };
        let inputs = body.map(|body| body.inputs()).unwrap_or_default();
        let shapes = inputs.into_iter().map(|input| input.map(|(shape, _)| PyTuple::new(py, shape)).transpose());
        PyTuple::new(py, shapes.collect::<PyResult<Vec<_>>>()?)
    }

    /// Where in the program the operation was recorded, if that was under ``detect_anomaly``.
    #[getter]
    fn origin(&self) -> Option<&str> {
        match &self.0 {
            Edge::Leaf(_) => None,
            Edge::Node(node, _) => node.origin(),
        }
    }

    /// A dict for what a program wants to keep here, as long as the graph lives.
    #[getter]
    fn metadata(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let kept = self.0.metadata(|| Arc::new(PyDict::new(py).unbind()) as Metadata);
        let kept = kept.downcast_ref::<Py<PyDict>>().map(|dict| dict.clone_ref(py));
        kept.ok_or_else(|| PyTypeError::new_err("metadata is no dict"))
    }

    /// Calls ``hook(grad_inputs, grad_outputs)`` whenever ``backward`` has gone through the operation, with the gradients by
    /// its inputs and by its outputs, None where there is none. What it returns, a tuple for all inputs, takes the place of
    /// the first. For a leaf, which has no inputs, it comes when the gradient has been added. ``remove()`` ends it.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.ones(2, requires_grad=True)
    /// >>> y = x.exp()
    /// >>> handle = y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 0, ))
    /// >>> y.sum().backward()
    /// >>> x.grad
    /// tensor([0., 0.])
    fn register_hook(&self, hook: &Bound<'_, PyAny>) -> PyResult<RemovableHandle> {
        let function = callable("register_hook", hook)?;
        let kept = function.clone();
        let hook: After = Arc::new(move |inputs, outputs| {
            let call = |py: Python<'_>| {
                let returned = function.call1(py, (gradients(py, inputs)?, gradients(py, outputs)?))?;
                Ok(replaced("register_hook", returned.bind(py))?.map(|other| other.into_iter().collect()))
            };
            Python::attach(call).map_err(raised)
        });
        Ok(RemovableHandle::new(self.0.add_after(hook, kept), &self.0))
    }

    /// Calls ``hook(grad_outputs)`` before ``backward`` goes through the operation, or adds to the gradient of a leaf, with
    /// the gradients by its outputs, None where there is none. What it returns, a tuple of as many, takes their place.
    /// ``remove()`` ends it.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.ones(2, requires_grad=True)
    /// >>> y = x.exp()
    /// >>> handle = y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 0, ))
    /// >>> y.sum().backward()
    /// >>> x.grad
    /// tensor([0., 0.])
    fn register_prehook(&self, hook: &Bound<'_, PyAny>) -> PyResult<RemovableHandle> {
        let function = callable("register_prehook", hook)?;
        let kept = function.clone();
        let hook: Before = Arc::new(move |outputs| {
            let call = |py: Python<'_>| {
                let returned = function.call1(py, (gradients(py, outputs)?,))?;
                Ok(replaced("register_prehook", returned.bind(py))?.map(|other| other.into_iter().collect()))
            };
            Python::attach(call).map_err(raised)
        });
        Ok(RemovableHandle::new(self.0.add_before(hook, kept), &self.0))
    }

    fn __repr__(&self) -> String {
        format!("<{}>", self.text())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().key() == self.key())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.key().hash(&mut hasher);
        hasher.finish()
    }
}

/// Takes a hook away again: by ``remove()``, or at the end of a ``with`` block.
///
/// >>> import dlcore
/// >>> x = dlcore.ones(2, requires_grad=True)
/// >>> with x.register_hook(lambda grad: 2 * grad):
/// ...     x.sum().backward()
/// >>> x.grad
/// tensor([2., 2.])
#[pyclass(frozen, name = "RemovableHandle", module = "dlcore.autograd.graph")]
pub struct RemovableHandle {
    id: u64,
    /// Weak: who keeps a handle keeps no graph.
    edge: Mutex<Option<WeakEdge>>,
}

impl RemovableHandle {
    /// For hook `id` at `edge`.
    pub fn new(id: u64, edge: &Edge) -> Self {
        Self { id, edge: Mutex::new(Some(edge.downgrade())) }
    }
}

#[pymethods]
impl RemovableHandle {
    /// Takes the hook away; does nothing the second time.
    fn remove(&self) {
        let edge = self.edge.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(edge) = edge.and_then(|edge| edge.upgrade()) {
            edge.remove_hook(self.id);
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.remove();
    }
}

fn callable(what: &str, function: &Bound<'_, PyAny>) -> PyResult<Arc<Py<PyAny>>> {
    if function.is_callable() {
        return Ok(Arc::new(function.clone().unbind()));
    }
    Err(PyTypeError::new_err(format!("{what}: expected a function, got {}", function.get_type().name()?)))
}

fn gradients<'py>(py: Python<'py>, gradients: &[Option<Tensor>]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, gradients.iter().map(|gradient| gradient.clone().map(PyTensor::from)))
}

/// What a hook on a node returned in place of gradients, if it did.
fn replaced(name: &str, returned: &Bound<'_, PyAny>) -> PyResult<Option<Vec<Option<Tensor>>>> {
    if returned.is_none() {
        return Ok(None);
    }
    let Ok(returned) = returned.cast::<PyTuple>() else {
        let what = format!("{name}: a hook returns None or a tuple, got {}", returned.get_type().name()?);
        return Err(PyTypeError::new_err(what));
    };
    let each = returned.iter().map(|one| Ok(one.extract::<Option<Arg>>()?.map(|one| one.0)));
    each.collect::<PyResult<_>>().map(Some)
}

/// A Python function of a gradient as a hook.
pub fn hook(function: &Bound<'_, PyAny>) -> PyResult<(Hook, Kept)> {
    let function = callable("register_hook", function)?;
    let kept = function.clone();
    let hook: Hook = Arc::new(move |grad: &Tensor| {
        Python::attach(|py| {
            let other = function.call1(py, (PyTensor::from(grad.clone()),))?;
            Ok(other.extract::<Option<Arg>>(py)?.map(|other| other.0))
        })
        .map_err(raised)
    });
    Ok((hook, kept))
}

/// A Python function of a tensor, which it does not keep alive, as a hook.
pub fn hook_on(function: &Bound<'_, PyAny>, tensor: Py<PyWeakrefReference>) -> PyResult<(Hook, Kept)> {
    let function = callable("register_post_accumulate_grad_hook", function)?;
    let kept = function.clone();
    let hook: Hook = Arc::new(move |_: &Tensor| {
        Python::attach(|py| {
            if let Some(tensor) = tensor.bind(py).upgrade() {
                function.call1(py, (tensor,))?;
            }
            Ok(None)
        })
        .map_err(raised)
    });
    Ok((hook, kept))
}

/// What `pack` made of a saved value.
struct Object {
    object: Py<PyAny>,
    unpack: Arc<Py<PyAny>>,
}

impl Packed for Object {
    fn unpack(&self) -> Result<Tensor> {
        Python::attach(|py| Ok(self.unpack.call1(py, (&self.object,))?.extract::<Arg>(py)?.0)).map_err(raised)
    }
}

/// From now on what this thread saves for backward goes through ``pack``, and through ``unpack`` when it is needed.
#[pyfunction]
fn _push_saved_tensors_hooks(pack: &Bound<'_, PyAny>, unpack: &Bound<'_, PyAny>) -> PyResult<()> {
    let (pack, unpack) = (callable("saved_tensors_hooks", pack)?, callable("saved_tensors_hooks", unpack)?);
    saved::push_packer(Arc::new(move |value: Tensor| {
        let object = Python::attach(|py| pack.call1(py, (PyTensor::from(value),))).map_err(raised)?;
        Ok(Arc::new(Object { object, unpack: unpack.clone() }))
    }));
    Ok(())
}

/// Ends what the last ``_push_saved_tensors_hooks`` began.
#[pyfunction]
fn _pop_saved_tensors_hooks() {
    saved::pop_packer();
}

static ORIGIN: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

fn origin() -> Option<String> {
    Python::attach(|py| {
        let function = ORIGIN.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.clone_ref(py);
        function.call0(py).and_then(|text| text.extract(py)).ok()
    })
}

/// Sets whether this thread remembers where operations are recorded, as ``origin()`` tells it, and whether it refuses nan
/// in gradients; returns what both were.
#[pyfunction]
fn _set_tracing(mode: bool, check_nan: bool, origin: Py<PyAny>) -> (bool, bool) {
    let earlier = ORIGIN.lock().unwrap_or_else(PoisonError::into_inner).replace(origin);
    drop(earlier);
    (mode::set_tracing(mode), mode::set_checking(check_nan))
}

/// Sets whether operations of this thread refuse to give the first number that is not finite; returns what it was.
#[pyfunction]
fn _set_guarding(mode: bool) -> bool {
    mode::set_guarding(mode)
}

/// Whether this thread remembers where operations are recorded.
///
/// >>> dlcore.autograd.anomaly.is_anomaly_enabled()
/// False
#[pyfunction]
fn is_anomaly_enabled() -> bool {
    mode::Mode::get().traces()
}

/// The place in the graph where a gradient by ``tensor`` goes: a node and the number of its output.
///
/// Raises GradientError for a tensor that requires no gradient.
///
/// >>> x = dlcore.ones(2, requires_grad=True)
/// >>> dlcore.autograd.graph.get_gradient_edge(x)
/// (<accumulate_grad>, 0)
#[pyfunction]
fn get_gradient_edge(tensor: Arg) -> PyResult<(PyNode, u32)> {
    let edge = tensor.0.edge().ok_or_else(|| {
        crate::enter::to_py(dlcore_core::Error::gradient(
            "get_gradient_edge",
            "this tensor does not require a gradient; call requires_grad_() on it first",
        ))
    })?;
    let output = edge.key().1;
    Ok((PyNode(edge), output))
}

/// Registers the classes and functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    trace::install(origin);
    module.add_class::<PyNode>()?;
    module.add_class::<RemovableHandle>()?;
    module.add_function(wrap_pyfunction!(_push_saved_tensors_hooks, module)?)?;
    module.add_function(wrap_pyfunction!(_pop_saved_tensors_hooks, module)?)?;
    module.add_function(wrap_pyfunction!(_set_tracing, module)?)?;
    module.add_function(wrap_pyfunction!(_set_guarding, module)?)?;
    module.add_function(wrap_pyfunction!(is_anomaly_enabled, module)?)?;
    module.add_function(wrap_pyfunction!(get_gradient_edge, module)?)
}
