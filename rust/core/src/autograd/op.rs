//! What an operation is, and the one door through which every operation goes.

use crate::array::Array;
pub use crate::autograd::autocast::Autocast;
use crate::autograd::guard;
use crate::autograd::inplace::{is_replaced, replacing_nothing};
use crate::autograd::mode::{self, Mode};
use crate::autograd::node::{Backward, Edge, Edges, Gradients, Node};
use crate::autograd::saved::Saved;
use crate::autograd::tensor::{Tensor, Tracking};
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Dims;
use crate::ops::cast::{Cast, cast};
use crate::ops::sample::{Params, Sample};
use smallvec::{SmallVec, smallvec};
use std::fmt::Debug;
use std::sync::Arc;

/// What an operation computes. The first array is the differentiable output; any others are auxiliary: kept for
/// backward, or handed to the caller without a gradient (indices of a maximum, statistics of a norm).
pub type Outputs = SmallVec<[Array; 1]>;

/// A differentiable operation. Its fields are its parameters; its inputs are arrays. Forward, backward and samples
/// stand together and none can be left out.
pub trait Operation: Clone + Debug + Send + Sync + Sized + 'static {
    /// The name that messages, the registry and Python use.
    const NAME: &'static str;
    /// How differing dtypes of the inputs are brought together before `forward`.
    const PROMOTION: Promotion = Promotion::Keep;
    /// What becomes of float inputs where the thread asks for a dtype.
    const AUTOCAST: Autocast = Autocast::Keep;

    /// Computes the outputs.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs; see [`crate::Error`].
    fn forward(&self, inputs: &[&Array]) -> Result<Outputs>;

    /// Gradients with respect to each input, written with differentiable operations so that they can be
    /// differentiated again. Where recording is off (`mode::is_recording()`), a fused kernel may do it in one pass.
    ///
    /// # Errors
    /// What the operations used return.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients>;

    /// Adds the gradient of the only input to `sum`, which nobody else sees, where that is shorter than to make it and add
    /// it. False if nothing was done.
    fn backward_add(&self, _grad: &Tensor, _sum: &Tensor) -> bool {
        false
    }

    /// Which inputs and outputs `backward` reads, given which inputs need a gradient.
    fn saves(&self, needs: Needs) -> Saves;

    /// How narrow dtypes come to `forward` and `backward`.
    fn halves(&self) -> Halves {
        Halves::Widened
    }

    /// Small examples that tests generate everything from.
    fn samples() -> Vec<Sample<Self>>;

    /// The parameters by name, for the numpy reference of the tests.
    fn params(&self) -> Params {
        Vec::new()
    }
}

/// An operation without a gradient: its output does not vary smoothly, or is not a float.
pub trait Discrete: Clone + Debug + Send + Sync + Sized + 'static {
    /// The name that messages, the registry and Python use.
    const NAME: &'static str;
    /// How differing dtypes of the inputs are brought together before `forward`.
    const PROMOTION: Promotion = Promotion::Keep;

    /// Computes the outputs.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs; see [`crate::Error`].
    fn forward(&self, inputs: &[&Array]) -> Result<Outputs>;

    /// How narrow dtypes come to `forward` and `backward`.
    fn halves(&self) -> Halves {
        Halves::Widened
    }

    /// Small examples that tests generate everything from.
    fn samples() -> Vec<Sample<Self>>;

    /// The parameters by name, for the numpy reference of the tests.
    fn params(&self) -> Params {
        Vec::new()
    }
}

/// How an operation takes dtypes that are stored narrower than they are computed: bfloat16 and float16, and integers of
/// fewer than 32 bits or of 32 without a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halves {
    /// Widened. The first output is rounded, integers wrapped, to the dtype of the first float input, or of the first
    /// where none is a float; gradients are rounded to the dtype of theirs.
    Widened,
    /// As they are stored.
    Stored,
}

impl Halves {
    /// Runs `forward` on `inputs`, or on what they are widened to.
    pub(crate) fn forward(self, inputs: &[&Array], forward: &dyn Fn(&[&Array]) -> Result<Outputs>) -> Result<Outputs> {
        if self == Self::Stored || !inputs.iter().any(|x| x.dtype().is_narrow()) {
            return forward(inputs);
        }
        let wide = inputs.iter().map(|x| x.cast(Cast::NAME, x.dtype().widened()));
        let wide = wide.collect::<Result<SmallVec<[Array; 4]>>>()?;
        let mut outputs = forward(&wide.iter().collect::<SmallVec<[&Array; 4]>>())?;
        let dtype = inputs.iter().find(|x| x.dtype().is_float()).unwrap_or(&inputs[0]).dtype();
        if outputs[0].dtype() == dtype.widened() {
            outputs[0] = outputs[0].cast(Cast::NAME, dtype)?;
        }
        Ok(outputs)
    }
}

/// How an operation treats the dtypes of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// Takes each input as it is.
    Keep,
    /// All inputs in their common dtype.
    Common,
    /// All inputs in their common dtype, float32 at least: mathematical functions.
    Float,
}

/// Which inputs need a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs(u32);

impl Needs {
    /// Whether input `i` needs a gradient.
    #[must_use]
    pub fn input(self, i: usize) -> bool {
        self.0 >> i.min(31) & 1 == 1
    }
}

/// Which inputs and outputs an operation keeps for its backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saves {
    inputs: u32,
    outputs: bool,
}

impl Saves {
    /// Nothing: shapes and dtypes are always known.
    pub const NOTHING: Self = Self { inputs: 0, outputs: false };
    /// Every input.
    pub const INPUTS: Self = Self { inputs: u32::MAX, outputs: false };
    /// Every output.
    pub const OUTPUTS: Self = Self { inputs: 0, outputs: true };

    /// Input `i` as well, if `condition`.
    #[must_use]
    pub const fn input_if(mut self, i: usize, condition: bool) -> Self {
        if condition {
            self.inputs |= 1 << i;
        }
        self
    }

    /// Input `i` as well.
    #[must_use]
    pub const fn input(self, i: usize) -> Self {
        self.input_if(i, true)
    }

    /// The outputs as well.
    #[must_use]
    pub const fn outputs(mut self) -> Self {
        self.outputs = true;
        self
    }

    fn has(self, i: usize) -> bool {
        self.inputs >> i.min(31) & 1 == 1
    }
}

/// What a backward sees: shapes, dtypes and needs of the inputs, and the values that were saved.
pub struct Context<'a> {
    node: &'a Arc<Node>,
    name: &'static str,
    needs: Needs,
    halves: Halves,
    inputs: &'a [SavedInput],
    outputs: &'a [Saved<Array>],
}

struct SavedInput {
    shape: Dims,
    dtype: DType,
    value: Option<Saved<Tensor>>,
}

impl Context<'_> {
    /// Whether input `i` needs a gradient.
    #[must_use]
    pub fn needs(&self, i: usize) -> bool {
        self.needs.input(i)
    }

    /// Number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there are no inputs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Shape of input `i`.
    #[must_use]
    pub fn shape(&self, i: usize) -> &[usize] {
        &self.inputs[i].shape
    }

    /// Dtype of input `i`, as it came to `forward`.
    #[must_use]
    pub fn dtype(&self, i: usize) -> DType {
        let dtype = self.inputs[i].dtype;
        if self.halves == Halves::Widened { dtype.widened() } else { dtype }
    }

    /// `x` as it came to `forward`.
    fn widen(&self, x: Tensor) -> Result<Tensor> {
        if self.halves == Halves::Widened { cast(&x, x.dtype().widened()) } else { Ok(x) }
    }

    /// The saved input `i`, with its place in the graph.
    ///
    /// # Errors
    /// [`crate::Error::Gradient`] when it was overwritten since.
    ///
    /// # Panics
    /// When `saves` did not ask for it: an error in the operation, not in its use.
    pub fn input(&self, i: usize) -> Result<Tensor> {
        let saved = self.inputs[i].value.as_ref().expect("`saves` asks for every input that backward reads");
        self.widen(saved.get(self.name)?)
    }

    /// The saved differentiable output, as the output of this very operation.
    ///
    /// # Errors
    /// [`crate::Error::Gradient`] when it was overwritten since.
    ///
    /// # Panics
    /// When `saves` did not ask for it: an error in the operation, not in its use.
    pub fn output(&self) -> Result<Tensor> {
        let array = self.outputs[0].get(self.name)?;
        self.widen(Tensor::new(array, Tracking::Node(self.node.clone(), 0)))
    }

    /// Zeros in the place that input `i` has in the graph: what a gradient depends on in steps, or in name alone, with
    /// nothing saved for it.
    ///
    /// # Errors
    /// Only for lack of memory.
    pub fn placeholder(&self, i: usize) -> Result<Tensor> {
        let SavedInput { shape, dtype, .. } = &self.inputs[i];
        let zeros = Array::zeros(self.name, &[], *dtype)?.expand(self.name, shape)?;
        Ok(Tensor::new(
            zeros,
            match self.node.edges().get(i) {
                Some(Some(Edge::Leaf(leaf))) => Tracking::Leaf(leaf.clone()),
                Some(Some(Edge::Node(node, output))) => Tracking::Node(node.clone(), *output),
                _ => Tracking::None,
            },
        ))
    }

    /// The saved auxiliary output `i` (1 is the first), a constant.
    ///
    /// # Errors
    /// [`crate::Error::Gradient`] when it was overwritten since.
    ///
    /// # Panics
    /// When `saves` did not ask for it: an error in the operation, not in its use.
    pub fn auxiliary(&self, i: usize) -> Result<Tensor> {
        Ok(Tensor::from(self.outputs[i].get(self.name)?))
    }
}

/// What a graph keeps of an operation's run.
struct Record {
    needs: Needs,
    inputs: SmallVec<[SavedInput; 3]>,
    outputs: SmallVec<[Saved<Array>; 1]>,
}

impl Record {
    /// Gradients with respect to the inputs, by `backward` of the operation `name`.
    fn backward(
        &self,
        (name, halves): (&'static str, Halves),
        node: &Arc<Node>,
        arrived: &[Option<Tensor>],
        backward: &dyn Fn(&Context<'_>, &Tensor) -> Result<Gradients>,
    ) -> Result<Gradients> {
        // The first output is the differentiable one.
        let Some(Some(grad)) = arrived.first() else { return Ok(Gradients::new()) };
        let Self { needs, inputs, outputs } = self;
        let context = Context { node, name, needs: *needs, halves, inputs, outputs };
        if halves == Halves::Stored || !inputs.iter().any(|input| input.dtype.is_narrow()) {
            return backward(&context, grad);
        }
        let mut gradients = backward(&context, &context.widen(grad.clone())?)?;
        for (gradient, input) in gradients.iter_mut().zip(inputs) {
            if let Some(gradient) = gradient {
                *gradient = cast(gradient, input.dtype)?;
            }
        }
        Ok(gradients)
    }

    fn keeps_values(&self) -> bool {
        !self.outputs.is_empty() || self.inputs.iter().any(|input| input.value.is_some())
    }

    fn inputs(&self) -> Vec<Option<(Dims, DType)>> {
        self.inputs.iter().map(|input| Some((input.shape.clone(), input.dtype))).collect()
    }
}

/// An operation and the record of its run.
struct Recorded<O> {
    op: O,
    record: Record,
}

impl<O: Operation> Backward for Recorded<O> {
    fn backward(&self, node: &Arc<Node>, arrived: &[Option<Tensor>]) -> Result<Gradients> {
        let backward = |context: &Context<'_>, grad: &Tensor| self.op.backward(context, grad);
        self.record.backward((O::NAME, self.op.halves()), node, arrived, &backward)
    }

    fn add_to(&self, arrived: &[Option<Tensor>], sum: &Tensor) -> bool {
        matches!(arrived, [Some(grad)] if self.op.backward_add(grad, sum))
    }

    fn keeps_values(&self) -> bool {
        self.record.keeps_values()
    }

    fn inputs(&self) -> Vec<Option<(Dims, DType)>> {
        self.record.inputs()
    }
}

/// An operation behind a pointer, so that what happens around its `forward` is compiled once and not for each.
trait Applied {
    fn halves(&self) -> Halves;
    fn forward(&self, inputs: &[&Array]) -> Result<Outputs>;
    fn params(&self) -> Params;
    fn saves(&self, needs: Needs) -> Saves;
    /// What a graph keeps. The operation goes there: nothing else is called afterwards.
    fn recorded(&mut self, record: Record) -> Arc<dyn Backward>;
}

/// What is known of an operation without its parameters.
struct Rules {
    name: &'static str,
    promotion: Promotion,
    autocast: Autocast,
}

/// The operation until it is recorded.
struct Pending<O>(Option<O>);

impl<O: Operation> Pending<O> {
    const RULES: Rules = Rules { name: O::NAME, promotion: O::PROMOTION, autocast: O::AUTOCAST };

    #[inline]
    fn op(&self) -> &O {
        self.0.as_ref().expect("an operation is recorded last")
    }
}

impl<O: Operation> Applied for Pending<O> {
    fn halves(&self) -> Halves {
        self.op().halves()
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        self.op().forward(inputs)
    }

    fn params(&self) -> Params {
        self.op().params()
    }

    fn saves(&self, needs: Needs) -> Saves {
        self.op().saves(needs)
    }

    fn recorded(&mut self, record: Record) -> Arc<dyn Backward> {
        let op = self.0.take().expect("an operation is recorded once");
        Arc::new(Recorded { op, record })
    }
}

/// Runs `op` and records it where a gradient is wanted; the differentiable output alone.
///
/// # Errors
/// What the operation returns.
#[inline]
pub fn apply<O: Operation>(op: O, inputs: &[&Tensor]) -> Result<Tensor> {
    cast_and_run(&Pending::<O>::RULES, &mut Pending(Some(op)), inputs, run)
}

/// Runs `op` and records it where a gradient is wanted; all outputs, the differentiable one first.
///
/// # Errors
/// What the operation returns.
pub fn apply_all<O: Operation>(op: O, inputs: &[&Tensor]) -> Result<SmallVec<[Tensor; 1]>> {
    cast_and_run(&Pending::<O>::RULES, &mut Pending(Some(op)), inputs, run_all)
}

/// How an operation is run on inputs that are as it takes them.
type Run<R> = fn(&'static str, &mut dyn Applied, &[&Tensor]) -> Result<R>;

fn cast_and_run<R>(rules: &Rules, op: &mut dyn Applied, inputs: &[&Tensor], run: Run<R>) -> Result<R> {
    if rules.autocast != Autocast::Keep
        && let Some(inputs) = rules.autocast.inputs(inputs)?
    {
        return promote_and_run(rules, op, &inputs.iter().collect::<SmallVec<[&Tensor; 4]>>(), run);
    }
    promote_and_run(rules, op, inputs, run)
}

#[inline]
fn promote_and_run<R>(rules: &Rules, op: &mut dyn Applied, inputs: &[&Tensor], run: Run<R>) -> Result<R> {
    let Some(promoted) = promote(rules.name, rules.promotion, inputs)? else {
        return run(rules.name, op, inputs);
    };
    run(rules.name, op, &promoted.iter().collect::<SmallVec<[&Tensor; 4]>>())
}

/// The outputs, their place in the graph, and whether the first is a view of the first input.
// Loops that push, not iterators that collect: this is the path of every small operation, and they compile to less.
#[allow(clippy::inline_always, reason = "what it returns is moved through memory otherwise: a tenth of a small call")]
#[inline(always)]
fn forward(name: &'static str, op: &mut dyn Applied, inputs: &[&Tensor]) -> Result<(Outputs, Tracking, bool)> {
    let mut arrays: SmallVec<[&Array; 4]> = SmallVec::new();
    for input in inputs {
        arrays.push(input.array());
    }
    let halves = op.halves();
    // What a graph may keep stays, also where the tensor that is written next has no gradient itself.
    let keeps = mode::is_recording() && inputs.iter().any(|x| x.requires_grad());
    let _nothing = keeps.then(replacing_nothing);
    // As `Halves::forward` does, without a detour where there is nothing to widen.
    let outputs = if halves == Halves::Stored {
        op.forward(&arrays)?
    } else {
        halves.forward(&arrays, &|arrays| op.forward(arrays))?
    };
    if Mode::get().guards() {
        guard::check(name, &op.params(), &arrays, &outputs[0])?;
    }
    let is_view = is_view(&outputs, &arrays) && !arrays.first().is_some_and(|x| is_replaced(x));
    let tracking = track_pending(name, op, inputs, &outputs)?;
    Ok((outputs, tracking, is_view))
}

/// The differentiable output.
fn run(name: &'static str, op: &mut dyn Applied, inputs: &[&Tensor]) -> Result<Tensor> {
    let (mut outputs, tracking, is_view) = forward(name, op, inputs)?;
    let array = outputs.swap_remove(0);
    Ok(if is_view { inputs[0].viewed(array, tracking) } else { Tensor::new(array, tracking) })
}

/// All outputs.
fn run_all(name: &'static str, op: &mut dyn Applied, inputs: &[&Tensor]) -> Result<SmallVec<[Tensor; 1]>> {
    let (outputs, tracking, is_view) = forward(name, op, inputs)?;
    let mut tensors = SmallVec::new();
    for array in outputs {
        // The first output is the differentiable one; what an unrecorded operation cuts off, it cuts off in all.
        let tracking = if tensors.is_empty() || !matches!(tracking, Tracking::Node(..)) {
            tracking.clone()
        } else {
            Tracking::None
        };
        tensors.push(if is_view { inputs[0].viewed(array, tracking) } else { Tensor::new(array, tracking) });
    }
    Ok(tensors)
}

/// The place in the graph of what `op` made of `inputs`: recorded where a gradient is wanted, as `name`.
pub(crate) fn track<O: Operation>(
    name: &'static str,
    op: O,
    inputs: &[&Tensor],
    outputs: &[Array],
) -> Result<Tracking> {
    track_pending(name, &mut Pending(Some(op)), inputs, outputs)
}

#[inline]
fn track_pending(name: &'static str, op: &mut dyn Applied, inputs: &[&Tensor], outputs: &[Array]) -> Result<Tracking> {
    if !mode::is_recording() {
        return Ok(Tracking::None);
    }
    let needs = needs(inputs);
    if needs.0 == 0 || !outputs[0].dtype().is_float() {
        return Ok(cut(name, needs, inputs));
    }
    record(name, op, needs, inputs, outputs)
}

fn record(
    name: &'static str,
    op: &mut dyn Applied,
    needs: Needs,
    inputs: &[&Tensor],
    outputs: &[Array],
) -> Result<Tracking> {
    let saves = op.saves(needs);
    let mut edges = Edges::new();
    let mut saved_inputs = SmallVec::new();
    for (i, &input) in inputs.iter().enumerate() {
        edges.push(input.edge());
        saved_inputs.push(SavedInput {
            shape: input.array().dims(),
            dtype: input.dtype(),
            value: if saves.has(i) { Some(Saved::input(input)?) } else { None },
        });
    }
    let mut saved_outputs = SmallVec::new();
    if saves.outputs {
        for array in outputs {
            saved_outputs.push(Saved::output(array)?);
        }
    }
    let recorded = op.recorded(Record { needs, inputs: saved_inputs, outputs: saved_outputs });
    Ok(Tracking::Node(Node::new(name, edges, recorded), 0))
}

/// Runs an operation that has no gradient; all outputs.
///
/// # Errors
/// What the operation returns.
#[allow(clippy::needless_pass_by_value, reason = "called as `apply` is, with an operation made on the spot")]
pub fn apply_discrete<O: Discrete>(op: O, inputs: &[&Tensor]) -> Result<SmallVec<[Tensor; 1]>> {
    let forward = |arrays: &[&Array]| op.forward(arrays);
    let Some(promoted) = promote(O::NAME, O::PROMOTION, inputs)? else {
        return run_discrete(O::NAME, op.halves(), inputs, &forward);
    };
    run_discrete(O::NAME, op.halves(), &promoted.iter().collect::<SmallVec<[&Tensor; 4]>>(), &forward)
}

// Loops that push, as in `run`.
fn run_discrete(
    name: &'static str,
    halves: Halves,
    inputs: &[&Tensor],
    forward: &dyn Fn(&[&Array]) -> Result<Outputs>,
) -> Result<SmallVec<[Tensor; 1]>> {
    let (mut arrays, mut needs) = (SmallVec::<[&Array; 4]>::new(), false);
    for input in inputs {
        arrays.push(input.array());
        needs |= input.requires_grad();
    }
    let outputs = halves.forward(&arrays, forward)?;
    let tracking = if needs && mode::is_recording() { Tracking::Cut(name) } else { Tracking::None };
    let mut tensors = SmallVec::new();
    for array in outputs {
        tensors.push(Tensor::new(array, tracking.clone()));
    }
    Ok(tensors)
}

fn needs(inputs: &[&Tensor]) -> Needs {
    // Beyond 31 inputs (cat, stack) the last bit stands for all of the rest.
    Needs(inputs.iter().enumerate().fold(0, |bits, (i, t)| bits | u32::from(t.requires_grad()) << i.min(31)))
}

/// What an unrecorded output remembers: the operation, here or before, at which a gradient ends.
fn cut(name: &'static str, needs: Needs, inputs: &[&Tensor]) -> Tracking {
    if needs.0 != 0 {
        return Tracking::Cut(name);
    }
    let earlier = inputs.iter().find(|t| matches!(t.tracking(), Tracking::Cut(_)));
    earlier.map_or(Tracking::None, |t| t.tracking().clone())
}

fn is_view(outputs: &[Array], inputs: &[&Array]) -> bool {
    matches!((outputs.first(), inputs.first()), (Some(output), Some(input)) if output.shares_storage(input))
}

fn promote(op: &str, rule: Promotion, inputs: &[&Tensor]) -> Result<Option<SmallVec<[Tensor; 4]>>> {
    let Some(first) = inputs.first() else { return Ok(None) };
    let alike = |dtype: DType| inputs.iter().all(|x| x.dtype() == dtype);
    if rule == Promotion::Keep || (rule == Promotion::Common || first.dtype().is_float()) && alike(first.dtype()) {
        return Ok(None);
    }
    let common = inputs.iter().try_fold(first.dtype(), |dtype, t| dtype.promote(op, t.dtype()))?;
    let dtype = if rule == Promotion::Float { common.to_float() } else { common };
    if alike(dtype) {
        return Ok(None);
    }
    inputs
        .iter()
        .map(|t| if t.dtype() == dtype { Ok((*t).clone()) } else { apply(Cast { dtype }, &[t]) })
        .collect::<Result<_>>()
        .map(Some)
}

/// The gradients of an operation with one input.
#[must_use]
pub fn one(grad: Tensor) -> Gradients {
    smallvec![Some(grad)]
}
