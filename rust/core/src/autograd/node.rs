//! The recorded graph: nodes, the edges between them, and the leaves where gradients end.

use crate::autograd::tensor::Tensor;
use crate::error::Result;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Gradients with respect to each input of an operation; `None` where there is none or none is needed.
pub type Gradients = SmallVec<[Option<Tensor>; 3]>;

/// What a recorded operation keeps and how it differentiates.
pub trait Backward: Send {
    /// Gradients with respect to the inputs, given `grad` with respect to the output of `node`.
    ///
    /// # Errors
    /// What the operations inside return, and a gradient error where saved values were overwritten.
    fn backward(&self, node: &Arc<Node>, grad: &Tensor) -> Result<Gradients>;

    /// Whether anything is kept that a walk should free.
    fn keeps_values(&self) -> bool;
}

/// A recorded operation.
pub struct Node {
    name: &'static str,
    sequence: u64,
    edges: Edges,
    saved: Mutex<Option<Box<dyn Backward>>>,
}

/// Edges to the inputs; `None` where an input does not take part.
pub type Edges = SmallVec<[Option<Edge>; 3]>;

/// Where a gradient goes.
#[derive(Clone)]
pub enum Edge {
    /// Into a leaf's accumulated gradient.
    Leaf(Arc<Leaf>),
    /// On through the operation that made the tensor.
    Node(Arc<Node>),
}

impl Edge {
    /// A key that is equal for edges to the same place.
    #[must_use]
    pub fn key(&self) -> usize {
        match self {
            Self::Leaf(leaf) => Arc::as_ptr(leaf) as usize,
            Self::Node(node) => Arc::as_ptr(node) as usize,
        }
    }
}

/// The end of gradients: a parameter, or an input that asked for one.
#[derive(Default)]
pub struct Leaf {
    grad: Mutex<Option<Tensor>>,
}

impl Leaf {
    /// The accumulated gradient.
    #[must_use]
    pub fn grad(&self) -> Option<Tensor> {
        self.lock().clone()
    }

    /// Replaces the accumulated gradient.
    pub fn set_grad(&self, grad: Option<Tensor>) {
        // The earlier one drops after the lock: it may be lent by Python and ask for the interpreter.
        let earlier = std::mem::replace(&mut *self.lock(), grad);
        drop(earlier);
    }

    /// The accumulated gradient, locked for an update.
    pub fn lock(&self) -> MutexGuard<'_, Option<Tensor>> {
        self.grad.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// Records an operation.
    #[must_use]
    pub fn new(name: &'static str, edges: Edges, saved: Box<dyn Backward>) -> Arc<Self> {
        // Inputs are always recorded before what uses them, so descending order of this number is a valid order
        // for the walk back.
        static SEQUENCE: AtomicU64 = AtomicU64::new(0);
        let sequence = SEQUENCE.fetch_add(1, Relaxed);
        Arc::new(Self { name, sequence, edges, saved: Mutex::new(Some(saved)) })
    }

    /// Name of the operation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Position in the order of recording.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Where the gradients of the inputs go.
    #[must_use]
    pub fn edges(&self) -> &Edges {
        &self.edges
    }

    /// What the operation saved; `None` after it was freed.
    pub fn saved(&self) -> MutexGuard<'_, Option<Box<dyn Backward>>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    /// Takes the graph apart node by node: recursion through a long chain would overflow the stack.
    fn drop(&mut self) {
        let mut pending = Vec::new();
        release(self, &mut pending);
        while let Some(mut node) = pending.pop() {
            if let Some(node) = Arc::get_mut(&mut node) {
                release(node, &mut pending);
            }
        }
    }
}

/// Moves everything through which `node` may be the last owner of another node into `pending`.
fn release(node: &mut Node, pending: &mut Vec<Arc<Node>>) {
    for edge in node.edges.drain(..).flatten() {
        if let Edge::Node(next) = edge {
            pending.push(next);
        }
    }
    // Saved tensors own nodes too, but only such as the edges owned, and those are in `pending` by now.
    node.saved.get_mut().unwrap_or_else(PoisonError::into_inner).take();
}
