//! A tensor: an array and how it takes part in differentiation.

use crate::array::Array;
use crate::autograd::hooks::Kept;
use crate::autograd::mode::Mode;
use crate::autograd::node::{Edge, Leaf, Node};
use crate::dtype::DType;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use triomphe::Arc as Shared;

/// An array and its place in the graph. Immutable and cheap to clone; what changes (elements, a leaf's gradient) lies
/// behind it. In-place operations that are recorded give the caller a new `Tensor` for the same memory.
// `Shared` knows no weak references: a handle that goes is one locked instruction, not two.
#[derive(Clone)]
pub struct Tensor(Shared<Inner>);

struct Inner {
    array: Array,
    tracking: Tracking,
    role: Role,
}

/// Whether a tensor is a view, and what it knows of others who see its memory.
enum Role {
    Base(Base),
    View(View),
}

/// What those who see the memory of a tensor, which is no view, know of each other.
#[derive(Default)]
struct Base {
    is_viewed: AtomicBool,
    is_closed: AtomicBool,
    /// How many writes to the memory were recorded through views, or to what was viewed.
    writes: AtomicU32,
    /// What the memory holds since the last of them.
    written: Mutex<Option<Tensor>>,
}

/// What a view knows of the tensor that it views.
#[derive(Clone)]
struct View {
    /// The first in the row, no view itself. It outlives its handle: all who see its memory meet here.
    base: Tensor,
    /// How many of the recorded writes to the base's memory are in the view's place in the graph.
    seen: u32,
    kind: Kind,
}

/// How far a view takes part in what is recorded of its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wholly.
    Plain,
    /// Not at all: the base wanted a gradient, and the view was made while nothing was recorded.
    Unrecorded,
    /// Until the base is written: a function of the user's made the view, and how it goes back knows of no writes.
    Custom,
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
        Self(Shared::new(Inner { array, tracking, role: Role::Base(Base::default()) }))
    }

    #[inline]
    fn with(array: Array, tracking: Tracking, view: View) -> Self {
        Self(Shared::new(Inner { array, tracking, role: Role::View(view) }))
    }

    /// A view of this tensor: `array`, which an operation made of its memory. The one door through which views come, so that
    /// recorded writes to any of those who see the memory reach all others.
    #[must_use]
    #[inline]
    pub fn viewed(&self, array: Array, tracking: Tracking) -> Self {
        let is_lost = self.requires_grad() && matches!(tracking, Tracking::None | Tracking::Cut(_));
        self.viewed_as(array, tracking, if is_lost { Kind::Unrecorded } else { Kind::Plain })
    }

    /// As [`Tensor::viewed`] for a view of another kind; what views such a view is of that kind too.
    #[must_use]
    #[inline]
    pub fn viewed_as(&self, array: Array, tracking: Tracking, kind: Kind) -> Self {
        let view = match &self.0.role {
            Role::View(view) => View { kind: if view.kind == Kind::Plain { kind } else { view.kind }, ..view.clone() },
            Role::Base(base) => {
                base.is_viewed.store(true, Relaxed);
                View { base: self.clone(), seen: 0, kind }
            }
        };
        Self::with(array, tracking, view)
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
        match self.view() {
            Some(view) => Self::with(self.array().clone(), tracking, view.clone()),
            None => Self::new(self.array().clone(), tracking),
        }
    }

    /// The same value as a graph may keep it. The base of a view leads to the last write to it, and that to what it was
    /// computed from: were the view itself kept there, the ring would never go. (To a leaf no write is recorded.)
    #[must_use]
    pub fn apart(&self) -> Self {
        match self.base().tracking() {
            Tracking::Leaf(_) => self.clone(),
            _ => Self::new(self.array().clone(), self.tracking().clone()),
        }
    }

    /// The same memory without a place in the graph, of a tensor to which the caller has so many handles. To others who see
    /// it, and have a place, it stays a view: a write that they would not know of is refused.
    #[must_use]
    pub fn cut_off(&self, handles: usize) -> Self {
        let array = self.array().clone();
        // Every view has a handle to its base.
        let own = if self.is_view() { 1 } else { handles };
        let is_seen = self.is_viewed() && Shared::count(&self.base().0) > own;
        if is_seen { self.viewed(array, Tracking::None) } else { array.into() }
    }

    /// Whether an operation made this tensor as a view of one of its inputs.
    #[must_use]
    pub fn is_view(&self) -> bool {
        self.view().is_some()
    }

    fn view(&self) -> Option<&View> {
        match &self.0.role {
            Role::View(view) => Some(view),
            Role::Base(_) => None,
        }
    }

    /// What kind of view this is.
    pub(super) fn kind(&self) -> Kind {
        self.view().map_or(Kind::Plain, |view| view.kind)
    }

    /// The tensor that this one views, or itself.
    pub(super) fn base(&self) -> &Self {
        self.view().map_or(self, |view| &view.base)
    }

    /// What those who see the memory know of each other.
    fn known(&self) -> &Base {
        match &self.0.role {
            Role::Base(base) => base,
            Role::View(view) => view.base.known(),
        }
    }

    /// Whether views were made of the memory.
    pub(super) fn is_viewed(&self) -> bool {
        self.known().is_viewed.load(Relaxed)
    }

    /// Whether a write to the memory was recorded of which this tensor's place in the graph does not know.
    #[inline]
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.known().writes.load(Relaxed) != self.view().map_or(0, |view| view.seen)
    }

    /// What the memory holds since the last recorded write, if there was one, and how many there were.
    pub(super) fn written(&self) -> Option<(Self, u32)> {
        let known = self.known();
        let written = known.written.lock().unwrap_or_else(PoisonError::into_inner);
        Some((written.clone()?, known.writes.load(Relaxed)))
    }

    /// Notes that the memory holds `value` from now on.
    pub(super) fn set_written(&self, value: Self) {
        let known = self.known();
        let mut written = known.written.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = written.replace(value);
        known.writes.fetch_add(1, Relaxed);
        // What it leads to drops after the lock.
        drop(written);
        drop(earlier);
    }

    /// As a view of its base, at the place in the graph that the base's first `seen` recorded writes gave it.
    pub(super) fn after_writes(&self, tracking: Tracking, seen: u32) -> Self {
        let view = View { base: self.base().clone(), seen, kind: self.kind() };
        Self::with(self.array().clone(), tracking, view)
    }

    /// Refuses recorded writes from now on through all who see the memory: one of them becomes a leaf.
    pub fn close(&self) {
        self.known().is_closed.store(true, Relaxed);
    }

    /// Whether [`Tensor::close`] was called for one of those who see the memory.
    pub(super) fn is_closed(&self) -> bool {
        self.known().is_closed.load(Relaxed)
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
    /// do. A recorded write to either is seen by both.
    #[must_use]
    pub fn alias(&self) -> Self {
        self.viewed(self.array().clone(), self.tracking().clone())
    }

    /// Shows the functions and objects of the user's that only this tensor's place in the graph keeps alive, where nobody else
    /// has the tensor.
    pub fn kept(&self, see: &mut dyn FnMut(&Kept)) {
        if Shared::count(&self.0) != 1 {
            return;
        }
        match &self.0.tracking {
            Tracking::Leaf(leaf) => leaf.kept(see),
            Tracking::Node(node, _) => node.kept(see),
            Tracking::None | Tracking::Cut(_) => {}
        }
    }

    /// Whether this is the only handle to the tensor and the tensor the only owner of its memory, so that nobody would
    /// notice a write, and is all of it, each element once, so that a write changes one element and whoever keeps the tensor
    /// keeps nothing else alive.
    #[must_use]
    pub fn is_unshared(&self) -> bool {
        let (storage, used) = (self.array().storage(), self.numel() * self.dtype().size());
        let base = self.view().map(|view| &view.base);
        Shared::count(&self.0) == 1
            && base.is_none_or(|base| Shared::count(&base.0) == 1)
            && self.array().owners() == 1 + usize::from(base.is_some())
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
