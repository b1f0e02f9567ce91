//! Scaled dot-product attention (Vaswani et al. 2017).
//!
//! The operation never holds the scores of all pairs, so its memory grows with the length of the sequence. Where its
//! gradient is itself differentiated, where a mask has a gradient, and under dropout, the composition in
//! `Inputs::probabilities` takes over, which does hold them.

#![allow(clippy::many_single_char_names, reason = "q, k and v are the names that everybody knows")]

use crate::array::{Array, Native};
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Autocast, Context, Halves, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, broadcast_shapes};
use crate::ops::arithmetic::{scalar, scale};
use crate::ops::sample::{Domain, Input, Params, Sample, input, real};
use crate::ops::shape::shaped;
use crate::ops::{
    self, add, amax, broadcast_to, cast, dropout, eq, logical_not, masked_fill, matmul, mul, reshape, sub, sum_to,
    transpose, tril,
};
use crate::with_float;
use dlcore_kernels::attention::{self as kernel, Attention, Gradients as Slices, Heads, Mask, Plane};
use dlcore_kernels::half::Bf16;
use smallvec::smallvec;

/// `softmax(scale * Q Kᵀ + mask) V` of queries (B, H, L, E), keys (B, G, S, E) and values (B, G, S, V), where G divides H
/// and neighbouring heads share keys, and a mask if there is a fourth input: numbers that are added, or truth values
/// that are false where a query must not see a key. Auxiliary output: (B, H, L), the logarithm of the sum of each
/// query's exponentials.
#[derive(Clone, Debug)]
pub struct ScaledDotProductAttention {
    /// Whether query `i` sees the keys up to `i` only.
    pub causal: bool,
    /// What products of queries and keys are multiplied by.
    pub scale: f64,
}

const NAME: &str = ScaledDotProductAttention::NAME;

impl ScaledDotProductAttention {
    /// The problem of inputs with these shapes, all of `dtype`.
    fn problem(&self, q: &[usize], k: &[usize], v: &[usize], dtype: DType) -> Result<Attention> {
        let misfit = || {
            let (q, k, v) = (Show(q), Show(k), Show(v));
            Error::shape(
                NAME,
                format_args!(
                    "expected queries (batch, heads, length, depth), keys and values that fit; got {q}, {k} and {v}"
                ),
            )
        };
        let (&[batch, heads, queries, depth], &[n, key_heads, keys, key_depth], &[m, groups, values, value_depth]) =
            (q, k, v)
        else {
            return Err(misfit());
        };
        let fits = n == batch && m == batch && groups == key_heads && values == keys && key_depth == depth;
        let shared = heads.checked_div(key_heads).unwrap_or(1);
        if !fits || shared * key_heads != heads || shared == 0 && heads > 0 {
            return Err(misfit());
        }
        let (scale, causal, narrow) = (self.scale, self.causal, dtype == DType::BF16);
        Ok(Attention { batch, heads, shared: shared.max(1), queries, keys, depth, value_depth, scale, causal, narrow })
    }

    /// [`Operation::forward`] on inputs of bfloat16, where kernels take them.
    fn of_bfloat16(p: &Attention, inputs: &[&Array]) -> Result<Outputs> {
        let seen = inputs.get(3).map(|mask| mask.cast(NAME, mask.dtype().widened())).transpose()?;
        let seen = broadcast_mask(seen.as_ref(), p, DType::F32)?;
        let [q, k, v] = [0, 1, 2].map(|i| with_whole_rows(inputs[i]));
        let (q, k, v) = (q?, k?, v?);
        let (shape, rows) = ([p.batch, p.queries, p.heads, p.value_depth], [p.batch, p.heads, p.queries]);
        let (y, logs) = Array::build_pair(NAME, &shape, &rows, |y: &mut [Bf16], logs: &mut [f32]| {
            kernel::forward_bfloat16(p, heads(&q), heads(&k), heads(&v), mask(seen.as_ref()), y, logs);
            Ok(())
        })?;
        Ok(smallvec![heads_first(&y), logs])
    }

    /// [`Operation::forward`] on inputs that are float32 or float64, as they came or widened.
    fn of_wide(p: &Attention, inputs: &[&Array]) -> Result<Outputs> {
        let [q, k, v] = [inputs[0], inputs[1], inputs[2]];
        let seen = broadcast_mask(inputs.get(3).copied(), p, q.dtype())?;
        // Forward reads keys once, to transpose them.
        let (q, k, v) = (with_whole_rows(q)?, with_whole_rows(k)?, with_near_rows(v, p)?);
        let shape = [p.batch, p.queries, p.heads, p.value_depth];
        let (y, logs) = with_float!(NAME, q.dtype(), T => {
            Array::build_pair(NAME, &shape, &[p.batch, p.heads, p.queries], |y: &mut [T], logs: &mut [T]| {
                kernel::forward(p, heads(&q), heads(&k), heads(&v), mask(seen.as_ref()), y, logs);
                Ok(())
            })
        })?;
        Ok(smallvec![heads_first(&y), logs])
    }

    /// [`Operation::backward`] of bfloat16, where kernels take it.
    fn of_bfloat16_back(p: &Attention, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let seen = if context.len() > 3 { Some(context.input(3)?) } else { None };
        let seen = seen.map(|mask| mask.array().cast(NAME, mask.dtype().widened())).transpose()?;
        let seen = broadcast_mask(seen.as_ref(), p, DType::F32)?;
        let (inputs, y, logs) = ([0, 1, 2].map(|i| context.input(i)), context.output()?, context.auxiliary(1)?);
        let [q, k, v] = inputs.map(|x| with_whole_rows(x?.array()));
        let (q, k, v, y, g) = (q?, k?, v?, with_whole_rows(y.array())?, with_whole_rows(grad.array())?);
        gradients_of(context, [&q, &k, &v], |slices| {
            let (out, logs) = (heads(&y), logs.array().elements());
            let seen = mask(seen.as_ref());
            kernel::backward_bfloat16(p, heads(&q), heads(&k), heads(&v), seen, out, logs, heads(&g), slices);
        })
    }

    /// [`Operation::backward`] where all are float32 or float64, as they came or widened.
    fn of_wide_back(&self, p: Attention, context: &Context<'_>, inputs: Inputs, grad: &Tensor) -> Result<Gradients> {
        if mode::is_recording() || context.needs(3) {
            return self.composed(context, &inputs, grad);
        }
        let Inputs { q, k, v, mask: seen } = inputs;
        let seen = broadcast_mask(seen.as_ref().map(Tensor::array), &p, q.dtype())?;
        let y = context.output()?;
        let (y, logs) = (cast(&y, y.dtype().widened())?, context.auxiliary(1)?);
        let rows = |x: &Tensor| with_whole_rows(x.array());
        let (q, v, y, g) = (rows(&q)?, rows(&v)?, rows(&y)?, rows(grad)?);
        let k = with_near_rows(k.array(), &p)?;
        with_float!(NAME, q.dtype(), T => gradients_of(context, [&q, &k, &v], |slices: Slices<'_, T>| {
            let (out, logs, seen) = (heads(&y), logs.array().elements(), mask(seen.as_ref()));
            kernel::backward(&p, heads(&q), heads(&k), heads(&v), seen, out, logs, heads(&g), slices);
        }))
    }
}

/// The gradients of queries, keys and values, which `compute` writes, and none of a mask.
fn gradients_of<T: Native>(
    context: &Context<'_>,
    inputs: [&Array; 3],
    compute: impl FnOnce(Slices<'_, T>),
) -> Result<Gradients> {
    let [q, k, v] = inputs.map(|x| [x.shape()[0], x.shape()[2], x.shape()[1], x.shape()[3]]);
    let mut gv = None;
    let (gq, gk) = Array::build_pair(NAME, &q, &k, |gq: &mut [T], gk: &mut [T]| {
        gv = Some(Array::build(NAME, &v, |gv: &mut [T]| {
            compute(Slices { q: gq, k: gk, v: gv });
            Ok(())
        })?);
        Ok(())
    })?;
    let gradient = |x: Array| Some(Tensor::from(heads_first(&x)));
    let mut gradients: Gradients = smallvec![gradient(gq), gradient(gk), gv.and_then(gradient)];
    gradients.resize(context.len(), None);
    Ok(gradients)
}

/// An array whose rows are of adjacent elements.
fn with_whole_rows(array: &Array) -> Result<Array> {
    if array.shape()[3] > 1 && array.layout().strides[3] != 1 { array.copy(NAME) } else { Ok(array.clone()) }
}

/// The same with rows near each other, for what many queries read, if it is not packed: keys and values whose heads lie
/// side by side would crowd a few sets of the caches, and take a page of memory for each row or two.
fn with_near_rows(array: &Array, problem: &Attention) -> Result<Array> {
    const NEAR_BYTES: usize = 2048;
    const MANY: usize = 32;
    let array = with_whole_rows(array)?;
    let far = array.layout().strides[2].unsigned_abs() * array.dtype().size() > NEAR_BYTES;
    if far && problem.queries >= MANY && !problem.is_packed() { array.copy(NAME) } else { Ok(array) }
}

fn heads<T: Native>(array: &Array) -> Heads<'_, T> {
    let [batch, head, row, _] = array.layout().strides[..] else { unreachable!("shapes were checked to be rank 4") };
    Heads { data: array.data(), offset: array.layout().offset, strides: [batch, head, row] }
}

/// The mask, broadcast, as kernels take it.
fn mask<T: Native>(mask: Option<&Array>) -> Mask<'_, T> {
    fn plane<T: Native>(mask: &Array) -> Plane<'_, T> {
        let strides = mask.layout().strides[..].try_into().expect("masks are broadcast to rank 4");
        Plane { data: mask.data(), offset: mask.layout().offset, strides }
    }
    match mask {
        None => Mask::None,
        Some(mask) if mask.dtype() == DType::Bool => Mask::Keep(plane(mask)),
        Some(mask) => Mask::Add(plane(mask)),
    }
}

/// A mask for `problem`, broadcast to (batch, heads, queries, keys).
fn broadcast_mask(found: Option<&Array>, problem: &Attention, dtype: DType) -> Result<Option<Array>> {
    let Some(mask) = found else { return Ok(None) };
    if mask.dtype() != DType::Bool && mask.dtype() != dtype {
        return Err(mask_dtype(mask.dtype(), dtype));
    }
    mask.expand(NAME, &[problem.batch, problem.heads, problem.queries, problem.keys]).map(Some)
}

fn mask_dtype(found: DType, dtype: DType) -> Error {
    Error::dtype(NAME, format_args!("expected a mask of bool or {dtype}, as the queries, got {found}"))
}

/// (batch, rows, heads, columns) in memory as (batch, heads, rows, columns).
fn heads_first(array: &Array) -> Array {
    array.view(array.layout().permute(&[0, 2, 1, 3]))
}

impl Operation for ScaledDotProductAttention {
    const NAME: &'static str = "scaled_dot_product_attention";
    const AUTOCAST: Autocast = Autocast::Lower;

    /// As stored, to know what one term holds.
    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let [q, k, v] = [inputs[0], inputs[1], inputs[2]];
        let p = self.problem(q.shape(), k.shape(), v.shape(), q.dtype())?;
        if q.dtype() != k.dtype() || q.dtype() != v.dtype() {
            let (q, k, v) = (q.dtype(), k.dtype(), v.dtype());
            let what = format_args!("queries, keys and values have one dtype, got {q}, {k} and {v}; convert with to()");
            return Err(Error::dtype(NAME, what));
        }
        if p.takes_bfloat16() {
            return Self::of_bfloat16(&p, inputs);
        }
        Halves::Widened.forward(inputs, &|inputs| Self::of_wide(&p, inputs))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let p = self.problem(context.shape(0), context.shape(1), context.shape(2), context.dtype(0))?;
        if p.takes_bfloat16() && !mode::is_recording() && !context.needs(3) {
            return Self::of_bfloat16_back(&p, context, grad);
        }
        let wide = |x: Tensor| cast(&x, x.dtype().widened());
        let [q, k, v] = [0, 1, 2].map(|i| context.input(i).and_then(wide));
        let (q, k, v, grad) = (q?, k?, v?, &wide(grad.clone())?);
        let seen = if context.len() > 3 { Some(wide(context.input(3)?)?) } else { None };
        let mut gradients = self.of_wide_back(p, context, Inputs { q, k, v, mask: seen }, grad)?;
        for (i, gradient) in gradients.iter_mut().enumerate() {
            if let Some(gradient) = gradient {
                *gradient = cast(gradient, context.dtype(i))?;
            }
        }
        Ok(gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |causal, q: [usize; 4], k: [usize; 4], depth: usize, mask: Option<Input>| {
            let mut inputs = vec![real(&q), real(&k), real(&[k[0], k[1], k[2], depth])];
            inputs.extend(mask);
            Sample::new(Self { causal, scale: 0.5 }, inputs)
        };
        vec![
            of(false, [2, 2, 3, 4], [2, 2, 5, 4], 3, None),
            of(true, [1, 2, 4, 2], [1, 1, 3, 2], 2, None),
            of(false, [1, 4, 3, 2], [1, 2, 3, 2], 2, Some(real(&[4, 1, 3]))),
            of(true, [2, 1, 3, 2], [2, 1, 3, 2], 1, Some(input(Domain::Bool, &[2, 1, 3, 3]))),
            of(false, [0, 1, 3, 2], [0, 1, 3, 2], 2, None),
        ]
    }

    fn params(&self) -> Params {
        vec![("causal", self.causal.into()), ("scale", self.scale.into())]
    }
}

/// The inputs as tensors, for the composition.
struct Inputs {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Option<Tensor>,
}

impl Inputs {
    /// What `x` (B, G, S, E) is for each head of queries.
    fn for_each_head(&self, x: &Tensor) -> Result<Tensor> {
        let (&[batch, groups, rows, columns], heads) = (x.shape(), self.q.shape()[1]) else {
            unreachable!("forward checked the rank")
        };
        if groups == heads {
            return Ok(x.clone());
        }
        let shared = heads / groups.max(1);
        let each =
            broadcast_to(&reshape(x, &[batch, groups, 1, rows, columns])?, &[batch, groups, shared, rows, columns])?;
        reshape(&each, &[batch, heads, rows, columns])
    }

    /// The sum of `x` (B, H, S, E) over the heads that share keys.
    fn over_shared(&self, x: &Tensor) -> Result<Tensor> {
        let (&[batch, heads, rows, columns], groups) = (x.shape(), self.k.shape()[1]) else {
            unreachable!("forward checked the rank")
        };
        if groups == heads {
            return Ok(x.clone());
        }
        ops::sum(&reshape(x, &[batch, groups, heads / groups.max(1), rows, columns])?, &[2], false)
    }

    /// `softmax(scale * Q Kᵀ + mask)`, with zeros for a query that sees no key; and the keys for each head.
    fn probabilities(&self, op: &ScaledDotProductAttention) -> Result<(Tensor, Tensor)> {
        let dtype = self.q.dtype();
        let k = self.for_each_head(&self.k)?;
        let mut scores = scale(&matmul(&self.q, &transpose(&k, -2, -1)?)?, op.scale)?;
        let unseen = scalar(Scalar::Float(f64::NEG_INFINITY), dtype)?;
        scores = match &self.mask {
            Some(mask) if mask.dtype() == DType::Bool => masked_fill(&scores, &logical_not(mask)?, &unseen)?,
            Some(mask) => add(&scores, mask)?,
            None => scores,
        };
        if op.causal {
            let square: Tensor = Array::full(NAME, &scores.shape()[2..], Scalar::Bool(true), DType::Bool)?.into();
            scores = masked_fill(&scores, &logical_not(&tril(&square, 0)?)?, &unseen)?;
        }
        if scores.shape()[3] == 0 {
            return Ok((scores, k));
        }
        let blind = eq(&amax(&scores.detach(), &[3], true)?, &unseen)?;
        let zero = scalar(Scalar::Float(0.0), dtype)?;
        let p = ops::softmax(&masked_fill(&scores, &blind, &zero)?, -1)?;
        Ok((masked_fill(&p, &blind, &zero)?, k))
    }
}

impl ScaledDotProductAttention {
    /// The gradients in operations that can be differentiated again.
    fn composed(&self, context: &Context<'_>, inputs: &Inputs, g: &Tensor) -> Result<Gradients> {
        let (p, k) = inputs.probabilities(self)?;
        let v = inputs.for_each_head(&inputs.v)?;
        let gp = mul(&p, &matmul(g, &transpose(&v, -2, -1)?)?)?;
        let gs = sub(&gp, &mul(&p, &ops::sum(&gp, &[3], true)?)?)?;
        let gq = scale(&matmul(&gs, &k)?, self.scale)?;
        let gk = scale(&inputs.over_shared(&matmul(&transpose(&gs, -2, -1)?, &inputs.q)?)?, self.scale)?;
        let gv = inputs.over_shared(&matmul(&transpose(&p, -2, -1)?, g)?)?;
        let mut gradients: Gradients = smallvec![Some(gq), Some(gk), Some(gv)];
        if context.len() > 3 {
            gradients.push(if context.needs(3) { Some(sum_to(&gs, context.shape(3))?) } else { None });
        }
        Ok(gradients)
    }
}

/// How [`scaled_dot_product_attention`] attends.
#[derive(Clone, Copy, Debug)]
pub struct AttentionOptions {
    /// Probability with which a weight is dropped.
    pub dropout: f64,
    /// Whether query `i` sees the keys up to `i` only.
    pub causal: bool,
    /// What products are multiplied by; one over the root of their length where missing.
    pub scale: Option<f64>,
    /// Whether neighbouring heads of queries may share keys and values.
    pub shared_heads: bool,
}

/// `softmax(scale * Q Kᵀ + mask) V` of queries (.., L, E), keys (.., S, E) and values (.., S, V), whose leading dimensions
/// broadcast; the mask broadcasts to (.., L, S).
///
/// # Errors
/// [`Error::Shape`] where shapes do not fit, [`Error::DType`] for integers and for dtypes that differ, [`Error::Value`] for
/// a probability outside 0 to 1.
pub fn scaled_dot_product_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
    options: AttentionOptions,
) -> Result<Tensor> {
    let misfit = |what: &str| {
        let (q, k, v) = (Show(q.shape()), Show(k.shape()), Show(v.shape()));
        Error::shape(NAME, format_args!("{what}; got queries {q}, keys {k} and values {v}"))
    };
    let (
        &[ref q_lead @ .., queries, depth],
        &[ref k_lead @ .., keys, key_depth],
        &[ref v_lead @ .., values, value_depth],
    ) = (q.shape(), k.shape(), v.shape())
    else {
        return Err(misfit("expected (.., length, depth), two dimensions at least"));
    };
    if key_depth != depth {
        return Err(misfit("queries and keys have one depth"));
    }
    if values != keys {
        return Err(misfit("there are as many values as keys"));
    }
    let grouped = options.shared_heads && q_lead.last() != k_lead.last();
    let (lead, key_lead) = if grouped {
        let (Some((&heads, q_rest)), Some((&groups, k_rest))) = (q_lead.split_last(), k_lead.split_last()) else {
            return Err(misfit("enable_gqa needs a dimension of heads"));
        };
        if groups == 0 || heads % groups != 0 || v_lead.last() != Some(&groups) {
            return Err(misfit("enable_gqa needs as many heads of values as of keys, which divide those of queries"));
        }
        let rest = broadcast_shapes(NAME, &broadcast_shapes(NAME, q_rest, k_rest)?, &v_lead[..v_lead.len() - 1])?;
        let with = |n: usize| rest.iter().copied().chain([n]).collect::<Dims>();
        (with(heads), with(groups))
    } else {
        let mut lead = broadcast_shapes(NAME, &broadcast_shapes(NAME, q_lead, k_lead)?, v_lead)?;
        if let Some(&[ref mask_lead @ .., _, _]) = mask.map(Tensor::shape) {
            lead = broadcast_shapes(NAME, &lead, mask_lead)?;
        }
        (lead.clone(), lead)
    };
    // (batch, heads): whatever else leads is part of the batch.
    let pair = |lead: &[usize]| match *lead {
        [] => [1, 1],
        [n] if !grouped => [n, 1],
        [ref rest @ .., n] => [rest.iter().product(), n],
    };
    let four = |x: &Tensor, lead: &[usize], [rows, columns]: [usize; 2]| {
        let whole: Dims = lead.iter().copied().chain([rows, columns]).collect();
        let x = if x.shape() == &whole[..] { x.clone() } else { broadcast_to(x, &whole)? };
        let [batch, heads] = pair(lead);
        shaped(&x, &[batch, heads, rows, columns])
    };
    let scale = options.scale.unwrap_or_else(|| inverse_root(depth));
    let op = ScaledDotProductAttention { causal: options.causal, scale };
    let inputs = Inputs {
        q: four(q, &lead, [queries, depth])?,
        k: four(k, &key_lead, [keys, depth])?,
        v: four(v, &key_lead, [values, value_depth])?,
        mask: match mask {
            Some(mask) => Some(mask_of_four(mask, q.dtype(), &lead, &pair(&lead), [queries, keys])?),
            None => None,
        },
    };
    let y = if options.dropout == 0.0 {
        match &inputs.mask {
            Some(mask) => apply(op, &[&inputs.q, &inputs.k, &inputs.v, mask])?,
            None => apply(op, &[&inputs.q, &inputs.k, &inputs.v])?,
        }
    } else {
        let p = dropout(&inputs.probabilities(&op)?.0, options.dropout, true)?;
        matmul(&p, &inputs.for_each_head(&inputs.v)?)?
    };
    let shape: Dims = lead.iter().copied().chain([queries, value_depth]).collect();
    shaped(&y, &shape)
}

/// A mask as (batch, heads, queries, keys), each perhaps 1.
fn mask_of_four(mask: &Tensor, dtype: DType, lead: &[usize], pair: &[usize; 2], plane: [usize; 2]) -> Result<Tensor> {
    let mask = match mask.dtype() {
        DType::Bool => mask.clone(),
        found if found.is_float() => cast(mask, dtype)?,
        found => return Err(mask_dtype(found, dtype)),
    };
    let whole: Dims = lead.iter().copied().chain(plane).collect();
    let expanded = mask.array().layout().expand(NAME, &whole)?;
    if lead.len() > 2 {
        return reshape(&broadcast_to(&mask, &expanded.shape)?, &[pair[0], pair[1], plane[0], plane[1]]);
    }
    let mut shape: Dims = smallvec![1; whole.len() - mask.rank()];
    shape.extend_from_slice(mask.shape());
    while shape.len() < 4 {
        // A single leading dimension is the batch, unless it is that of heads.
        let at = usize::from(shape.len() == 3 && pair[1] == 1);
        shape.insert(at, 1);
    }
    reshape(&mask, &shape)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 elements")]
fn inverse_root(depth: usize) -> f64 {
    (depth.max(1) as f64).sqrt().recip() // of no depth all products are zero, whatever the scale
}
