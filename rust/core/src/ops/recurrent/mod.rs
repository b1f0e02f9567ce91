//! Recurrent networks: layers stacked and run both ways, from the operation that runs one.

#![allow(clippy::many_single_char_names, reason = "x, w, h and c are the letters of the literature")]

mod layer;
mod unrolled;

pub use layer::{Kind, Recurrent};

use crate::array::Array;
use crate::autograd::autocast::{self, Autocast};
use crate::autograd::op::apply;
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::shape::entry;
use crate::ops::{add, cast, cat, dropout, linear, reshape, slice, stack, transpose};
use smallvec::SmallVec;
use std::sync::Arc;

/// How layers are stacked.
#[derive(Clone, Copy, Debug)]
pub struct RecurrentOptions {
    /// The cells.
    pub kind: Kind,
    /// Whether products have biases.
    pub biases: bool,
    /// Layers, each over the outputs of the one before.
    pub layers: usize,
    /// Probability with which an output is dropped between layers; 0 outside training.
    pub dropout: f64,
    /// Whether a second set of weights reads the sequences from the end.
    pub bidirectional: bool,
    /// Whether inputs are (batch, steps, features), not (steps, batch, features).
    pub batch_first: bool,
}

/// Whether a network that takes its inputs as they are makes its products in bfloat16: where that is what autocast asks
/// for, though gates meet states that nothing rounds, as in PyTorch.
fn narrows(x: &Tensor, parameters: &[Tensor]) -> bool {
    let asked = autocast::dtype() == Some(DType::BF16);
    asked && parameters.iter().chain([x]).all(|t| matches!(t.dtype(), DType::F32 | DType::BF16))
}

impl RecurrentOptions {
    /// How many runs over the sequences there are: layers times directions.
    fn runs(&self) -> usize {
        self.layers * self.directions()
    }

    fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }
}

/// The weights of one run, in the order in which a list of parameters has them.
struct Weights<'a> {
    input: &'a Tensor,
    recurrent: &'a Tensor,
    biases: Option<[&'a Tensor; 2]>,
    projection: Option<&'a Tensor>,
}

/// Cuts a list of parameters into runs.
fn weights<'a>(options: &RecurrentOptions, parameters: &'a [Tensor]) -> Result<Vec<Weights<'a>>> {
    let name = options.kind.name();
    let (runs, plain) = (options.runs(), if options.biases { 4 } else { 2 });
    let each = parameters.len().checked_div(runs).unwrap_or(0);
    let projected = options.kind == Kind::Lstm && each == plain + 1;
    if runs == 0 || each * runs != parameters.len() || !(each == plain || projected) {
        let what = format_args!("{} parameters for {runs} runs, expected {plain} for each", parameters.len());
        return Err(Error::value(name, what));
    }
    Ok(parameters
        .chunks_exact(each)
        .map(|p| Weights {
            input: &p[0],
            recurrent: &p[1],
            biases: options.biases.then(|| [&p[2], &p[3]]),
            projection: projected.then(|| &p[each - 1]),
        })
        .collect())
}

impl Weights<'_> {
    /// Runs `op` over `x`, (total, features): outputs (total, output), last outputs, last second states.
    fn run(&self, mut op: Recurrent, x: &Tensor, h: &Tensor, c: Option<&Tensor>) -> Result<[Option<Tensor>; 3]> {
        let kind = op.kind;
        let joined;
        let bias = match self.biases {
            Some([input, _]) if kind == Kind::Gru => Some(input),
            Some([input, recurrent]) => {
                joined = add(input, recurrent)?;
                Some(&joined)
            }
            None => None,
        };
        let products = if op.narrow {
            let lower = |t: &Tensor| cast(t, DType::BF16);
            cast(&linear(&lower(x)?, &lower(self.input)?, bias.map(lower).transpose()?.as_ref())?, DType::F32)?
        } else {
            linear(x, self.input, bias)?
        };
        op.narrow |= products.dtype() == DType::BF16;
        let none;
        let mut inputs: SmallVec<[&Tensor; 5]> = SmallVec::from_slice(&[&products, self.recurrent, h]);
        match kind {
            Kind::Lstm => inputs.extend(c.into_iter().chain(self.projection)),
            Kind::Gru => {
                if let Some([_, recurrent]) = self.biases {
                    inputs.push(recurrent);
                } else {
                    none = Array::zeros(kind.name(), &self.recurrent.shape()[..1], x.dtype())?.into();
                    inputs.push(&none);
                }
            }
            _ => {}
        }
        let output = self.recurrent.shape()[1];
        let (total, batch) = (x.shape()[0], h.shape()[0]);
        let all = apply(op, &inputs)?;
        let flat = reshape(&all, &[all.numel()])?;
        let (of_y, of_h) = (total * output, batch * output);
        let part = |first: usize, count: usize, shape: &[usize]| reshape(&slice(&flat, 0, first, 1, count)?, shape);
        let last_cell = match c {
            Some(c) => Some(part(of_y + of_h, c.numel(), c.shape())?),
            None => None,
        };
        Ok([Some(part(0, of_y, &[total, output])?), Some(part(of_y, of_h, h.shape())?), last_cell])
    }
}

/// What a network gives: outputs of all steps, last outputs, and of an LSTM the last second states.
pub type RecurrentOutputs = (Tensor, Tensor, Option<Tensor>);

/// Runs a network over `x`: (steps, batch, features), (batch, steps, features) or (steps, features); or, where `sizes`
/// tells how many sequences each step has, (total, features), the steps one after the other, longest sequences first.
/// `states` hold the first outputs, (layers * directions, batch, output), and of an LSTM the first second states.
///
/// # Errors
/// [`Error::Shape`] where shapes do not fit, [`Error::Value`] for a list of parameters of another length,
/// [`Error::DType`] for integers.
pub fn recurrent(
    x: &Tensor,
    states: &[Tensor],
    parameters: &[Tensor],
    options: RecurrentOptions,
    sizes: Option<Vec<usize>>,
) -> Result<RecurrentOutputs> {
    match options.kind {
        Kind::Gru => {
            let narrow = narrows(x, parameters);
            Autocast::Keep.around([], |[]| network(x, states, parameters, options, sizes, narrow))
        }
        _ => network(x, states, parameters, options, sizes, false),
    }
}

fn network(
    x: &Tensor,
    states: &[Tensor],
    parameters: &[Tensor],
    options: RecurrentOptions,
    sizes: Option<Vec<usize>>,
    narrow: bool,
) -> Result<RecurrentOutputs> {
    let name = options.kind.name();
    let weights = weights(&options, parameters)?;
    let second = usize::from(options.kind == Kind::Lstm);
    if states.len() != 1 + second {
        return Err(Error::value(name, format_args!("expected {} state(s), got {}", 1 + second, states.len())));
    }
    let packed = sizes.is_some();
    let single = !packed && x.rank() == 2;
    if x.rank() != 3 && !single && !(packed && x.rank() == 2) {
        let what = "expected an input (steps, batch, features), or without the batch";
        return Err(Error::shape(name, format_args!("{what}, got {}", Show(x.shape()))));
    }
    let by_step = if options.batch_first && x.rank() == 3 { transpose(x, 0, 1)? } else { x.clone() };
    let features = x.shape()[x.rank() - 1];
    let (steps, batch) = match (&sizes, by_step.shape()) {
        (Some(sizes), _) => (sizes.len(), sizes.first().copied().unwrap_or(0)),
        (None, &[steps, batch, _]) => (steps, batch),
        (None, shape) => (shape[0], 1),
    };
    let sizes: Arc<[usize]> = sizes.map_or_else(|| vec![batch; steps].into(), Into::into);
    let total: usize = sizes.iter().sum();
    let expected = weights[0].input.shape().get(1).copied().unwrap_or(0);
    if features != expected {
        return Err(Error::shape(
            name,
            format_args!("input {} has {features} features, the weights expect {expected}", Show(x.shape())),
        ));
    }
    if packed && total != x.shape()[0] {
        return Err(Error::shape(
            name,
            format_args!("batch_sizes are of {total} rows, the input {} has others", Show(x.shape())),
        ));
    }
    let states = states_of_runs(name, states, &weights, &options, batch, single)?;
    let mut layer = reshape(&by_step, &[total, features])?;
    let mut last: [Vec<Tensor>; 2] = [Vec::new(), Vec::new()];
    for (at, layer_weights) in weights.chunks(options.directions()).enumerate() {
        if at > 0 && options.dropout > 0.0 {
            layer = dropout(&layer, options.dropout, true)?;
        }
        let mut outputs = Vec::with_capacity(2);
        for (direction, weights) in layer_weights.iter().enumerate() {
            let run = at * options.directions() + direction;
            let (h, c) = (&states[0][run], states.get(1).map(|c| &c[run]));
            let op = Recurrent { kind: options.kind, sizes: sizes.clone(), reverse: direction == 1, narrow };
            let [y, h, c] = weights.run(op, &layer, h, c)?;
            outputs.extend(y);
            last[0].extend(h);
            last[1].extend(c);
        }
        layer = if let [only] = &outputs[..] { only.clone() } else { cat(&[&outputs[0], &outputs[1]], 1)? };
    }
    let width = layer.shape()[1];
    let y = match (packed, single) {
        (true, _) => layer,
        (_, true) => reshape(&layer, &[steps, width])?,
        _ => {
            let y = reshape(&layer, &[steps, batch, width])?;
            if options.batch_first { transpose(&y, 0, 1)? } else { y }
        }
    };
    let joined = |states: &[Tensor]| {
        let all = stack(&states.iter().collect::<Vec<_>>(), 0)?;
        if single { reshape(&all, &[all.shape()[0], all.shape()[2]]) } else { Ok(all) }
    };
    let [h, c] = last;
    Ok((y, joined(&h)?, if c.is_empty() { None } else { Some(joined(&c)?) }))
}

/// The states of each run, (batch, width), from (runs, batch, width), or without the batch.
fn states_of_runs(
    name: &str,
    states: &[Tensor],
    weights: &[Weights<'_>],
    options: &RecurrentOptions,
    batch: usize,
    single: bool,
) -> Result<Vec<Vec<Tensor>>> {
    let recurrent = weights[0].recurrent.shape();
    let &[gates, output] = recurrent else {
        return Err(Error::shape(
            name,
            format_args!("expected recurrent weights of two dimensions, got {}", Show(recurrent)),
        ));
    };
    let runs = options.runs();
    let widths = [output, gates / options.kind.gates()];
    let each = states.iter().zip(widths).map(|(state, width)| {
        let expected: &[usize] = if single { &[runs, width] } else { &[runs, batch, width] };
        if state.shape() != expected {
            let (found, expected) = (Show(state.shape()), Show(expected));
            return Err(Error::shape(
                name,
                format_args!("expected a state hx of {expected} (layers * directions, batch, size), got {found}"),
            ));
        }
        let all = reshape(state, &[runs, batch, width])?;
        (0..runs).map(|run| entry(&all, 0, run)).collect()
    });
    each.collect()
}

/// One step of one layer: `x` (batch, features), `states` (batch, output) each; or all without the batch. The new states.
///
/// # Errors
/// As [`recurrent`].
pub fn recurrent_cell(
    x: &Tensor,
    states: &[Tensor],
    parameters: &[Tensor],
    kind: Kind,
) -> Result<(Tensor, Option<Tensor>)> {
    let biases = parameters.len() > 2;
    let options = RecurrentOptions { kind, biases, layers: 1, dropout: 0.0, bidirectional: false, batch_first: false };
    let one = |t: &Tensor| {
        let mut shape: SmallVec<[usize; 4]> = SmallVec::from_slice(t.shape());
        shape.insert(0, 1);
        reshape(t, &shape)
    };
    let firsts = states.iter().map(one).collect::<Result<Vec<_>>>()?;
    let x = one(x)?;
    let (_, h, c) = match kind {
        Kind::Lstm => {
            let narrow = narrows(&x, parameters);
            Autocast::Keep.around([], |[]| network(&x, &firsts, parameters, options, None, narrow))?
        }
        _ => recurrent(&x, &firsts, parameters, options, None)?,
    };
    let first = |t: Tensor| reshape(&t, &t.shape()[1..]);
    Ok((first(h)?, c.map(first).transpose()?))
}
