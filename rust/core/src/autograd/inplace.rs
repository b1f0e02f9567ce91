//! In-place writes: right gradients, or an error that says why not. Never silently wrong.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::{Backward, Edge, Gradients, Node};
use crate::autograd::tensor::{Tensor, Tracking};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout};
use crate::ops;
use smallvec::smallvec;
use std::sync::Arc;

/// Writes `value` (broadcast, cast) into the memory of `target` on behalf of operation `op`.
///
/// Where the write must be recorded, `value` is the result of the out-of-place form of the operation on `target`, and
/// the tensor that stands for the memory from now on is returned; the caller's handle takes it. Otherwise `None`.
///
/// # Errors
/// [`Error::Gradient`] for a leaf that requires a gradient while recording, and for a recorded write to memory that
/// views share (the others would not know of it); what [`crate::Array::write`] returns.
pub fn assign(op: &'static str, target: &Tensor, value: &Tensor) -> Result<Option<Tensor>> {
    let recorded = mode::is_recording() && (target.requires_grad() || value.requires_grad());
    if !recorded {
        target.array().write(op, value.array())?;
        return Ok(None);
    }
    writable_leaf(op, target)?;
    if !are_alone(target, &[]) {
        return Err(viewed(op));
    }
    let value = fitted(value, target)?;
    target.array().write(op, value.array())?;
    Ok(Some(succeeds(target, value.tracking().clone())))
}

/// Writes `value` into the memory of the first of `views`, recorded: to `root`, whose memory it is, something was put, and
/// the views are now parts of that. Returns what stands for `root` and for each view from now on.
///
/// # Errors
/// As [`assign`], also where other views than these are alive.
pub fn assign_through(
    op: &'static str,
    root: &Tensor,
    views: &[Tensor],
    value: &Tensor,
) -> Result<(Tensor, Vec<Tensor>)> {
    let array = root.array();
    if !are_alone(root, views) || !array.layout().is_contiguous() {
        return Err(viewed(op));
    }
    writable_leaf(op, root)?;
    let target = &views[0];
    let value = fitted(value, target)?;
    target.array().write(op, value.array())?;
    let part = |view: &Tensor| Part { whole: array.dims(), layout: within(array, view.array()), dtype: array.dtype() };
    let whole = Node::new(op, smallvec![root.edge(), value.edge()], Arc::new(Put(part(target))));
    let parts = views.iter().map(|view| {
        let node = Node::new("as_strided", smallvec![Some(Edge::Node(whole.clone(), 0))], Arc::new(part(view)));
        succeeds(view, Tracking::Node(node, 0))
    });
    let parts = parts.collect();
    Ok((succeeds(root, Tracking::Node(whole, 0)), parts))
}

/// `value` in the shape and dtype of `target`, as the graph must see it.
fn fitted(value: &Tensor, target: &Tensor) -> Result<Tensor> {
    let value = ops::cast(value, target.dtype())?;
    if value.shape() == target.shape() { Ok(value) } else { ops::broadcast_to(&value, target.shape()) }
}

/// Whether no tensor but these would miss a write that is recorded: `root`, which may be a view of what is gone by now, and
/// `views` of it.
fn are_alone(root: &Tensor, views: &[Tensor]) -> bool {
    let storage = root.array().storage();
    if root.is_view() {
        // There may be no other owner of the storage.
        let all = views.len() + 1;
        storage.views() == all && Arc::strong_count(storage) == all
    } else {
        storage.views() == views.len()
    }
}

/// What stands for the memory of `before` from now on; what was wanted of its gradient is wanted of this one.
fn succeeds(before: &Tensor, tracking: Tracking) -> Tensor {
    let now = before.moved(tracking);
    if before.retains_grad() {
        now.retain_grad();
    }
    now
}

/// Where `view` lies in `root`, which is contiguous.
fn within(root: &Array, view: &Array) -> Layout {
    let Layout { shape, strides, offset } = view.layout().clone();
    Layout { shape, strides, offset: offset - root.layout().offset }
}

/// A part of a whole: what was taken from it.
struct Part {
    whole: Dims,
    layout: Layout,
    dtype: DType,
}

impl Part {
    /// The places of the part in the whole, one after another, as an index of the whole laid flat.
    fn places(&self) -> Result<[Option<Tensor>; 1]> {
        let numbers = Array::build("as_strided", &[self.whole.iter().product()], |out: &mut [i64]| {
            (0..).zip(out).for_each(|(i, place)| *place = i);
            Ok(())
        })?;
        let places = numbers.view(self.layout.clone()).contiguous("as_strided")?;
        Ok([Some(places.reshape("as_strided", &[places.numel()])?.into())])
    }
}

impl Backward for Part {
    fn backward(&self, _: &Arc<Node>, arrived: &[Option<Tensor>]) -> Result<Gradients> {
        let Some(Some(grad)) = arrived.first() else { return Ok(Gradients::new()) };
        let zeros: Tensor = Array::zeros("as_strided", &[self.whole.iter().product()], self.dtype)?.into();
        let flat = ops::index_put(&zeros, &self.places()?, &ops::reshape(grad, &[grad.numel()])?, false)?;
        Ok(smallvec![Some(ops::reshape(&flat, &self.whole)?)])
    }

    fn keeps_values(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<Option<(Dims, DType)>> {
        vec![Some((self.whole.clone(), self.dtype))]
    }
}

/// What was put into a part of a whole, whose other elements stayed.
struct Put(Part);

impl Backward for Put {
    fn backward(&self, _: &Arc<Node>, arrived: &[Option<Tensor>]) -> Result<Gradients> {
        let Some(Some(grad)) = arrived.first() else { return Ok(Gradients::new()) };
        let (flat, places) = (ops::reshape(grad, &[grad.numel()])?, self.0.places()?);
        let zero = Array::zeros("as_strided", &[], self.0.dtype)?.into();
        let kept = ops::reshape(&ops::index_put(&flat, &places, &zero, false)?, &self.0.whole)?;
        let put = ops::reshape(&ops::index(&flat, &places)?, &self.0.layout.shape)?;
        Ok(smallvec![Some(kept), Some(put)])
    }

    fn keeps_values(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<Option<(Dims, DType)>> {
        vec![Some((self.0.whole.clone(), self.0.dtype)), Some((self.0.layout.shape.clone(), self.0.dtype))]
    }
}

/// Whether a write to `target` may be recorded.
///
/// # Errors
/// [`Error::Gradient`] where it may not.
pub fn check(op: &str, target: &Tensor) -> Result<()> {
    writable_leaf(op, target)?;
    if target.array().storage().is_viewed() { Err(viewed(op)) } else { Ok(()) }
}

fn writable_leaf(op: &str, target: &Tensor) -> Result<()> {
    match target.tracking() {
        Tracking::Leaf(_) => Err(Error::gradient(
            op,
            "in-place write to a leaf that requires a gradient; do it under no_grad(), or out of place",
        )),
        _ => Ok(()),
    }
}

fn viewed(op: &str) -> Error {
    Error::gradient(
        op,
        "recorded in-place write to memory that other tensors view; write out of place (x = x + y), or clone() first",
    )
}
