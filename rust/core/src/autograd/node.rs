//! The recorded graph: nodes, the edges between them, and the leaves where gradients end.

use crate::autograd::hooks::{After, Before, Hook, Hooks, Kept, NodeHooks, Watch};
use crate::autograd::mode::Mode;
use crate::autograd::tensor::Tensor;
use crate::autograd::trace;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Dims;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Gradients with respect to each input of an operation; `None` where there is none or none is needed.
pub type Gradients = SmallVec<[Option<Tensor>; 3]>;

/// Gradients with respect to each output of an operation; `None` where none came.
pub type Arrived = SmallVec<[Option<Tensor>; 1]>;

/// What a recorded operation keeps and how it differentiates.
pub trait Backward: Send + Sync {
    /// Gradients with respect to the inputs, given those with respect to the outputs of `node`.
    ///
    /// # Errors
    /// What the operations inside return, and a gradient error where saved values were overwritten.
    fn backward(&self, node: &Arc<Node>, arrived: &[Option<Tensor>]) -> Result<Gradients>;

    /// Adds the gradient with respect to the only input to `sum`, which nobody else sees, where that is shorter than to
    /// make it and add it. False if nothing was done.
    fn add_to(&self, _arrived: &[Option<Tensor>], _sum: &Tensor) -> bool {
        false
    }

    /// Whether anything is kept that a walk should free.
    fn keeps_values(&self) -> bool;

    /// Shape and dtype of each input that is a tensor.
    fn inputs(&self) -> Vec<Option<(Dims, DType)>>;

    /// Shows the objects of the user's that it keeps alive.
    fn kept(&self, _see: &mut dyn FnMut(&Kept)) {}
}

/// A recorded operation.
pub struct Node {
    name: Cow<'static, str>,
    sequence: u64,
    edges: Edges,
    body: Mutex<Option<Arc<dyn Backward>>>,
    extra: OnceLock<Box<Extra>>,
}

/// What few nodes have.
#[derive(Default)]
struct Extra {
    /// Where the operation was recorded, in the user's program.
    origin: Option<String>,
    /// By output.
    watches: Mutex<SmallVec<[Watch; 1]>>,
    hooks: Mutex<NodeHooks>,
    metadata: Mutex<Option<Metadata>>,
}

/// What a user keeps with a place in the graph.
pub type Metadata = Kept;

/// Edges to the inputs; `None` where an input does not take part.
pub type Edges = SmallVec<[Option<Edge>; 3]>;

/// Where a gradient goes.
#[derive(Clone)]
pub enum Edge {
    /// Into a leaf's accumulated gradient.
    Leaf(Arc<Leaf>),
    /// On through the operation of which the tensor is this output.
    Node(Arc<Node>, u32),
}

impl Edge {
    /// A key that is equal for edges to the same place.
    #[must_use]
    pub fn key(&self) -> (usize, u32) {
        match self {
            Self::Leaf(leaf) => (Arc::as_ptr(leaf) as usize, 0),
            Self::Node(node, output) => (Arc::as_ptr(node) as usize, *output),
        }
    }
}

/// The end of gradients: a parameter, or an input that asked for one.
#[derive(Default)]
pub struct Leaf {
    grad: Mutex<Option<Tensor>>,
    watch: OnceLock<Box<Mutex<LeafWatch>>>,
}

/// What few leaves have.
#[derive(Clone, Default)]
pub struct LeafWatch {
    /// What sees a walk's gradient before it is added.
    pub before: Hooks,
    /// What is told when it has been added, with the sum.
    pub after: Hooks,
    /// What is told when it has been added, with the gradient.
    pub added: Hooks,
    metadata: Option<Metadata>,
}

/// How many leaves have hooks: walks that can meet none do not look for them.
static WATCHED_LEAVES: AtomicUsize = AtomicUsize::new(0);

/// Whether any leaf has hooks.
pub(super) fn are_leaves_watched() -> bool {
    WATCHED_LEAVES.load(Relaxed) > 0
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
        held(&self.grad)
    }

    /// Its hooks, if it ever had any.
    #[must_use]
    pub fn watch(&self) -> Option<LeafWatch> {
        self.watch.get().map(|watch| held(watch).clone())
    }

    /// Changes its hooks.
    pub fn change_watch<R>(&self, change: impl FnOnce(&mut LeafWatch) -> R) -> R {
        let watch = self.watch.get_or_init(|| {
            WATCHED_LEAVES.fetch_add(1, Relaxed);
            Box::default()
        });
        change(&mut held(watch))
    }

    /// Shows the functions of the user's that only this leaf keeps alive, which nobody else refers to and no other thread is
    /// changing: what a collector of cycles may follow.
    pub(super) fn kept(self: &Arc<Self>, see: &mut dyn FnMut(&Kept)) {
        let watch = self.watch.get().filter(|_| Arc::strong_count(self) == 1);
        let Some(Ok(watch)) = watch.map(|watch| watch.try_lock()) else { return };
        for hooks in [&watch.before, &watch.after, &watch.added] {
            hooks.kept(see);
        }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        if self.watch.get().is_some() {
            WATCHED_LEAVES.fetch_sub(1, Relaxed);
        }
    }
}

impl Node {
    /// Records an operation.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, edges: Edges, body: Arc<dyn Backward>) -> Arc<Self> {
        // Inputs are always recorded before what uses them, so descending order of this number is a valid order
        // for the walk back.
        static SEQUENCE: AtomicU64 = AtomicU64::new(0);
        let sequence = SEQUENCE.fetch_add(1, Relaxed);
        let extra = OnceLock::new();
        if Mode::get().traces() {
            let _ = extra.set(Box::new(Extra { origin: trace::origin(), ..Extra::default() }));
        }
        Arc::new(Self { name: name.into(), sequence, edges, body: Mutex::new(Some(body)), extra })
    }

    /// Name of the operation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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

    /// What the operation saved and how it goes back; `None` after it was freed.
    #[must_use]
    pub fn body(&self) -> Option<Arc<dyn Backward>> {
        held(&self.body).clone()
    }

    /// Forgets what the operation saved.
    pub fn free(&self) {
        // Dropped after the lock: what the user saved may run the user's code.
        let body = held(&self.body).take();
        drop(body);
    }

    /// Where in the user's program the operation was recorded, if that was asked for.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.extra.get()?.origin.as_deref()
    }

    /// What sees the gradients of the operation, if anything ever did.
    #[must_use]
    pub fn hooks(&self) -> Option<NodeHooks> {
        let hooks = held(&self.extra.get()?.hooks);
        let is_any = !hooks.before.is_empty() || !hooks.after.is_empty();
        is_any.then(|| hooks.clone())
    }

    fn change_hooks<R>(&self, change: impl FnOnce(&mut NodeHooks) -> R) -> R {
        change(&mut held(&self.extra.get_or_init(Box::default).hooks))
    }

    /// What is wanted of the gradient with respect to output `output`.
    #[must_use]
    pub fn watch(&self, output: u32) -> Option<Watch> {
        held(&self.extra.get()?.watches).get(output as usize).cloned()
    }

    /// Changes what is wanted of the gradient with respect to output `output`.
    pub fn change_watch<R>(&self, output: u32, change: impl FnOnce(&mut Watch) -> R) -> R {
        let mut watches = held(&self.extra.get_or_init(Box::default).watches);
        if watches.len() <= output as usize {
            watches.resize(output as usize + 1, Watch::default());
        }
        change(&mut watches[output as usize])
    }

    /// As [`Leaf::kept`].
    pub(super) fn kept(self: &Arc<Self>, see: &mut dyn FnMut(&Kept)) {
        if Arc::strong_count(self) != 1 {
            return;
        }
        if let Ok(body) = self.body.try_lock()
            && let Some(body) = body.as_ref().filter(|body| Arc::strong_count(body) == 1)
        {
            body.kept(see);
        }
        let Some(extra) = self.extra.get() else { return };
        if let Ok(watches) = extra.watches.try_lock() {
            watches.iter().for_each(|watch| watch.hooks.kept(see));
        }
        if let Ok(hooks) = extra.hooks.try_lock() {
            hooks.before.kept(see);
            hooks.after.kept(see);
        }
    }
}

/// A place in the graph that is not kept alive.
pub enum WeakEdge {
    /// A leaf.
    Leaf(Weak<Leaf>),
    /// An output of an operation.
    Node(Weak<Node>, u32),
}

impl WeakEdge {
    /// The place, if it still exists.
    #[must_use]
    pub fn upgrade(&self) -> Option<Edge> {
        match self {
            Self::Leaf(leaf) => leaf.upgrade().map(Edge::Leaf),
            Self::Node(node, output) => node.upgrade().map(|node| Edge::Node(node, *output)),
        }
    }
}

impl Edge {
    /// Adds a hook that sees the gradient that comes here, and may replace it.
    pub fn add_hook(&self, hook: Hook, function: Kept) -> u64 {
        match self {
            Self::Leaf(leaf) => leaf.change_watch(|watch| watch.before.add(hook, function)),
            Self::Node(node, output) => node.change_watch(*output, |watch| watch.hooks.add(hook, function)),
        }
    }

    /// Adds a hook that sees the gradients that come to the operation, or to the leaf, before it does anything with them.
    pub fn add_before(&self, hook: Before, function: Kept) -> u64 {
        match self {
            Self::Leaf(leaf) => leaf.change_watch(|watch| {
                let first = move |grad: &Tensor| {
                    let other = hook(&[Some(grad.clone())])?;
                    Ok(other.and_then(|other| other.into_iter().next().flatten()))
                };
                watch.before.add(Arc::new(first), function)
            }),
            Self::Node(node, _) => node.change_hooks(|hooks| hooks.before.add(hook, function)),
        }
    }

    /// Adds a hook that sees what the operation made of the gradients that came to it; a leaf makes nothing of its own.
    pub fn add_after(&self, hook: After, function: Kept) -> u64 {
        match self {
            Self::Leaf(leaf) => leaf.change_watch(|watch| {
                let added = move |grad: &Tensor| hook(&[], &[Some(grad.clone())]).map(|_| None);
                watch.added.add(Arc::new(added), function)
            }),
            Self::Node(node, _) => node.change_hooks(|hooks| hooks.after.add(hook, function)),
        }
    }

    /// What the user keeps here, at first what `make` gives.
    pub fn metadata(&self, make: impl FnOnce() -> Metadata) -> Metadata {
        match self {
            Self::Leaf(leaf) => leaf.change_watch(|watch| watch.metadata.get_or_insert_with(make).clone()),
            Self::Node(node, _) => {
                held(&node.extra.get_or_init(Box::default).metadata).get_or_insert_with(make).clone()
            }
        }
    }

    /// This place, which is not kept alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakEdge {
        match self {
            Self::Leaf(leaf) => WeakEdge::Leaf(Arc::downgrade(leaf)),
            Self::Node(node, output) => WeakEdge::Node(Arc::downgrade(node), *output),
        }
    }

    /// Takes a hook of any kind away.
    pub fn remove_hook(&self, id: u64) {
        match self {
            Self::Leaf(leaf) => leaf.change_watch(|watch| {
                watch.before.remove(id);
                watch.after.remove(id);
                watch.added.remove(id);
            }),
            Self::Node(node, output) => {
                node.change_watch(*output, |watch| watch.hooks.remove(id));
                node.change_hooks(|hooks| {
                    hooks.before.remove(id);
                    hooks.after.remove(id);
                });
            }
        }
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
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
        if let Edge::Node(next, _) = edge {
            pending.push(next);
        }
    }
    // Saved tensors own nodes too, but only such as the edges owned, and those are in `pending` by now.
    node.body.get_mut().unwrap_or_else(PoisonError::into_inner).take();
}
