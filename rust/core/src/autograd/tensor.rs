//! A tensor: an array and how it takes part in differentiation.

use crate::array::Array;
use crate::autograd::mode::Mode;
use crate::autograd::node::{Edge, Leaf, Node};
use crate::dtype::DType;
use crate::error::{Error, Result};
use std::sync::Arc;

/// An array and its place in the graph. Immutable and cheap to clone; what changes (elements, a leaf's gradient) lies
/// behind it. In-place operations that are recorded give the caller a new `Tensor` for the same memory.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    array: Array,
    tracking: Tracking,
    // Whether an operation made it as a view: while it lives, its storage counts it.
    is_view: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.is_view {
            self.array.storage().view_gone();
        }
    }
}

/// How a tensor takes part in differentiation.
#[derive(Clone)]
pub enum Tracking {
    /// It does not.
    None,
    /// It came out of an operation that has no gradient (named here), from inputs that wanted one.
    Cut(&'static str),
    /// A leaf: gradients end here and are kept.
    Leaf(Arc<Leaf>),
    /// This output of a recorded operation.
    Node(Arc<Node>, u32),
}

impl From<Array> for Tensor {
    fn from(array: Array) -> Self {
        Self::new(array, Tracking::None)
    }
}

impl Tensor {
    /// A tensor over `array` with the given place in the graph.
    #[must_use]
    #[inline]
    pub fn new(array: Array, tracking: Tracking) -> Self {
        Self(Arc::new(Inner { array, tracking, is_view: false }))
    }

    /// As [`Tensor::new`] for an array that an operation made as a view of one of its inputs.
    #[must_use]
    #[inline]
    pub fn view(array: Array, tracking: Tracking) -> Self {
        array.storage().view_made();
        Self(Arc::new(Inner { array, tracking, is_view: true }))
    }

    /// A leaf over `array` that collects a gradient.
    ///
    /// # Errors
    /// [`Error::Gradient`] for a dtype without gradients.
    pub fn leaf(array: Array) -> Result<Self> {
        if !array.dtype().is_float() {
            return Err(Error::gradient(
                "requires_grad",
                format_args!(
                    "only float tensors have gradients, this one is {}; convert it with .float()",
                    array.dtype()
                ),
            ));
        }
        Ok(Self::new(array, Tracking::Leaf(Arc::new(Leaf::default()))))
    }

    /// Over the memory of this tensor, as a view where it is one, at another place in the graph.
    #[must_use]
    pub fn moved(&self, tracking: Tracking) -> Self {
        let array = self.array().clone();
        if self.is_view() { Self::view(array, tracking) } else { Self::new(array, tracking) }
    }

    /// Whether an operation made this tensor as a view of one of its inputs.
    #[must_use]
    pub fn is_view(&self) -> bool {
        self.0.is_view
    }

    /// The array.
    #[must_use]
    pub fn array(&self) -> &Array {
        &self.0.array
    }

    /// The place in the graph.
    #[must_use]
    pub fn tracking(&self) -> &Tracking {
        &self.0.tracking
    }

    /// Extents.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.array().shape()
    }

    /// Number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.array().rank()
    }

    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.array().numel()
    }

    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.array().dtype()
    }

    /// Whether gradients flow through or into this tensor.
    #[must_use]
    pub fn requires_grad(&self) -> bool {
        matches!(self.0.tracking, Tracking::Leaf(_) | Tracking::Node(..))
    }

    /// Whether nothing is to be remembered of an operation on this tensor, and nothing watched.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.0.tracking, Tracking::None) && !Mode::get().guards()
    }

    /// Whether no recorded operation made this tensor.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        !matches!(self.0.tracking, Tracking::Node(..))
    }

    /// The recorded operation that made this tensor.
    #[must_use]
    pub fn node(&self) -> Option<&Arc<Node>> {
        match &self.0.tracking {
            Tracking::Node(node, _) => Some(node),
            _ => None,
        }
    }

    /// Where a gradient with respect to this tensor goes.
    #[must_use]
    pub fn edge(&self) -> Option<Edge> {
        match &self.0.tracking {
            Tracking::None | Tracking::Cut(_) => None,
            Tracking::Leaf(leaf) => Some(Edge::Leaf(leaf.clone())),
            Tracking::Node(node, output) => Some(Edge::Node(node.clone(), *output)),
        }
    }

    /// The gradient that `backward` accumulated here: for a leaf, or what was told to retain it.
    #[must_use]
    pub fn grad(&self) -> Option<Self> {
        match &self.0.tracking {
            Tracking::Leaf(leaf) => leaf.grad(),
            Tracking::Node(node, output) => node.watch(*output)?.grad,
            _ => None,
        }
    }

    /// Replaces the accumulated gradient; does nothing where none is kept.
    pub fn set_grad(&self, grad: Option<Self>) {
        match &self.0.tracking {
            Tracking::Leaf(leaf) => leaf.set_grad(grad),
            Tracking::Node(node, output) if self.retains_grad() => {
                let earlier = node.change_watch(*output, |watch| std::mem::replace(&mut watch.grad, grad));
                drop(earlier);
            }
            _ => {}
        }
    }

    /// Lets `backward` keep the gradient with respect to this result of an operation.
    pub fn retain_grad(&self) {
        if let Tracking::Node(node, output) = &self.0.tracking {
            node.change_watch(*output, |watch| watch.retains = true);
        }
    }

    /// Whether `retain_grad` was called for this result of an operation.
    #[must_use]
    pub fn retains_grad(&self) -> bool {
        match &self.0.tracking {
            Tracking::Node(node, output) => node.watch(*output).is_some_and(|watch| watch.retains),
            _ => false,
        }
    }

    /// The same tensor, at the same place in the graph, as a view of itself: what a function returns that has nothing to
    /// do. Both know of the other, so that a recorded in-place write to either is refused.
    #[must_use]
    pub fn alias(&self) -> Self {
        Self::view(self.array().clone(), self.tracking().clone())
    }

    /// Whether this is the only handle to the tensor and the tensor the only owner of its memory, so that nobody would
    /// notice a write, and is all of it, each element once, so that a write changes one element and whoever keeps the tensor
    /// keeps nothing else alive.
    #[must_use]
    pub fn is_unshared(&self) -> bool {
        let (storage, used) = (self.array().storage(), self.numel() * self.dtype().size());
        Arc::strong_count(&self.0) == 1
            && Arc::strong_count(storage) == 1
            && !storage.buffer().is_lent()
            && storage.buffer().len() == used
            && self.array().layout().is_contiguous()
    }

    /// The same memory without a place in the graph.
    #[must_use]
    pub fn detach(&self) -> Self {
        match self.0.tracking {
            Tracking::None => self.clone(),
            _ => Self::from(self.array().clone()),
        }
    }
}
