//! The walk back through the graph: iterative, in descending order of recording.

use crate::array::Array;
use crate::autograd::guard;
use crate::autograd::mode::{self, Mode};
use crate::autograd::node::{Arrived, Backward, Edge, Leaf, Node, are_leaves_watched};
use crate::autograd::tensor::{Tensor, Tracking};
use crate::autograd::trace;
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
/// [`Error::Shape`] for a seed that does not fit; what hooks return.
pub fn backward(outputs: &[Tensor], seeds: &[Option<Tensor>], options: Options) -> Result<()> {
    walk("backward", outputs, seeds, options, None).map(|_| ())
}

/// As [`backward`], into `inputs` alone, leaves or not.
///
/// # Errors
/// As [`backward`]; also for an input that takes no gradient.
pub fn backward_into(outputs: &[Tensor], seeds: &[Option<Tensor>], inputs: &[Tensor], options: Options) -> Result<()> {
    inputs.iter().for_each(Tensor::retain_grad);
    let found = grad_of("backward", outputs, seeds, inputs, options)?;
    for (at, (input, gradient)) in inputs.iter().zip(found).enumerate() {
        // What is no leaf was told to retain its gradient; what is given twice gets it once.
        if let (Some(Edge::Leaf(leaf)), Some(gradient)) = (input.edge(), gradient)
            && !inputs[..at].iter().any(|earlier| earlier.edge().is_some_and(|edge| edge.key() == key(&leaf)))
        {
            accumulate(&leaf, gradient, options.create_graph)?;
            tell(&leaf)?;
        }
    }
    Ok(())
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
    grad_of("grad", outputs, seeds, inputs, options)
}

fn grad_of(
    op: &str,
    outputs: &[Tensor],
    seeds: &[Option<Tensor>],
    inputs: &[Tensor],
    options: Options,
) -> Result<Vec<Option<Tensor>>> {
    let mut wanted = Wanted { found: vec![None; inputs.len()], ..Wanted::default() };
    let mut first = Vec::with_capacity(inputs.len());
    for (i, input) in inputs.iter().enumerate() {
        let edge = input.edge().ok_or_else(|| {
            Error::gradient(
                op,
                format_args!("input {i} does not require a gradient; call requires_grad_() on it first"),
            )
        })?;
        first.push(*wanted.index.entry(edge.key()).or_insert(i));
        wanted.own.extend(node(edge).map(|node| node.sequence()));
    }
    wanted.mark(outputs);
    let mut found = walk(op, outputs, seeds, options, Some(wanted))?.unwrap_or_default();
    for (input, found) in inputs.iter().zip(&mut found) {
        let Some(Edge::Leaf(leaf)) = input.edge() else { continue };
        let Some(watch) = leaf.watch() else { continue };
        if let Some(gradient) = found.take() {
            *found = Some(watch.before.run(gradient)?);
        }
    }
    Ok(first.into_iter().map(|i| found.get(i).cloned().flatten()).collect())
}

/// Inputs whose gradients are asked for, by the key of their edge.
#[derive(Default)]
struct Wanted {
    index: HashMap<(usize, u32), usize>,
    /// The nodes, by their place in the order of recording, from which an input is reached. The others are neither
    /// walked nor freed: their part of the graph may have a walk of its own to come.
    leading: HashSet<u64>,
    /// The nodes of which an output is an input here.
    own: HashSet<u64>,
    found: Vec<Option<Tensor>>,
}

impl Wanted {
    fn mark(&mut self, outputs: &[Tensor]) {
        // In the order of recording a node comes after the nodes it leads to.
        for (sequence, node) in reachable(outputs) {
            let leads = node.edges().iter().flatten().any(|edge| {
                self.index.contains_key(&edge.key())
                    || matches!(edge, Edge::Node(next, _) if self.leading.contains(&next.sequence()))
            });
            if leads {
                self.leading.insert(sequence);
            }
        }
    }

    fn enters(&self, node: &Node) -> bool {
        self.leading.contains(&node.sequence()) || self.own.contains(&node.sequence())
    }
}

/// The nodes that a walk from `outputs` can reach, in the order of recording.
fn reachable(outputs: &[Tensor]) -> BTreeMap<u64, Arc<Node>> {
    let mut reached = BTreeMap::new();
    let mut ahead: Vec<Arc<Node>> = outputs.iter().filter_map(|output| node(output.edge()?)).collect();
    while let Some(next) = ahead.pop() {
        if let Entry::Vacant(place) = reached.entry(next.sequence()) {
            ahead.extend(next.edges().iter().flatten().cloned().filter_map(node));
            place.insert(next);
        }
    }
    reached
}

fn node(edge: Edge) -> Option<Arc<Node>> {
    match edge {
        Edge::Node(node, _) => Some(node),
        Edge::Leaf(_) => None,
    }
}

fn key(leaf: &Arc<Leaf>) -> (usize, u32) {
    Edge::Leaf(leaf.clone()).key()
}

/// Walks in descending order of recording: an operation is recorded after its inputs' operations, so when a node's
/// turn comes every node that feeds it a gradient has had its own.
fn walk(
    op: &str,
    outputs: &[Tensor],
    seeds: &[Option<Tensor>],
    options: Options,
    wanted: Option<Wanted>,
) -> Result<Option<Vec<Option<Tensor>>>> {
    let _recording = mode::Scope::new(options.create_graph);
    let _retaining = mode::Retaining::new(options.retain_graph || options.create_graph);
    let watched = if wanted.is_none() && are_leaves_watched() { Watched::of(outputs) } else { Watched::default() };
    let mut walk = Walk { pending: BTreeMap::new(), wanted, watched, options };
    for (i, output) in outputs.iter().enumerate() {
        let edge = output.edge().ok_or_else(|| nothing_recorded(op, output))?;
        let seed = seed(op, output, seeds.get(i).and_then(Option::as_ref))?;
        walk.deliver(edge, Some(seed))?;
    }
    while let Some((_, arrived)) = walk.pending.pop_last() {
        interrupt::check()?;
        walk.step(arrived)?;
    }
    walk.finish()
}

struct Walk {
    /// Nodes whose turn has not come, by the order of their recording.
    pending: BTreeMap<u64, Waiting>,
    wanted: Option<Wanted>,
    watched: Watched,
    options: Options,
}

/// A node and the gradients of its outputs so far.
struct Waiting {
    node: Arc<Node>,
    arrived: Arrived,
}

impl Waiting {
    fn add(&mut self, output: u32, gradient: Tensor) -> Result<()> {
        let at = output as usize;
        if self.arrived.len() <= at {
            self.arrived.resize(at + 1, None);
        }
        self.arrived[at] = Some(match self.arrived[at].take() {
            Some(earlier) => ops::over::add_up(earlier, gradient)?,
            None => gradient,
        });
        Ok(())
    }

    /// Shows the gradients, which are complete now, to the hooks and keeps those that are to be kept.
    fn show(&mut self) -> Result<()> {
        for (output, slot) in (0..).zip(&mut self.arrived) {
            let Some(watch) = self.node.watch(output) else { continue };
            let Some(gradient) = slot.take() else { continue };
            let gradient = watch.hooks.run(gradient)?;
            if watch.retains {
                let sum = match &watch.grad {
                    Some(earlier) => ops::add(earlier, &gradient)?,
                    None => gradient.clone(),
                };
                let earlier = self.node.change_watch(output, |watch| watch.grad.replace(sum));
                drop(earlier);
            }
            *slot = Some(gradient);
        }
        Ok(())
    }
}

/// Leaves with hooks, which see the whole gradient of a walk, before it is accumulated.
#[derive(Default)]
struct Watched(HashMap<(usize, u32), Expected>);

struct Expected {
    leaf: Arc<Leaf>,
    /// How many gradients may still come.
    more: usize,
    sum: Option<Tensor>,
}

impl Watched {
    fn of(outputs: &[Tensor]) -> Self {
        let mut expected = HashMap::new();
        let nodes = reachable(outputs);
        let inner = nodes.values().flat_map(|node| node.edges().iter().flatten().cloned());
        for edge in outputs.iter().filter_map(Tensor::edge).chain(inner) {
            if let Edge::Leaf(leaf) = edge
                && leaf.watch().is_some()
            {
                expected.entry(key(&leaf)).or_insert(Expected { leaf, more: 0, sum: None }).more += 1;
            }
        }
        Self(expected)
    }
}

impl Walk {
    fn step(&mut self, mut waiting: Waiting) -> Result<()> {
        waiting.show()?;
        let Waiting { node, mut arrived } = waiting;
        if let Some(wanted) = &mut self.wanted {
            for (output, gradient) in (0..).zip(&arrived) {
                if let Some(&slot) = wanted.index.get(&Edge::Node(node.clone(), output).key()) {
                    wanted.found[slot].clone_from(gradient);
                }
            }
            if !wanted.leading.contains(&node.sequence()) {
                return Ok(());
            }
        }
        let hooks = node.hooks();
        if let Some(hooks) = &hooks {
            arrived = hooks.run_before(arrived)?;
        }
        let mut gradients = {
            let body = node.body().ok_or_else(|| freed(&node))?;
            if hooks.is_none() && self.adds(&node, body.as_ref(), &arrived) {
                return Ok(());
            }
            let backward = || body.backward(&node, &arrived).map_err(|error| trace::locate(error, &node));
            let gradients = if Mode::get().guards() {
                let gradients = {
                    let _pause = guard::Pause::new();
                    backward()?
                };
                guard::check_gradients(&node, &arrived, &gradients)?;
                gradients
            } else {
                backward()?
            };
            if !self.options.retain_graph && !self.options.create_graph && body.keeps_values() {
                node.free();
            }
            gradients
        };
        if let Some(hooks) = &hooks {
            for (edge, gradient) in node.edges().iter().zip(&mut gradients) {
                // Some operations know the gradients of all inputs at once; those that nobody asked for are not shown.
                if edge.is_none() {
                    *gradient = None;
                }
            }
            gradients = hooks.run_after(gradients, &arrived)?;
        }
        drop(arrived);
        if Mode::get().checks() {
            trace::check(&node, &gradients)?;
        }
        for (edge, gradient) in node.edges().iter().zip(gradients) {
            if let Some(edge) = edge {
                self.deliver(edge.clone(), gradient)?;
            }
        }
        Ok(())
    }

    /// Lets a node add its gradient to what its input has already, if it can, and says whether it did.
    fn adds(&self, node: &Node, body: &dyn Backward, arrived: &[Option<Tensor>]) -> bool {
        let mode = Mode::get();
        if self.options.create_graph || mode.guards() || mode.checks() {
            return false;
        }
        let [Some(Edge::Node(next, output))] = node.edges().as_slice() else { return false };
        let waiting = self.pending.get(&next.sequence());
        let sum = waiting.and_then(|waiting| waiting.arrived.get(*output as usize)?.as_ref());
        sum.is_some_and(|sum| sum.is_unshared() && body.add_to(arrived, sum))
    }

    fn deliver(&mut self, edge: Edge, gradient: Option<Tensor>) -> Result<()> {
        match edge {
            Edge::Leaf(leaf) => self.reach(&leaf, gradient),
            Edge::Node(node, output) => {
                let Some(gradient) = gradient else { return Ok(()) };
                if self.wanted.as_ref().is_some_and(|wanted| !wanted.enters(&node)) {
                    return Ok(());
                }
                let waiting = self.pending.entry(node.sequence());
                waiting.or_insert_with(|| Waiting { node, arrived: Arrived::new() }).add(output, gradient)
            }
        }
    }

    fn reach(&mut self, leaf: &Arc<Leaf>, gradient: Option<Tensor>) -> Result<()> {
        if let Some(wanted) = &mut self.wanted {
            if let (Some(&slot), Some(gradient)) = (wanted.index.get(&key(leaf)), gradient) {
                let sum = match wanted.found[slot].take() {
                    Some(earlier) => ops::add(&earlier, &gradient)?,
                    None => gradient,
                };
                wanted.found[slot] = Some(sum);
            }
            return Ok(());
        }
        if self.watched.0.is_empty() {
            return gradient.map_or(Ok(()), |gradient| accumulate(leaf, gradient, self.options.create_graph));
        }
        let Some(expected) = self.watched.0.get_mut(&key(leaf)) else {
            return gradient.map_or(Ok(()), |gradient| accumulate(leaf, gradient, self.options.create_graph));
        };
        expected.more -= 1;
        if let Some(gradient) = gradient {
            expected.sum = Some(match expected.sum.take() {
                Some(earlier) => ops::over::add_up(earlier, gradient)?,
                None => gradient,
            });
        }
        if expected.more == 0
            && let Some(expected) = self.watched.0.remove(&key(leaf))
        {
            expected.settle(self.options.create_graph)?;
        }
        Ok(())
    }

    /// What is left when nothing is pending: leaves for which fewer gradients came than might have.
    fn finish(self) -> Result<Option<Vec<Option<Tensor>>>> {
        for expected in self.watched.0.into_values() {
            expected.settle(self.options.create_graph)?;
        }
        Ok(self.wanted.map(|wanted| wanted.found))
    }
}

impl Expected {
    fn settle(self, recorded: bool) -> Result<()> {
        let Some(gradient) = self.sum else { return Ok(()) };
        let watch = self.leaf.watch().unwrap_or_default();
        let gradient = watch.before.run(gradient)?;
        let shown = (!watch.added.is_empty()).then(|| gradient.clone());
        accumulate(&self.leaf, gradient, recorded)?;
        shown.map_or(Ok(()), |gradient| watch.added.run(gradient).map(drop))?;
        tell(&self.leaf)
    }
}

/// Runs the hooks of a leaf that wait for its gradient to be accumulated.
fn tell(leaf: &Leaf) -> Result<()> {
    match (leaf.watch(), leaf.grad()) {
        (Some(watch), Some(sum)) => watch.after.run(sum).map(drop),
        _ => Ok(()),
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
    if !gradient.is_unshared() {
        return ops::copy(&gradient);
    }
    // What it was a view of is gone (a transposed gradient, transposed back).
    Ok(if gradient.is_view() { Tensor::new(gradient.array().clone(), gradient.tracking().clone()) } else { gradient })
}

fn seed(op: &str, output: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
    let Some(given) = given else {
        if output.numel() != 1 {
            return Err(Error::gradient(
                op,
                format_args!(
                    "only a one-element tensor starts a backward by itself, this one has shape {}; \
                     reduce it (.sum(), .mean()) or pass gradient=",
                    Show(output.shape())
                ),
            ));
        }
        return Ok(Array::full(op, output.shape(), Scalar::Float(1.0), output.dtype())?.into());
    };
    if given.shape() != output.shape() {
        return Err(Error::shape(
            op,
            format_args!("gradient of shape {} for an output of shape {}", Show(given.shape()), Show(output.shape())),
        ));
    }
    ops::cast(given, output.dtype())
}

fn nothing_recorded(op: &str, output: &Tensor) -> Error {
    match output.tracking() {
        Tracking::Cut(name) => Error::gradient(
            op,
            format_args!("{name} has no gradient: its output is not a smooth function of its input"),
        ),
        _ => Error::gradient(
            op,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    #[test]
    fn leaves_take_over_what_nobody_else_holds() {
        let matrix = || Array::from_slice("test", &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]).unwrap();
        let taken = |gradient: Tensor| {
            let before = gradient.array().storage().buffer().as_ptr();
            let kept = own(gradient).unwrap();
            assert!(!kept.is_view() && kept.array().layout().is_contiguous());
            std::ptr::eq(before, kept.array().storage().buffer().as_ptr())
        };
        assert!(taken(matrix().into()));
        // A view of a tensor that is gone.
        let view =
            |array: Array, layout: Layout| Tensor::from(array.clone()).viewed(array.view(layout), Tracking::None);
        assert!(taken(view(matrix(), Layout::contiguous(&[2, 3]))));
        let held = matrix();
        assert!(!taken(view(held.clone(), held.layout().clone())));
        let turned = held.layout().permute(&[1, 0]);
        assert!(!taken(view(held, turned)));
    }
}
