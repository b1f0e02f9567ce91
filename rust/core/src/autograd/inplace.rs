//! In-place writes: right gradients, or an error that says why not. Never silently wrong.

use crate::array::Array;
use crate::autograd::mode::{self, Mode};
use crate::autograd::node::{Backward, Gradients, Node};
use crate::autograd::op::track;
use crate::autograd::tensor::{Kind, Tensor, Tracking};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout};
use crate::ops;
use crate::ops::select::Constant;
use crate::ops::strided::{AsStrided, AsStridedScatter, reads_no_place_twice, span};
use crate::storage::Storage;
use smallvec::smallvec;
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

/// Whether a write of `value` to `target` must be recorded.
#[must_use]
pub fn is_recorded(target: &Tensor, value: &Tensor) -> bool {
    mode::is_recording() && (target.requires_grad() || value.requires_grad() || is_cut_off(target))
}

thread_local! {
    static PLACED: Cell<*const Storage> = const { Cell::new(ptr::null()) };
}

/// While it lives, operations of this thread that write some elements of a tensor and leave the others may do so in the
/// memory of one tensor, which their result is written to afterwards: a few elements of a large tensor are then no reason
/// to copy it.
pub struct Placing(*const Storage);

impl Placing {
    /// Until dropped, `target` is the tensor that is written next; none is, if that may have to be recorded, or refused.
    #[must_use]
    pub fn new(target: &Tensor) -> Self {
        let is_free = !is_recorded(target, target) && target.is_plain();
        Self(PLACED.replace(if is_free { ptr::from_ref(target.array().storage()) } else { ptr::null() }))
    }
}

impl Drop for Placing {
    fn drop(&mut self) {
        PLACED.set(self.0);
    }
}

/// Elements of a tensor without gaps, by their storage, where they start and how many they are.
type Elements = (*const Storage, usize, usize);

const NOTHING: Elements = (ptr::null(), 0, 0);

thread_local! {
    static REPLACED: Cell<(Elements, Values)> = const { Cell::new((NOTHING, Values::Numbers)) };
}

fn elements(x: &Array) -> Elements {
    (ptr::from_ref(x.storage()), x.layout().offset, x.numel())
}

/// What an operation in place makes of each element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// A number.
    Numbers,
    /// Whether something is true of it, written as a number: the last operation is a comparison, and others ask nothing.
    Truth,
}

/// While it lives, an operation of this thread that makes each element of its result of the element of one tensor in its
/// place may write it there: the result is written over that tensor next, and nothing else reads it before.
pub struct Replacing((Elements, Values));

impl Replacing {
    /// Until dropped, `target` is the tensor that is written next; none is, if that may have to be recorded, or looked at.
    #[must_use]
    pub fn new(target: &Tensor, values: Values) -> Self {
        let is_free = !is_recorded(target, target) && target.is_plain() && !Mode::get().guards();
        Self(REPLACED.replace((if is_free { elements(target.array()) } else { NOTHING }, values)))
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        REPLACED.set(self.0);
    }
}

/// Whether an operation may write its result over the elements of `x`; see [`Replacing`].
#[must_use]
pub(crate) fn is_replaced(x: &Array) -> bool {
    ptr::eq(x.storage(), REPLACED.get().0.0) && elements(x) == REPLACED.get().0
}

/// Whether a comparison may write its result, as numbers, over the elements of `x`.
#[must_use]
pub(crate) fn is_replaced_by_truth(x: &Array) -> bool {
    is_replaced(x) && REPLACED.get().1 == Values::Truth
}

/// What `compute` gives, which is only a part of what an operation in place does: it replaces nothing.
pub(crate) fn beforehand<R>(compute: impl FnOnce() -> R) -> R {
    let _nothing = replacing_nothing();
    compute()
}

/// While the result lives, nothing is replaced.
#[must_use]
pub(crate) fn replacing_nothing() -> Replacing {
    Replacing(REPLACED.replace((NOTHING, Values::Numbers)))
}

/// Whether an operation may change `x` itself, of which it reads `others` meanwhile; see [`Placing`].
#[must_use]
pub fn may_place(x: &Tensor, others: [&Tensor; 2]) -> bool {
    let is_apart = |other: &Tensor| !(other.array().meets(x.array()) || mode::is_recording() && other.requires_grad());
    ptr::from_ref(x.array().storage()) == PLACED.get() && x.is_plain() && others.into_iter().all(is_apart)
}

/// Whether `target` is a view without a gradient of what has one.
fn is_cut_off(target: &Tensor) -> bool {
    target.kind() == Kind::Unrecorded && whole_of(target.base()).is_ok_and(|whole| whole.requires_grad())
}

/// Writes `value` (broadcast, cast) into the memory of `target` on behalf of operation `op`.
///
/// Where the write must be recorded, `value` is the result of the out-of-place form of the operation on `target`, and
/// the tensor that stands for the memory from now on is returned; the caller's handle takes it, and all others who see
/// the memory are behind ([`Tensor::is_behind`]). Otherwise `None`.
///
/// # Errors
/// As [`check`] where the write must be recorded; what [`crate::Array::write`] returns.
pub fn assign(op: &'static str, target: &Tensor, value: &Tensor) -> Result<Option<Tensor>> {
    if !is_recorded(target, value) {
        target.array().write(op, value.array())?;
        return Ok(None);
    }
    check(op, target)?;
    let value = ops::cast(value, target.dtype())?;
    let value = if value.shape() == target.shape() { value } else { ops::broadcast_to(&value, target.shape())? };
    target.array().write(op, value.array())?;
    written(op, target, &value).map(Some)
}

/// Whether a write to `target` may be recorded.
///
/// # Errors
/// [`Error::Gradient`] for a leaf that requires a gradient and for what sees its memory, and for views that do not know how
/// the gradient goes on; [`Error::Value`] for views of which several elements may have one place.
pub fn check(op: &str, target: &Tensor) -> Result<()> {
    let base = target.base();
    let is_leaf = |tensor: &Tensor| matches!(tensor.tracking(), Tracking::Leaf(_));
    let wrong = if is_leaf(target) || is_leaf(base) || target.is_closed() {
        "a leaf that requires a gradient; do it under no_grad(), or out of place"
    } else {
        match target.kind() {
            Kind::Plain if !base.is_viewed() => return Ok(()),
            Kind::Plain if !reads_no_place_twice(target.array().layout()) => {
                return Err(Error::value(
                    op,
                    "several elements of the view may share memory; clone() it before writing",
                ));
            }
            Kind::Plain if place(&whole_of(base)?, target).is_some() => return Ok(()),
            Kind::Plain => "a view that reaches beyond the tensor it was made of; write to the tensor",
            Kind::Unrecorded => {
                "a view of what has a gradient, made where nothing was recorded; make it where operations are recorded, \
                 write under no_grad(), or write to a clone()"
            }
            Kind::Custom => "a view that a function of the user's returned; write out of place, or to a clone()",
        }
    };
    Err(Error::gradient(op, format_args!("in-place write to {wrong}")))
}

/// What stands for `target` from now on: `op` has written `value` into its memory, of the same shape and dtype, which
/// [`check`] allowed.
///
/// # Errors
/// Only for lack of memory.
pub fn written(op: &'static str, target: &Tensor, value: &Tensor) -> Result<Tensor> {
    let base = target.base();
    if !base.is_viewed() {
        let tracking = if leads_to(value, target) {
            value.tracking().clone()
        } else {
            track(op, Constant, &[value, target], std::slice::from_ref(target.array()))?
        };
        return Ok(carried(target, target.moved(tracking)));
    }
    let whole = whole_of(base)?;
    let tracking = match place(&whole, target) {
        Some(Place::All) if leads_to(value, target) => value.tracking().clone(),
        Some(place) => {
            let part = match place {
                Place::All => AsStrided { layout: Layout::contiguous(target.shape()) },
                Place::Part(part) => part,
            };
            track(op, AsStridedScatter(part), &[&whole, value], std::slice::from_ref(whole.array()))?
        }
        None => return Err(Error::gradient(op, "the view reaches beyond the tensor it was made of")),
    };
    base.set_written(carried(&whole, Tensor::new(whole.array().clone(), tracking)));
    Ok(caught_up(target))
}

/// Whether a gradient by `value` comes to `target` at once. Where none does, what was overwritten has one of zeros.
fn leads_to(value: &Tensor, target: &Tensor) -> bool {
    let Some(end) = target.edge() else { return true };
    value.node().is_some_and(|node| node.edges().iter().flatten().any(|edge| edge.key() == end.key()))
}

/// `tensor` at its place in the graph after the last write to its memory that was recorded.
#[cold]
#[must_use]
pub fn caught_up(tensor: &Tensor) -> Tensor {
    let Some((whole, seen)) = tensor.base().written() else { return tensor.clone() };
    let _recording = mode::Scope::new(true);
    let tracking = match (tensor.kind(), place(&whole, tensor)) {
        (Kind::Unrecorded, _) => Tracking::None,
        (_, Some(Place::All)) if tensor.kind() == Kind::Plain => whole.tracking().clone(),
        (Kind::Plain, Some(Place::Part(part))) => {
            let seen = std::slice::from_ref(tensor.array());
            track("as_strided", part, &[&whole], seen).unwrap_or_else(|_| lost(&whole, tensor))
        }
        _ => lost(&whole, tensor),
    };
    carried(tensor, tensor.after_writes(tracking, seen))
}

/// `now`, of which is wanted what was wanted of the gradient of `before`.
fn carried(before: &Tensor, now: Tensor) -> Tensor {
    if before.retains_grad() && !now.retains_grad() {
        now.retain_grad();
        now.set_grad(before.grad());
    }
    now
}

/// The memory of `base`, without gaps, at its place in the graph: `base` itself where it has none.
fn whole_of(base: &Tensor) -> Result<Tensor> {
    if let Some((whole, _)) = base.written() {
        return Ok(whole);
    }
    let (array, layout) = (base.array(), base.array().layout());
    if layout.is_contiguous() {
        return Ok(base.clone());
    }
    let span = span(layout).filter(|_| !base.requires_grad() || reads_no_place_twice(layout)).ok_or_else(|| {
        Error::gradient("as_strided", "in-place write to a view of a tensor in which several elements may share memory")
    })?;
    let flat = array.view(Layout { offset: span.start, ..Layout::contiguous(&[span.len()]) });
    let place = AsStrided { layout: Layout { offset: layout.offset - span.start, ..layout.clone() } };
    let flat = Tensor::from(flat);
    let tracking =
        track("as_strided_scatter", AsStridedScatter(place), &[&flat, base], std::slice::from_ref(flat.array()))?;
    Ok(flat.moved(tracking))
}

/// Where a tensor lies in another, which has no gaps.
enum Place {
    All,
    Part(AsStrided),
}

/// Where `tensor` lies in `whole`, if it lies inside.
fn place(whole: &Tensor, tensor: &Tensor) -> Option<Place> {
    let (all, own) = (whole.array().layout(), tensor.array().layout());
    if all == own {
        return Some(Place::All);
    }
    let part = |offset| Place::Part(AsStrided { layout: Layout { offset, ..own.clone() } });
    if own.numel() == 0 {
        return Some(part(0));
    }
    let span = span(own)?;
    let is_inside = all.offset <= span.start && span.end <= all.offset + all.numel();
    is_inside.then(|| part(own.offset - all.offset))
}

/// Where a gradient ends with an error: `tensor` sees memory that was written, and nothing tells how its gradient goes on.
fn lost(whole: &Tensor, tensor: &Tensor) -> Tracking {
    if !whole.requires_grad() && !tensor.requires_grad() {
        return Tracking::None;
    }
    let by = tensor.array().storage().last_writer();
    let made = tensor.node().map_or("as_strided", |node| node.name()).to_owned();
    let body = Lost { by, shape: tensor.array().dims(), dtype: tensor.dtype() };
    Tracking::Node(Node::new(made, smallvec![whole.edge()], Arc::new(body)), 0)
}

struct Lost {
    by: &'static str,
    shape: Dims,
    dtype: DType,
}

impl Backward for Lost {
    fn backward(&self, node: &Arc<Node>, _: &[Option<Tensor>]) -> Result<Gradients> {
        let by = self.by;
        let what = format_args!(
            "the memory of this view was written in place by {by}, and how its gradient goes on from \
                                 there is not known; write out of place, or view a clone()"
        );
        Err(Error::gradient(node.name(), what))
    }

    fn keeps_values(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<Option<(Dims, DType)>> {
        vec![Some((self.shape.clone(), self.dtype))]
    }
}
