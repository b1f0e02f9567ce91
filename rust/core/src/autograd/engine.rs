//! The walk back through the graph: iterative, in descending order of recording.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::{Edge, Leaf, Node};
use crate::autograd::tensor::{Tensor, Tracking};
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::layout::Show;
use crate::ops;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// How `backward` and `grad` walk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep what was saved, so that the same graph can be walked again.
    pub retain_graph: bool,
    /// Record the walk itself, so that gradients can be differentiated.
    pub create_graph: bool,
}

/// Accumulates the gradients of `outputs`, seeded with `seeds`, into the leaves.
///
/// # Errors
/// [`Error::Gradient`] when there is nothing to differentiate, the graph was freed, or a saved value was overwritten;
/// [`Error::Shape`] for a seed that does not fit.
pub fn backward(outputs: &[Tensor], seeds: &[Option<Tensor>], options: Options) -> Result<()> {
    walk(outputs, seeds, options, None).map(|_| ())
}

/// The gradients of `outputs`, seeded with `seeds`, with respect to `inputs`; `None` where an input has no part.
///
/// # Errors
/// As [`backward`]; also for an input that takes no gradient.
pub fn grad(
    outputs: &[Tensor],
    seeds: &[Option<Tensor>],
    inputs: &[Tensor],
    options: Options,
) -> Result<Vec<Option<Tensor>>> {
    let mut wanted = Wanted { index: Map::default(), found: vec![None; inputs.len()] };
    let mut first = Vec::with_capacity(inputs.len());
    for (i, input) in inputs.iter().enumerate() {
        let edge = input.edge().ok_or_else(|| {
            Error::gradient(
                "grad",
                format_args!("input {i} does not require a gradient; call requires_grad_() on it first"),
            )
        })?;
        first.push(*wanted.index.entry(edge.key()).or_insert(i));
    }
    let wanted = walk(outputs, seeds, options, Some(wanted))?.unwrap_or_default();
    Ok(first.into_iter().map(|i| wanted.get(i).cloned().flatten()).collect())
}

/// Inputs whose gradients are asked for, by the key of their edge.
struct Wanted {
    index: Map<usize>,
    found: Vec<Option<Tensor>>,
}

type Map<V> = HashMap<usize, V, BuildHasherDefault<AddressHasher>>;

/// Addresses are already well spread; multiplying moves the entropy to the high bits that the table uses.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are addresses");
    }
    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// A node that waits for its turn; the latest recorded goes first.
struct Turn(Arc<Node>);

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.0.sequence() == other.0.sequence()
    }
}
impl Eq for Turn {}
impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Turn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.sequence().cmp(&other.0.sequence())
    }
}

/// Walks in descending order of recording: an operation is recorded after its inputs' operations, so when a node's
/// turn comes every node that feeds it a gradient has had its own.
fn walk(
    outputs: &[Tensor],
    seeds: &[Option<Tensor>],
    options: Options,
    wanted: Option<Wanted>,
) -> Result<Option<Vec<Option<Tensor>>>> {
    let _recording = mode::Scope::new(options.create_graph);
    let mut walk = Walk { turns: BinaryHeap::new(), pending: Map::default(), wanted, options };
    for (i, output) in outputs.iter().enumerate() {
        let edge = output.edge().ok_or_else(|| nothing_recorded(output))?;
        let seed = seed(output, seeds.get(i).and_then(Option::as_ref))?;
        walk.deliver(edge, seed)?;
    }
    while let Some(Turn(node)) = walk.turns.pop() {
        interrupt::check()?;
        walk.step(&node)?;
    }
    Ok(walk.wanted.map(|wanted| wanted.found))
}

struct Walk {
    turns: BinaryHeap<Turn>,
    /// Gradients of nodes whose turn has not come.
    pending: Map<Tensor>,
    wanted: Option<Wanted>,
    options: Options,
}

impl Walk {
    fn step(&mut self, node: &Arc<Node>) -> Result<()> {
        let Some(grad) = self.pending.remove(&(Arc::as_ptr(node) as usize)) else { return Ok(()) };
        let gradients = {
            let mut saved = node.saved();
            let Some(body) = saved.as_ref() else { return Err(freed(node)) };
            let gradients = body.backward(node, &grad)?;
            if !self.options.retain_graph && !self.options.create_graph {
                *saved = None;
            }
            gradients
        };
        drop(grad);
        for (edge, gradient) in node.edges().iter().zip(gradients) {
            if let (Some(edge), Some(gradient)) = (edge, gradient) {
                self.deliver(edge.clone(), gradient)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, edge: Edge, gradient: Tensor) -> Result<()> {
        let key = edge.key();
        let slot = self.wanted.as_ref().and_then(|wanted| wanted.index.get(&key).copied());
        if let (Some(slot), Some(wanted)) = (slot, self.wanted.as_mut()) {
            let sum = match wanted.found[slot].take() {
                Some(earlier) => ops::add(&earlier, &gradient)?,
                None => gradient.clone(),
            };
            wanted.found[slot] = Some(sum);
        }
        match edge {
            Edge::Leaf(leaf) if self.wanted.is_none() => accumulate(&leaf, gradient, self.options.create_graph),
            Edge::Leaf(_) => Ok(()),
            Edge::Node(node) => {
                let sum = if let Some(earlier) = self.pending.remove(&key) {
                    ops::add(&earlier, &gradient)?
                } else {
                    self.turns.push(Turn(node));
                    gradient
                };
                self.pending.insert(key, sum);
                Ok(())
            }
        }
    }
}

fn accumulate(leaf: &Leaf, gradient: Tensor, recorded: bool) -> Result<()> {
    let mut slot = leaf.lock();
    *slot = Some(match slot.take() {
        None => own(gradient)?,
        Some(earlier) if recorded || earlier.requires_grad() => ops::add(&earlier, &gradient)?,
        Some(earlier) => {
            // In place: whoever holds `.grad` sees the sum, and no new buffer is touched.
            ops::accumulate_into(earlier.array(), gradient.array())?;
            earlier
        }
    });
    Ok(())
}

/// A leaf keeps a gradient of its own: what others hold or view (a broadcast sum, another gradient) is copied first.
fn own(gradient: Tensor) -> Result<Tensor> {
    if gradient.array().layout().is_contiguous() && gradient.is_unshared() {
        Ok(gradient)
    } else {
        ops::copy(&gradient)
    }
}

fn seed(output: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
    let Some(given) = given else {
        if output.numel() != 1 {
            return Err(Error::gradient(
                "backward",
                format_args!(
                    "only a one-element tensor starts a backward by itself, this one has shape {}; \
                     reduce it (.sum(), .mean()) or pass gradient=",
                    Show(output.shape())
                ),
            ));
        }
        return Ok(Array::full("backward", output.shape(), Scalar::Float(1.0), output.dtype())?.into());
    };
    if given.shape() != output.shape() {
        return Err(Error::shape(
            "backward",
            format_args!("gradient of shape {} for an output of shape {}", Show(given.shape()), Show(output.shape())),
        ));
    }
    if given.dtype() != output.dtype() {
        return Err(Error::dtype(
            "backward",
            format_args!("gradient of dtype {} for an output of dtype {}", given.dtype(), output.dtype()),
        ));
    }
    Ok(given.clone())
}

fn nothing_recorded(output: &Tensor) -> Error {
    match output.tracking() {
        Tracking::Cut(name) => Error::gradient(
            "backward",
            format_args!("{name} has no gradient: its output is not a smooth function of its input"),
        ),
        _ => Error::gradient(
            "backward",
            "this tensor does not depend on any tensor with requires_grad=True, \
             or was computed under no_grad() or after detach()",
        ),
    }
}

fn freed(node: &Node) -> Error {
    Error::gradient(
        "backward",
        format_args!(
            "the graph through {} was walked before and its saved values are freed; \
             pass retain_graph=True to the first backward, or compute the loss again",
            node.name()
        ),
    )
}
