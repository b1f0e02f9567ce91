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
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
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
    let mut wanted = Wanted { index: HashMap::new(), leading: HashSet::new(), found: vec![None; inputs.len()] };
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
    wanted.mark(outputs);
    let wanted = walk(outputs, seeds, options, Some(wanted))?.unwrap_or_default();
    Ok(first.into_iter().map(|i| wanted.get(i).cloned().flatten()).collect())
}

/// Inputs whose gradients are asked for, by the key of their edge.
struct Wanted {
    index: HashMap<usize, usize>,
    /// The nodes, by their place in the order of recording, from which an input is reached. The others are neither
    /// walked nor freed: their part of the graph may have a walk of its own to come.
    leading: HashSet<u64>,
    found: Vec<Option<Tensor>>,
}

impl Wanted {
    fn mark(&mut self, outputs: &[Tensor]) {
        let mut reached = BTreeMap::new();
        let mut ahead: Vec<Arc<Node>> = outputs.iter().filter_map(|output| node(output.edge()?)).collect();
        while let Some(next) = ahead.pop() {
            if let Entry::Vacant(place) = reached.entry(next.sequence()) {
                ahead.extend(next.edges().iter().flatten().cloned().filter_map(node));
                place.insert(next);
            }
        }
        // In the order of recording a node comes after the nodes it leads to.
        for (sequence, node) in reached {
            let leads = node.edges().iter().flatten().any(|edge| {
                self.index.contains_key(&edge.key())
                    || matches!(edge, Edge::Node(next) if self.leading.contains(&next.sequence()))
            });
            if leads {
                self.leading.insert(sequence);
            }
        }
    }
}

fn node(edge: Edge) -> Option<Arc<Node>> {
    match edge {
        Edge::Node(node) => Some(node),
        Edge::Leaf(_) => None,
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
    let mut walk = Walk { pending: BTreeMap::new(), wanted, options };
    for (i, output) in outputs.iter().enumerate() {
        let edge = output.edge().ok_or_else(|| nothing_recorded(output))?;
        let seed = seed(output, seeds.get(i).and_then(Option::as_ref))?;
        walk.deliver(edge, seed)?;
    }
    while let Some((_, (node, grad))) = walk.pending.pop_last() {
        interrupt::check()?;
        walk.step(&node, grad)?;
    }
    Ok(walk.wanted.map(|wanted| wanted.found))
}

struct Walk {
    /// Nodes whose turn has not come, by the order of their recording, with their gradients so far.
    pending: BTreeMap<u64, (Arc<Node>, Tensor)>,
    wanted: Option<Wanted>,
    options: Options,
}

impl Walk {
    fn step(&mut self, node: &Arc<Node>, grad: Tensor) -> Result<()> {
        let gradients = {
            let mut saved = node.saved();
            let Some(body) = saved.as_ref() else { return Err(freed(node)) };
            let gradients = body.backward(node, &grad)?;
            if !self.options.retain_graph && !self.options.create_graph && body.keeps_values() {
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

    /// Whether only certain inputs are asked for and `node` leads to none of them.
    fn passes_by(&self, node: &Node) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| !wanted.leading.contains(&node.sequence()))
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
            Edge::Node(node) if self.passes_by(&node) => Ok(()),
            Edge::Node(node) => {
                let sum = match self.pending.remove(&node.sequence()) {
                    Some((_, earlier)) => ops::over::add_up(earlier, gradient)?,
                    None => gradient,
                };
                self.pending.insert(node.sequence(), (node, sum));
                Ok(())
            }
        }
    }
}

fn accumulate(leaf: &Leaf, gradient: Tensor, recorded: bool) -> Result<()> {
    let mut slot = leaf.lock();
    let sum = match slot.as_ref() {
        None => own(gradient)?,
        Some(earlier) if recorded || earlier.requires_grad() => ops::add(earlier, &gradient)?,
        // In place: whoever holds `.grad` sees the sum, and no new buffer is touched.
        Some(earlier) => return ops::accumulate_into(earlier.array(), gradient.array()),
    };
    let earlier = slot.replace(sum);
    // What this was may be lent by Python and ask for the interpreter when it drops: never under the lock.
    drop(slot);
    drop(earlier);
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
