//! Recurrent layers, one direction at a time: LSTM, GRU and plain ones, forward and back through time.
//!
//! The products of inputs and weights are made beforehand, in one go for all steps. What is left is a chain of small
//! products with the recurrent weights, which are packed once, in blocks of units: a block has the columns of all gates
//! of its units, so that they meet in a cache. Sequences do not see each other, so a task takes a few of them through
//! all steps and no step waits for another thread. The weights' gradient is one product over all steps.
//!
//! Sequences may differ in length, longest first: step `t` has the rows of the first `sizes[t]` sequences. The state of
//! a sequence that has ended, or in reverse not begun, stays as it is.

#![allow(clippy::many_single_char_names, reason = "the gates have the letters of the literature")]

mod gates;
mod gru;
mod lstm;
mod plain;
mod rows;
mod steps;
mod weights;

pub use gru::Gru;
pub use lstm::Lstm;
pub use plain::{Nonlinearity, Plain};

use crate::element::Element;
use crate::gemm::{Gemm, GemmFloat, Matrix, bfloat16, gemm, gemm_by_rows};
use crate::half::Bf16;
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each, num_threads};
use crate::reduce::{Split, sum};
use crate::stored::Stored;
use rows::Room;
use steps::{Before, steps};
use weights::{Blocks, fewest_in_terms};

/// Most sequences of a task: every step reads the weights once for all of them.
const ROWS: usize = 32;
/// Fewest, if there are threads for more tasks.
const FEWEST: usize = 4;
/// Estimated multiply-adds of a nanosecond.
const WORK_PER_NS: usize = 40;

/// What a layer is, whatever its cells are.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Sequences at each step, never more than at the one before.
    pub sizes: &'a [usize],
    /// Whether steps are taken from the last to the first.
    pub reverse: bool,
    /// Units.
    pub hidden: usize,
    /// What a step hands to the next: the units, or fewer that they are projected to.
    pub output: usize,
}

impl Layer<'_> {
    /// Sequences.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.sizes.first().copied().unwrap_or(0)
    }

    /// Steps of all sequences together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// Sequences do not see each other, so their bits do not depend on who takes which.
    fn tasks<T: GemmFloat>(&self, width: usize) -> usize {
        let fewest = fewest_in_terms::<T>(self.batch(), self.output, width).unwrap_or(FEWEST);
        let threads = num_threads().min(self.batch().div_ceil(fewest)).max(1);
        self.batch().div_ceil(ROWS).next_multiple_of(threads)
    }
}

/// What inputs and outputs of all steps, and their gradients, are stored in: the type of the arithmetic, or one that is
/// narrower. What belongs to a step is converted with it, while it is near.
pub trait Row: Stored<Value: GemmFloat> {
    /// `C = A B`.
    ///
    /// # Panics
    /// As [`gemm`]; of bfloat16, unless [`multiplies_bfloat16`](crate::gemm::multiplies_bfloat16).
    fn multiply(product: Gemm<'_, Self>);
}

impl<T: GemmFloat> Row for T {
    fn multiply(product: Gemm<'_, T>) {
        gemm(product);
    }
}

impl Row for Bf16 {
    fn multiply(product: Gemm<'_, Self>) {
        bfloat16(&[], &[], &[], product);
    }
}

/// What a cell does with the products of one step.
pub trait Cell<T: GemmFloat>: Sync {
    /// Products of each unit with the output of the step before.
    const GATES: usize;
    /// Numbers of each unit that backward needs.
    const SAVED: usize;
    /// Whether there is a second state.
    const HAS_CELL: bool;
    /// Whether what the products' gradient is differs from that of the inputs.
    const SPLIT: bool;

    /// Takes some sequences one step on.
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "callable inside the crate only")]
    fn forward(&self, step: Forward<'_, T>);

    /// Takes their gradients one step back.
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "callable inside the crate only")]
    fn backward(&self, step: Backward<'_, T>);
}

/// Some sequences at one step; every slice has a row for each.
struct Forward<'a, T> {
    hidden: usize,
    rows: usize,
    /// (rows, gates, hidden).
    x: &'a [T],
    /// How many rows further on the next step's are, which are fetched meanwhile: each comes from far, in pieces.
    next: isize,
    /// Blocks of units, each (rows, gates, units).
    products: &'a [T],
    /// The output of the step before.
    before: &'a [T],
    /// The second state, before and after.
    cell: &'a mut [T],
    saved: &'a mut [T],
    cells: &'a mut [T],
    /// (rows, hidden).
    y: &'a mut [T],
}

/// The same on the way back.
struct Backward<'a, T> {
    hidden: usize,
    rows: usize,
    saved: &'a [T],
    cells: &'a [T],
    cell_before: Before<'a, T>,
    y: &'a [T],
    before: Before<'a, T>,
    /// Of the units.
    g: &'a [T],
    /// Of the second state, after the step and before it.
    g_cell: &'a mut [T],
    /// Of the inputs.
    gx: &'a mut [T],
    /// Of the products, where they differ.
    g_products: &'a mut [T],
    /// Of the output before, but for what comes through the products; zeros.
    g_before: &'a mut [T],
}

/// Weights and first states.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T, X = T> {
    /// Inputs times their weights plus biases, (total, gates, hidden).
    pub x: &'a [X],
    /// (gates, hidden, output).
    pub w: &'a [T],
    /// From units to outputs, (output, hidden).
    pub projection: Option<&'a [T]>,
    /// The output before the first step, (batch, output).
    pub h: &'a [T],
    /// The second state before it, (batch, hidden), of cells that have one.
    pub c: &'a [T],
}

/// What forward makes.
#[derive(Debug)]
pub struct Outputs<'a, T, X = T> {
    /// (total, output).
    pub y: &'a mut [X],
    /// The last output of each sequence.
    pub h: &'a mut [T],
    /// The last second state.
    pub c: &'a mut [T],
    /// For backward.
    pub saved: &'a mut [T],
    /// The second state after each step, for backward.
    pub cells: &'a mut [T],
}

/// Takes all sequences through all steps.
///
/// # Panics
/// If slices do not fit.
pub fn forward<X: Row, C: Cell<X::Value>>(
    cell: &C,
    layer: &Layer<'_>,
    inputs: Inputs<'_, X::Value, X>,
    outputs: Outputs<'_, X::Value, X>,
) {
    let &Layer { hidden, output, .. } = layer;
    let (batch, total, width) = (layer.batch(), layer.total(), C::GATES * hidden);
    let second = if C::HAS_CELL { hidden } else { 0 };
    check(cell, layer, &inputs);
    let Outputs { y, h, c, saved, cells } = outputs;
    assert!(y.len() == total * output && h.len() == batch * output && c.len() == batch * second);
    assert!(saved.len() == total * C::SAVED * hidden && cells.len() == total * second);
    h.copy_from_slice(inputs.h);
    c.copy_from_slice(inputs.c);
    let steps = steps(layer);
    let weights = Blocks::of_units(inputs.w, batch, C::GATES, hidden, output);
    let y = Disjoint::new(y);
    let [h, c, saved, cells] = [h, c, saved, cells].map(Disjoint::new);
    let (tasks, work) = (layer.tasks::<X::Value>(width), total * output * width);
    for_each(tasks, work / WORK_PER_NS, |task| {
        let (first, end) = (task * batch / tasks, (task + 1) * batch / tasks);
        let most = end - first;
        // SAFETY: each sequence belongs to one task, and so do its rows at every step.
        let (h, c) = unsafe { (h.slice(first * output..end * output), c.slice(first * second..end * second)) };
        let mut scratch = Buffer::uninit(most * (width + hidden) * size_of::<X::Value>());
        let (products, units) = scratch.as_mut_slice::<X::Value>().split_at_mut(most * width);
        let [mut x_room, mut y_room] = [width, output].map(|width| Room::<X>::new(most * width));
        for (at, step) in steps.iter().enumerate() {
            let Some((from, rows)) = step.part(first, end) else { continue };
            let next = steps.get(at + 1).and_then(|step| step.part(first, end)).map_or(from, |(next, _)| next);
            let of = |width: usize| from * width..(from + rows) * width;
            // SAFETY: as above.
            let (y, saved, cells) =
                unsafe { (y.slice(of(output)), saved.slice(of(C::SAVED * hidden)), cells.slice(of(second))) };
            let h = &mut h[..rows * output];
            let products = &mut products[..rows * width];
            weights.multiply(h, rows, products);
            let units = &mut units[..rows * hidden];
            let x = X::load_slice(&inputs.x[of(width)], x_room.of(rows * width));
            X::store_slice(y, y_room.of(rows * output), |y| {
                cell.forward(Forward {
                    hidden,
                    rows,
                    x,
                    // What is narrower comes as one piece.
                    next: if X::NARROW { 0 } else { next.cast_signed() - from.cast_signed() },
                    products,
                    before: h,
                    cell: &mut c[..rows * second],
                    saved,
                    cells,
                    y: if inputs.projection.is_some() { &mut *units } else { &mut *y },
                });
                if let Some(projection) = inputs.projection {
                    let weight = Matrix::contiguous(projection, hidden).transposed();
                    gemm_by_rows(Gemm::new([rows, hidden, output], Matrix::contiguous(units, hidden), weight, y));
                }
                h.copy_from_slice(y);
            });
        }
    });
}

fn check<X: Row, C: Cell<X::Value>>(_: &C, layer: &Layer<'_>, inputs: &Inputs<'_, X::Value, X>) {
    let &Layer { hidden, output, .. } = layer;
    let second = if C::HAS_CELL { hidden } else { 0 };
    let width = C::GATES * hidden;
    assert!(layer.sizes.is_sorted_by(|a, b| a >= b), "sequences are sorted by length, longest first");
    assert!(inputs.x.len() == layer.total() * width && inputs.w.len() == width * output, "inputs do not fit");
    assert!(inputs.h.len() == layer.batch() * output && inputs.c.len() == layer.batch() * second);
    assert!(inputs.projection.map_or(output == hidden, |p| p.len() == output * hidden), "projection does not fit");
}

/// What forward made, and the gradients of it.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a, T, X = T> {
    /// (total, output).
    pub y: &'a [X],
    /// See [`Outputs`].
    pub saved: &'a [T],
    /// See [`Outputs`].
    pub cells: &'a [T],
    /// Gradient of `y`.
    pub gy: &'a [X],
    /// Gradient of the last outputs.
    pub gh: &'a [T],
    /// Gradient of the last second states.
    pub gc: &'a [T],
}

/// Where gradients of the [`Inputs`] go.
#[derive(Debug)]
pub struct Gradients<'a, T, X = T> {
    /// Of the inputs.
    pub x: &'a mut [X],
    /// Of the recurrent weights.
    pub w: &'a mut [X],
    /// Of the projection.
    pub projection: Option<&'a mut [T]>,
    /// Of the first output.
    pub h: &'a mut [T],
    /// Of the first second state.
    pub c: &'a mut [T],
    /// Of the biases inside the products, (gates, hidden), of cells that have them.
    pub bias: &'a mut [T],
}

/// The gradients of [`forward()`], back through time.
///
/// # Panics
/// If slices do not fit.
pub fn backward<X: Row, C: Cell<X::Value>>(
    cell: &C,
    layer: &Layer<'_>,
    inputs: Inputs<'_, X::Value, X>,
    results: Results<'_, X::Value, X>,
    gradients: Gradients<'_, X::Value, X>,
) {
    let &Layer { hidden, output, .. } = layer;
    let (batch, total, width) = (layer.batch(), layer.total(), C::GATES * hidden);
    let second = if C::HAS_CELL { hidden } else { 0 };
    check(cell, layer, &inputs);
    let Results { y, saved, cells, gy, gh, gc } = results;
    assert!(
        y.len() == total * output && gy.len() == y.len() && gh.len() == batch * output && gc.len() == batch * second
    );
    assert!(saved.len() == total * C::SAVED * hidden && cells.len() == total * second);
    assert!(gradients.x.len() == total * width && gradients.w.len() == inputs.w.len());
    assert!(gradients.h.len() == gh.len() && gradients.c.len() == gc.len());
    gradients.h.copy_from_slice(gh);
    gradients.c.copy_from_slice(gc);
    let steps = steps(layer);
    let weights = Blocks::of_columns(inputs.w, batch, width, output);
    let split = if C::SPLIT { width } else { 0 };
    let projected = if inputs.projection.is_some() { output } else { 0 };
    // For the gradients of weights: the outputs before each step, and where they are projected the gradients after.
    let mut before = Buffer::uninit(total * output * size_of::<X>());
    let mut products = Buffer::uninit(total * split * size_of::<X>());
    let mut after = Buffer::uninit(total * projected * size_of::<X::Value>());
    {
        let [gh, gc] = [&mut *gradients.h, &mut *gradients.c].map(Disjoint::new);
        let [gx, before, products] =
            [&mut *gradients.x, before.as_mut_slice(), products.as_mut_slice()].map(Disjoint::new);
        let after = Disjoint::new(after.as_mut_slice::<X::Value>());
        let tasks = layer.tasks::<X::Value>(width);
        for_each(tasks, total * output * width / WORK_PER_NS, |task| {
            let (first, end) = (task * batch / tasks, (task + 1) * batch / tasks);
            let most = end - first;
            // SAFETY: each sequence belongs to one task, and so do its rows at every step.
            let (gh, gc) = unsafe { (gh.slice(first * output..end * output), gc.slice(first * second..end * second)) };
            let mut scratch = Buffer::uninit(most * (output + hidden) * size_of::<X::Value>());
            let (g_out, g_units) = scratch.as_mut_slice::<X::Value>().split_at_mut(most * output);
            let [mut gy_room, mut y_room, mut before_room, mut slopes_room, mut products_room] =
                [output, output, output, width, split].map(|width| Room::<X>::new(most * width));
            for (at, step) in steps.iter().enumerate().rev() {
                let Some((from, rows)) = step.part(first, end) else { continue };
                let of = |width: usize| from * width..(from + rows) * width;
                let (earlier, known) = at.checked_sub(1).and_then(|at| steps[at].part(first, end)).unwrap_or((0, 0));
                let earlier = |width: usize| earlier * width..(earlier + known) * width;
                // SAFETY: as above.
                let (gx, g_products, before, after) = unsafe {
                    (
                        gx.slice(of(width)),
                        products.slice(of(split)),
                        before.slice(of(output)),
                        after.slice(of(projected)),
                    )
                };
                let (gh, g_out) = (&mut gh[..rows * output], &mut g_out[..rows * output]);
                let gy = X::load_slice(&gy[of(output)], gy_room.of(rows * output));
                for ((g_out, &gh), &gy) in g_out.iter_mut().zip(&*gh).zip(gy) {
                    *g_out = gh + gy;
                }
                let initial = &inputs.h[first * output..];
                rows_before(before, &y[earlier(output)], initial);
                let y_before = X::load_slice(&y[earlier(output)], before_room.of(earlier(output).len()));
                let y_before = Before::new(y_before, initial, output);
                let g = if let Some(projection) = inputs.projection {
                    after.copy_from_slice(g_out);
                    let g_units = &mut g_units[..rows * hidden];
                    let (a, b) = (Matrix::contiguous(g_out, output), Matrix::contiguous(projection, hidden));
                    gemm_by_rows(Gemm::new([rows, output, hidden], a, b, g_units));
                    &*g_units
                } else {
                    &*g_out
                };
                gh.fill(Element::ZERO);
                X::store_slice(gx, slopes_room.of(rows * width), |gx| {
                    X::store_slice(g_products, products_room.of(rows * split), |g_products| {
                        cell.backward(Backward {
                            hidden,
                            rows,
                            saved: &saved[of(C::SAVED * hidden)],
                            cells: &cells[of(second)],
                            cell_before: Before::new(&cells[earlier(second)], &inputs.c[first * second..], second),
                            y: X::load_slice(&y[of(output)], y_room.of(rows * output)),
                            before: y_before,
                            g,
                            g_cell: &mut gc[..rows * second],
                            gx,
                            g_products,
                            g_before: gh,
                        });
                        weights.multiply_add(if C::SPLIT { g_products } else { gx }, rows, gh);
                    });
                });
            }
        });
    }
    let products = if C::SPLIT { products.as_slice::<X>() } else { &*gradients.x };
    let by_unit = Matrix::contiguous(products, width).transposed();
    X::multiply(Gemm::new([width, total, output], by_unit, Matrix::contiguous(before.as_slice(), output), gradients.w));
    if !gradients.bias.is_empty() {
        column_sums(products, gradients.bias);
    }
    if let (Some(projection), Some(gradient)) = (inputs.projection, gradients.projection) {
        assert_eq!(gradient.len(), projection.len(), "gradient of the projection");
        of_projection([saved, cells, after.as_slice()], layer, gradient);
    }
}

/// The gradient of an LSTM's projection, from what it saved, its second states and the gradients of its outputs.
fn of_projection<T: GemmFloat>([saved, cells, after]: [&[T]; 3], layer: &Layer<'_>, gradient: &mut [T]) {
    let &Layer { hidden, output, .. } = layer;
    let total = layer.total();
    let mut units = Buffer::uninit(total * hidden * size_of::<T>());
    lstm::units(saved, cells, hidden, units.as_mut_slice());
    let after = Matrix::contiguous(after, output).transposed();
    gemm(Gemm::new([output, total, hidden], after, Matrix::contiguous(units.as_slice(), hidden), gradient));
}

/// Fills `to` with the rows of the step before, and where there are too few with what those sequences began with.
fn rows_before<X: Row>(to: &mut [X], rows: &[X], initial: &[X::Value]) {
    let (known, new) = to.split_at_mut(rows.len().min(to.len()));
    known.copy_from_slice(&rows[..known.len()]);
    for (to, &x) in new.iter_mut().zip(&initial[known.len()..]) {
        *to = X::store(x);
    }
}

/// The sums of the columns of `rows`, which are as long as `sums`.
fn column_sums<X: Row>(rows: &[X], sums: &mut [X::Value]) {
    let cols = sums.len();
    let (kept, reduced, stride) = ([cols], [rows.len() / cols], [cols.cast_signed()]);
    let split = Split { kept: &kept, kept_strides: &[1], reduced: &reduced, reduced_strides: &stride, offset: 0 };
    sum(rows, split, sums);
}
