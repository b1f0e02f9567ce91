//! One direction of a recurrent layer as an operation, all its steps at once.

#![allow(clippy::many_single_char_names, reason = "x, w, h and c are the letters of the literature")]

use super::unrolled;
use crate::array::{Array, Native};
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Autocast, Context, Halves, Needs, Operation, Outputs, Saves};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::cast;
use crate::ops::sample::{Params, Sample, real};
use crate::with_float;
use dlcore_kernels::element::Element;
use dlcore_kernels::gemm::{GemmFloat, Precision, multiplies_bfloat16, with_precision};
use dlcore_kernels::half::Bf16;
use dlcore_kernels::recurrent::{self as kernel, Cell, Gru, Inputs, Layer, Lstm, Nonlinearity, Plain, Row};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// The cells of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997).
    Lstm,
    /// Gated recurrent units (Cho et al. 2014).
    Gru,
    /// Plain units (Elman 1990) with a hyperbolic tangent.
    Tanh,
    /// Plain units with `max(x, 0)`.
    Relu,
}

impl Kind {
    /// Products of each unit with the output of the step before.
    #[must_use]
    pub const fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
            Self::Tanh | Self::Relu => 1,
        }
    }

    /// The function that Python knows it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Gru => "gru",
            Self::Tanh => "rnn_tanh",
            Self::Relu => "rnn_relu",
        }
    }

    fn nonlinearity(self) -> Plain {
        Plain(if self == Self::Relu { Nonlinearity::Relu } else { Nonlinearity::Tanh })
    }
}

/// A layer of `kind` run over products of its inputs and weights, (total, gates * hidden), rows of all sequences step by
/// step. Further inputs: the recurrent weights (gates * hidden, output) and the first output (batch, output); of an
/// LSTM then the first second state (batch, hidden) and perhaps a projection (output, hidden); of a GRU the biases of
/// its products (3 * hidden).
///
/// What comes out are rows of outputs: of all steps, then the last of each sequence, then of an LSTM the last second
/// state; all in one row where a projection makes them differ in length. Auxiliary outputs: what backward needs of each
/// step, and the second state after it.
#[derive(Clone, Debug)]
pub struct Recurrent {
    /// The cells.
    pub kind: Kind,
    /// Sequences at each step, never more than at the one before.
    pub sizes: Arc<[usize]>,
    /// Whether steps are taken from the last to the first.
    pub reverse: bool,
    /// Whether float32 numbers count as bfloat16 in products, where that is faster.
    pub narrow: bool,
}

impl Recurrent {
    /// Runs `body`, which multiplies.
    fn multiplying<R>(&self, body: impl FnOnce() -> R) -> R {
        if self.narrow { with_precision(Precision::Medium, body) } else { body() }
    }

    fn layer(&self, shapes: &[&[usize]]) -> Result<Layer<'_>> {
        let misfit = || {
            let shapes = shapes.iter().map(|shape| Show(shape).to_string()).collect::<Vec<_>>().join(", ");
            let (kind, rows, batch) =
                (self.kind.name(), self.sizes.iter().sum::<usize>(), self.sizes.first().unwrap_or(&0));
            Error::shape(
                Self::NAME,
                format_args!(
                    "inputs of an {kind} over {rows} rows of {batch} sequence(s) do not fit each other: {shapes}"
                ),
            )
        };
        let (&[total, width], &[gates, output]) =
            (*shapes.first().ok_or_else(misfit)?, *shapes.get(1).ok_or_else(misfit)?)
        else {
            return Err(misfit());
        };
        let hidden = width / self.kind.gates();
        let layer = Layer { sizes: &self.sizes, reverse: self.reverse, hidden, output };
        let rest: &[&[usize]] = match (self.kind, shapes.len()) {
            (Kind::Lstm, 5) => &[&[layer.batch(), hidden], &[output, hidden]],
            (Kind::Lstm, _) => &[&[layer.batch(), hidden]],
            (Kind::Gru, _) => &[&[3 * hidden]],
            _ => &[],
        };
        let fits = total == layer.total()
            && width == hidden * self.kind.gates()
            && gates == width
            && (output == hidden || shapes.len() == 5)
            && shapes.get(2).is_some_and(|h| **h == [layer.batch(), output])
            && shapes[3..] == *rest
            && self.sizes.is_sorted_by(|a, b| a >= b);
        if fits { Ok(layer) } else { Err(misfit()) }
    }

    /// Extents of the first output.
    fn shape(&self, layer: &Layer<'_>) -> Dims {
        let [of_y, of_h, of_c] = self.parts(layer);
        if layer.output != layer.hidden {
            return smallvec![of_y + of_h + of_c];
        }
        let states = if self.kind == Kind::Lstm { 2 } else { 1 };
        smallvec![layer.total() + states * layer.batch(), layer.output]
    }

    /// Lengths of the outputs of all steps, the last outputs and the last second states.
    pub(super) fn parts(&self, layer: &Layer<'_>) -> [usize; 3] {
        let second = if self.kind == Kind::Lstm { layer.hidden } else { 0 };
        [layer.total() * layer.output, layer.batch() * layer.output, layer.batch() * second]
    }
}

/// Runs `$body` with the cells of `$kind`, whose biases are `$bias`.
macro_rules! with_cell {
    ($kind:expr, $bias:expr, $cell:ident => $body:expr) => {
        match $kind {
            Kind::Lstm => {
                let $cell = &Lstm;
                $body
            }
            Kind::Gru => {
                let $cell = &Gru { bias: $bias };
                $body
            }
            kind => {
                let $cell = &kind.nonlinearity();
                $body
            }
        }
    };
}

/// The inputs as kernels take them, and the biases of a GRU.
fn kernel_inputs<X: Native + Row<Value: Native>>(
    kind: Kind,
    arrays: &[Array],
) -> (Inputs<'_, X::Value, X>, &[X::Value]) {
    let extra = |at: usize| arrays.get(at).map(Array::elements);
    let (c, projection, bias) = match kind {
        Kind::Lstm => (extra(3), extra(4), None),
        _ => (None, None, extra(3)),
    };
    let (x, w, h) = (arrays[0].elements(), arrays[1].elements(), arrays[2].elements());
    (Inputs { x, w, projection, h, c: c.unwrap_or(&[]) }, bias.unwrap_or(&[]))
}

/// Numbers of each unit and step that backward needs.
fn saved_of<T: GemmFloat, C: Cell<T>>(_: &C) -> usize {
    C::SAVED
}

const NAME: &str = Recurrent::NAME;

impl Recurrent {
    fn ahead<X: Native + Row<Value: Native>>(&self, inputs: &[&Array]) -> Result<Outputs> {
        let layer = self.layer(&shapes(inputs))?;
        let arrays = brought(inputs)?;
        let [of_y, of_h, of_c] = self.parts(&layer);
        let (total, hidden) = (layer.total(), layer.hidden);
        let (inputs, bias) = kernel_inputs::<X>(self.kind, &arrays);
        with_cell!(self.kind, bias, cell => {
            let mut flat = None;
            let saved_shape = [total, saved_of::<X::Value, _>(cell) * hidden];
            let cells_shape = [total, if of_c > 0 { hidden } else { 0 }];
            let (saved, cells) = Array::build_pair(NAME, &saved_shape, &cells_shape, |saved: &mut [X::Value], cells: &mut [X::Value]| {
                flat = Some(Array::build(NAME, &self.shape(&layer), |flat: &mut [X]| {
                    let (y, last) = flat.split_at_mut(of_y);
                    let mut states = vec![X::Value::ZERO; of_h + of_c];
                    let (h, c) = states.split_at_mut(of_h);
                    let outputs = kernel::Outputs { y, h, c, saved, cells };
                    self.multiplying(|| kernel::forward(cell, &layer, inputs, outputs));
                    for (last, state) in last.iter_mut().zip(states) {
                        *last = X::store(state);
                    }
                    Ok(())
                })?);
                Ok(())
            })?;
            Ok(flat.into_iter().chain([saved, cells]).collect())
        })
    }

    /// The gradients of `inputs`, given what forward made of them and the gradient of that.
    fn back<X: Native + Row<Value: Native>>(
        &self,
        inputs: &[&Array],
        [flat, saved, cells]: [&Array; 3],
        grad: &Array,
    ) -> Result<SmallVec<[Array; 5]>> {
        let shapes = shapes(inputs);
        let layer = self.layer(&shapes)?;
        let arrays = brought(inputs)?;
        let grad = grad.contiguous(NAME)?;
        let [of_y, of_h, _] = self.parts(&layer);
        let empty: &[usize] = &[0];
        let shape =
            |i: usize, kind: Kind| if self.kind == kind { shapes.get(i).copied().unwrap_or(empty) } else { empty };
        let (of_cell, of_projection, of_bias) = (shape(3, Kind::Lstm), shape(4, Kind::Lstm), shape(3, Kind::Gru));
        let projected = shapes.len() > 4;
        let mut rest = None;
        let (inputs, bias) = kernel_inputs::<X>(self.kind, &arrays);
        let (gy, states) = grad.elements::<X>().split_at(of_y);
        let states: Vec<X::Value> = states.iter().map(|x| x.load()).collect();
        let (gh, gc) = states.split_at(of_h);
        let y = &flat.elements()[..of_y];
        let results = kernel::Results { y, saved: saved.elements(), cells: cells.elements(), gy, gh, gc };
        let (gx, gw) = Array::build_pair(NAME, shapes[0], shapes[1], |x: &mut [X], w: &mut [X]| {
            let mut last = None;
            let states = Array::build_pair(NAME, shapes[2], of_cell, |h: &mut [X::Value], c: &mut [X::Value]| {
                last = Some(Array::build_pair(
                    NAME,
                    of_projection,
                    of_bias,
                    |projection: &mut [X::Value], bias_: &mut [X::Value]| {
                        let projection = projected.then_some(projection);
                        let gradients = kernel::Gradients { x, w, projection, h, c, bias: bias_ };
                        with_cell!(self.kind, bias, cell => {
                            self.multiplying(|| kernel::backward(cell, &layer, inputs, results, gradients));
                        });
                        Ok(())
                    },
                )?);
                Ok(())
            })?;
            rest = Some((states, last));
            Ok(())
        })?;
        let mut gradients = SmallVec::from_iter([gx, gw]);
        if let Some(((gh, gc), Some((projection, bias)))) = rest {
            gradients.extend(if self.kind == Kind::Gru { [gh, bias, projection] } else { [gh, gc, projection] });
        }
        gradients.truncate(shapes.len());
        Ok(gradients)
    }
}

impl Operation for Recurrent {
    const NAME: &'static str = "recurrent";
    const AUTOCAST: Autocast = Autocast::Lower;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        if is_bfloat16(inputs[0].dtype()) {
            return self.ahead::<Bf16>(inputs);
        }
        let ahead = |inputs: &[&Array]| with_float!(NAME, inputs[0].dtype(), T => self.ahead::<T>(inputs));
        Halves::Widened.forward(inputs, &ahead)
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let inputs = (0..context.len()).map(|i| context.input(i)).collect::<Result<SmallVec<[Tensor; 5]>>>()?;
        let dtype = grad.dtype();
        let gradients = if mode::is_recording() {
            let wide = inputs.iter().map(|x| cast(x, dtype.widened())).collect::<Result<SmallVec<[Tensor; 5]>>>()?;
            let shapes: SmallVec<[&[usize]; 5]> = wide.iter().map(Tensor::shape).collect();
            unrolled::gradients(self, &self.layer(&shapes)?, &wide, &cast(grad, dtype.widened())?)?
        } else {
            let (flat, saved, cells) = (context.output()?, context.auxiliary(1)?, context.auxiliary(2)?);
            let arrays: SmallVec<[&Array; 5]> = inputs.iter().map(Tensor::array).collect();
            let gradients = if is_bfloat16(dtype) {
                self.back::<Bf16>(&arrays, [flat.array(), saved.array(), cells.array()], grad.array())?
            } else {
                let wide = |x: &Array| x.cast(NAME, dtype.widened());
                let arrays = arrays.iter().map(|x| wide(x)).collect::<Result<SmallVec<[Array; 5]>>>()?;
                let arrays: SmallVec<[&Array; 5]> = arrays.iter().collect();
                let (flat, grad) = (wide(flat.array())?, wide(grad.array())?);
                with_float!(NAME, grad.dtype(), T => {
                    self.back::<T>(&arrays, [&flat, saved.array(), cells.array()], &grad)?
                })
            };
            gradients.into_iter().map(|g| Some(g.into())).collect()
        };
        let narrowed = |g: Option<Tensor>| g.map(|g| cast(&g, dtype)).transpose();
        gradients.into_iter().map(narrowed).collect()
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |kind: Kind, sizes: &[usize], reverse, [hidden, output]: [usize; 2]| {
            let (batch, width) = (sizes.first().copied().unwrap_or(0), kind.gates() * hidden);
            let mut inputs = vec![real(&[sizes.iter().sum(), width]), real(&[width, output]), real(&[batch, output])];
            match kind {
                Kind::Lstm => inputs.push(real(&[batch, hidden])),
                Kind::Gru => inputs.push(real(&[width])),
                _ => {}
            }
            if output != hidden {
                inputs.push(real(&[output, hidden]));
            }
            Sample::new(Self { kind, sizes: sizes.into(), reverse, narrow: false }, inputs)
        };
        vec![
            of(Kind::Lstm, &[2, 2, 2], false, [3, 3]),
            of(Kind::Lstm, &[3, 2, 1], true, [2, 2]),
            of(Kind::Lstm, &[2, 2, 1], false, [3, 2]),
            of(Kind::Gru, &[2, 2, 2], false, [3, 3]),
            of(Kind::Gru, &[3, 1], true, [2, 2]),
            of(Kind::Tanh, &[2, 2, 1], false, [3, 3]),
            of(Kind::Relu, &[1, 1, 1], true, [2, 2]),
            of(Kind::Gru, &[], false, [2, 2]),
        ]
    }

    fn params(&self) -> Params {
        vec![("kind", self.kind.name().into()), ("sizes", (&*self.sizes).into()), ("reverse", self.reverse.into())]
    }
}

/// Whether rows of `dtype` are converted step by step, and their products made as they are.
fn is_bfloat16(dtype: DType) -> bool {
    dtype == DType::BF16 && multiplies_bfloat16()
}

fn shapes<'a>(arrays: &[&'a Array]) -> SmallVec<[&'a [usize]; 5]> {
    arrays.iter().map(|x| x.shape()).collect()
}

/// The arrays without gaps, and all but the first, which is large, in the dtype of the arithmetic.
fn brought(arrays: &[&Array]) -> Result<SmallVec<[Array; 5]>> {
    let dtype = arrays[0].dtype();
    if let Some(other) = arrays.iter().find(|x| x.dtype() != dtype) {
        let what = format_args!("expected one dtype, got {dtype} and {}", other.dtype());
        return Err(Error::dtype(NAME, what));
    }
    let rest = arrays[1..].iter().map(|x| x.cast(NAME, dtype.widened())?.contiguous(NAME));
    std::iter::once(arrays[0].contiguous(NAME)).chain(rest).collect()
}
