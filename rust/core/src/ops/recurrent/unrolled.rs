//! The gradients of a recurrent layer written step by step with operations that can be differentiated again.

#![allow(clippy::many_single_char_names, reason = "gates and states have the letters of the literature")]

use super::layer::{Kind, Recurrent};
use crate::autograd::node::Gradients;
use crate::autograd::tensor::Tensor;
use crate::dtype::Scalar;
use crate::error::Result;
use crate::ops::arithmetic::scalar;
use crate::ops::{self, add, cast, cat, gt, matmul, mul, reshape, slice, square, sub, tanh, transpose};
use dlcore_kernels::recurrent::Layer;
use smallvec::SmallVec;

/// One step as it was taken.
struct Step {
    /// Its first row of all, and how many it has.
    first: usize,
    rows: usize,
    before: Tensor,
    cell_before: Option<Tensor>,
    /// Gates in the order of the weights, then what else the way back needs.
    gates: Vec<Tensor>,
    /// What units gave.
    units: Tensor,
}

/// Rows `first..first + count`.
fn rows(x: &Tensor, first: usize, count: usize) -> Result<Tensor> {
    slice(x, 0, first, 1, count)
}

/// `x` in place of the first rows of `state`, whose others stay.
fn put(x: Tensor, state: &Tensor) -> Result<Tensor> {
    let count = x.shape()[0];
    if count == state.shape()[0] {
        return Ok(x);
    }
    cat(&[&x, &rows(state, count, state.shape()[0] - count)?], 0)
}

fn one_less(x: &Tensor) -> Result<Tensor> {
    sub(&scalar(Scalar::Float(1.0), x.dtype())?, x)
}

/// The slope of the logistic function where it is `y`.
fn logistic_slope(y: &Tensor) -> Result<Tensor> {
    mul(y, &one_less(y)?)
}

/// Part `at` of the columns, which are `of` parts.
fn part(x: &Tensor, at: usize, of: usize) -> Result<Tensor> {
    let width = x.shape()[1] / of;
    slice(x, 1, at * width, 1, width)
}

fn product(a: &Tensor, weight: &Tensor) -> Result<Tensor> {
    matmul(a, &transpose(weight, 0, 1)?)
}

fn join(tensors: &[Tensor], dim: isize) -> Result<Tensor> {
    cat(&tensors.iter().collect::<SmallVec<[&Tensor; 4]>>(), dim)
}

struct Unrolled<'a> {
    op: &'a Recurrent,
    inputs: &'a [Tensor],
}

impl Unrolled<'_> {
    fn projection(&self) -> Option<&Tensor> {
        if self.op.kind == Kind::Lstm { self.inputs.get(4) } else { None }
    }

    /// Takes all steps.
    fn forward(&self) -> Result<Vec<Step>> {
        let (x, w) = (&self.inputs[0], &self.inputs[1]);
        let (mut h, mut c) =
            (self.inputs[2].clone(), self.inputs.get(3).filter(|_| self.op.kind == Kind::Lstm).cloned());
        let mut first = 0;
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(self.op.sizes.len());
        for &rows in &*self.op.sizes {
            places.push((first, rows));
            first += rows;
        }
        if self.op.reverse {
            places.reverse();
        }
        let mut steps = Vec::with_capacity(places.len());
        for (first, count) in places {
            let (input, before) = (rows(x, first, count)?, rows(&h, 0, count)?);
            let cell_before = c.as_ref().map(|c| rows(c, 0, count)).transpose()?;
            let products = product(&before, w)?;
            let (gates, units) = self.cell(&input, &products, &before, cell_before.as_ref())?;
            if let (Some(state), Some(cell)) = (&c, gates.get(4)) {
                c = Some(put(cell.clone(), state)?);
            }
            let output = match self.projection() {
                Some(projection) => product(&units, projection)?,
                None => units.clone(),
            };
            h = put(output, &h)?;
            steps.push(Step { first, rows: count, before, cell_before, gates, units });
        }
        Ok(steps)
    }

    /// Gates (of an LSTM then the second state) and units of one step.
    fn cell(
        &self,
        x: &Tensor,
        products: &Tensor,
        before: &Tensor,
        cell_before: Option<&Tensor>,
    ) -> Result<(Vec<Tensor>, Tensor)> {
        match (self.op.kind, cell_before) {
            (Kind::Lstm, Some(cell_before)) => {
                let sum = add(x, products)?;
                let gate = |at| ops::sigmoid(&part(&sum, at, 4)?);
                let (i, f, g, o) = (gate(0)?, gate(1)?, tanh(&part(&sum, 2, 4)?)?, gate(3)?);
                let cell = add(&mul(&f, cell_before)?, &mul(&i, &g)?)?;
                let units = mul(&o, &tanh(&cell)?)?;
                Ok((vec![i, f, g, o, cell], units))
            }
            (Kind::Gru, _) => {
                let products = add(products, &self.inputs[3])?;
                let sum = |at| add(&part(x, at, 3)?, &part(&products, at, 3)?);
                let (r, z) = (ops::sigmoid(&sum(0)?)?, ops::sigmoid(&sum(1)?)?);
                let of_new = part(&products, 2, 3)?;
                let n = tanh(&add(&part(x, 2, 3)?, &mul(&r, &of_new)?)?)?;
                let units = add(&n, &mul(&z, &sub(before, &n)?)?)?;
                Ok((vec![r, z, n, of_new], units))
            }
            (Kind::Relu, _) => Ok((Vec::new(), ops::relu(&add(x, products)?)?)),
            _ => Ok((Vec::new(), tanh(&add(x, products)?)?)),
        }
    }

    /// Gradients of one step from that of its units, `g`, and of its second state: of its inputs, of its products, of
    /// the output before but for what comes through the products, and of the second state before.
    fn back(&self, step: &Step, g: &Tensor, g_cell: Option<Tensor>) -> Result<[Option<Tensor>; 4]> {
        match (self.op.kind, &step.gates[..], g_cell, &step.cell_before) {
            (Kind::Lstm, [i, f, u, o, cell], Some(g_cell), Some(cell_before)) => {
                let open = tanh(cell)?;
                let all = add(&mul(&mul(g, o)?, &one_less(&square(&open)?)?)?, &g_cell)?;
                let gx = join(
                    &[
                        mul(&mul(&all, u)?, &logistic_slope(i)?)?,
                        mul(&mul(&all, cell_before)?, &logistic_slope(f)?)?,
                        mul(&mul(&all, i)?, &one_less(&square(u)?)?)?,
                        mul(&mul(g, &open)?, &logistic_slope(o)?)?,
                    ],
                    1,
                )?;
                Ok([Some(gx.clone()), Some(gx), None, Some(mul(&all, f)?)])
            }
            (Kind::Gru, [r, z, n, of_new], ..) => {
                let new = mul(&mul(g, &one_less(z)?)?, &one_less(&square(n)?)?)?;
                let reset = mul(&mul(&new, of_new)?, &logistic_slope(r)?)?;
                let update = mul(&mul(g, &sub(&step.before, n)?)?, &logistic_slope(z)?)?;
                let of_products = mul(&new, r)?;
                let gx = join(&[reset.clone(), update.clone(), new], 1)?;
                Ok([Some(gx), Some(join(&[reset, update, of_products], 1)?), Some(mul(g, z)?), None])
            }
            _ => {
                let y = &step.units;
                let slope = if self.op.kind == Kind::Relu {
                    cast(&gt(y, &scalar(Scalar::Float(0.0), y.dtype())?)?, y.dtype())?
                } else {
                    one_less(&square(y)?)?
                };
                let gx = mul(g, &slope)?;
                Ok([Some(gx.clone()), Some(gx), None, None])
            }
        }
    }
}

/// `sum + term`, of which either may be missing.
fn plus(sum: Option<Tensor>, term: Tensor) -> Result<Option<Tensor>> {
    Ok(Some(match sum {
        Some(sum) => add(&sum, &term)?,
        None => term,
    }))
}

/// The gradients of all inputs.
pub(super) fn gradients(op: &Recurrent, layer: &Layer<'_>, inputs: &[Tensor], grad: &Tensor) -> Result<Gradients> {
    let unrolled = Unrolled { op, inputs };
    let steps = unrolled.forward()?;
    let [of_y, of_h, of_c] = op.parts(layer);
    let grad = &reshape(grad, &[grad.numel()])?;
    let state = |first, len, width| reshape(&rows(grad, first, len)?, &[layer.batch(), width]);
    let gy = reshape(&rows(grad, 0, of_y)?, &[layer.total(), layer.output])?;
    let mut gh = state(of_y, of_h, layer.output)?;
    let mut gc = if op.kind == Kind::Lstm { Some(state(of_y + of_h, of_c, layer.hidden)?) } else { None };
    let (mut gw, mut g_projection, mut g_bias) = (None, None, None);
    let mut gx = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let g_out = add(&rows(&gh, 0, step.rows)?, &rows(&gy, step.first, step.rows)?)?;
        let g_units = match unrolled.projection() {
            Some(projection) => {
                g_projection = plus(g_projection, matmul(&transpose(&g_out, 0, 1)?, &step.units)?)?;
                matmul(&g_out, projection)?
            }
            None => g_out,
        };
        let g_cell = gc.as_ref().map(|gc| rows(gc, 0, step.rows)).transpose()?;
        let [g_input, of_products, direct, g_cell] = unrolled.back(step, &g_units, g_cell)?;
        if let (Some(gc_after), Some(g_cell)) = (&gc, g_cell) {
            gc = Some(put(g_cell, gc_after)?);
        }
        if let Some(of_products) = of_products {
            gw = plus(gw, matmul(&transpose(&of_products, 0, 1)?, &step.before)?)?;
            let mut before = matmul(&of_products, &inputs[1])?;
            if let Some(direct) = direct {
                before = add(&before, &direct)?;
            }
            gh = put(before, &gh)?;
            if op.kind == Kind::Gru {
                g_bias = plus(g_bias, ops::sum(&of_products, &[0], false)?)?;
            }
        }
        gx.extend(g_input);
    }
    if !op.reverse {
        gx.reverse();
    }
    let gx = if gx.is_empty() { None } else { Some(join(&gx, 0)?) };
    let last = match op.kind {
        Kind::Lstm => gc,
        _ => g_bias,
    };
    let mut gradients: Gradients = [gx, gw, Some(gh), last, g_projection].into_iter().collect();
    gradients.truncate(inputs.len());
    Ok(gradients)
}
