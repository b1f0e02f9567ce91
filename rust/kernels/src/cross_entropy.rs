//! Cross entropy between rows of logits and class labels: one pass forward, one pass backward, or one for both, as
//! `PyTorch` defines it with class weights, an ignored label and label smoothing.
//!
//! With `p = softmax(x)`, target `t`, `C` classes, weights `w` and smoothing `e`, the loss of a row is
//! `-sum_c a_c ln(p_c)` with `a_c = (1 - e) w_t [c = t] + e / C w_c`, and its gradient `p_c sum(a) - a_c`.

use crate::abreast::{Block, ROWS, SHORT};
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::parallel::{Disjoint, for_each_init, for_ranges};
use crate::softmax::{row_grain, statistics};
use crate::stream;

/// What forward and backward share. Targets must have passed [`first_bad_target`].
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy<'a, T> {
    /// One class for each row.
    pub targets: &'a [i64],
    /// Number of classes: the columns of the logits.
    pub classes: usize,
    /// Weight of each class; 1 if absent.
    pub weight: Option<&'a [T]>,
    /// Rows with this target have neither loss nor gradient.
    pub ignore_index: i64,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: f64,
}

/// What the gradient of each row's loss is multiplied by.
#[derive(Clone, Copy, Debug)]
pub enum RowScale<'a, T> {
    /// The same for all rows: the losses were added or averaged.
    Uniform(T),
    /// One for each row: the losses were returned as they are.
    PerRow(&'a [T]),
}

/// Position of the first target that is neither in `0..classes` nor `ignore_index`.
#[must_use]
pub fn first_bad_target(targets: &[i64], classes: usize, ignore_index: i64) -> Option<usize> {
    let good = |target: i64| target == ignore_index || usize::try_from(target).is_ok_and(|target| target < classes);
    targets.iter().position(|&target| !good(target))
}

impl<T: Float> CrossEntropy<'_, T> {
    /// The loss of each row to `losses`, and its maximum and log-sum-exp above that maximum to `saved` (two numbers a
    /// row: their sum would lose the digits that the backward pass needs).
    ///
    /// # Panics
    /// If lengths do not match the shapes.
    pub fn forward(&self, logits: &[T], losses: &mut [T], saved: &mut [T]) {
        let rows = self.check(logits.len());
        assert!(losses.len() == rows && saved.len() == 2 * rows, "one loss and two saved numbers a row");
        let (losses, saved) = (Disjoint::new(losses), Disjoint::new(saved));
        let (grain, cost) = row_grain(self.classes);
        for_ranges(rows, grain, cost, |range| {
            // SAFETY: ranges of rows are disjoint.
            let (losses, saved) = unsafe { (losses.slice(range.clone()), saved.slice(2 * range.start..2 * range.end)) };
            dispatch(Forward { with: *self, first: range.start, logits, losses, saved });
        });
    }

    /// As [`CrossEntropy::forward`], and the gradient of the logits where every row's loss counts `scale` times: a row is in
    /// cache, and its exponentials are there.
    ///
    /// # Panics
    /// If lengths do not match the shapes.
    pub fn forward_and_gradient(&self, logits: &[T], scale: T, losses: &mut [T], saved: &mut [T], grad: &mut [T]) {
        let rows = self.check(logits.len());
        assert!(losses.len() == rows && saved.len() == 2 * rows, "one loss and two saved numbers a row");
        assert_eq!(grad.len(), logits.len(), "lengths do not match the shapes");
        let room = if size_of_val(grad) >= stream::STREAM_FROM { self.classes } else { 0 };
        let (losses, saved, grad) = (Disjoint::new(losses), Disjoint::new(saved), Disjoint::new(grad));
        let [spread, spread_total] = self.spreads();
        let (grain, cost) = row_grain(self.classes);
        let cost = rows.saturating_mul(cost) / 1024;
        for_each_init(
            rows.div_ceil(grain),
            cost,
            || vec![T::ZERO; room],
            |room, task| {
                let range = task * grain..((task + 1) * grain).min(rows);
                // SAFETY: ranges of rows are disjoint.
                let (losses, saved, grad) = unsafe {
                    let elements = range.start * self.classes..range.end * self.classes;
                    (losses.slice(range.clone()), saved.slice(2 * range.start..2 * range.end), grad.slice(elements))
                };
                let forward = Forward { with: *self, first: range.start, logits, losses, saved };
                dispatch(Both { forward, scale, spread, spread_total, room, grad });
            },
        );
    }

    /// The gradient of the logits, from what [`CrossEntropy::forward`] saved.
    ///
    /// # Panics
    /// If lengths do not match the shapes.
    pub fn backward(&self, logits: &[T], saved: &[T], scale: RowScale<'_, T>, grad: &mut [T]) {
        let rows = self.check(logits.len());
        assert!(grad.len() == logits.len() && saved.len() == 2 * rows, "lengths do not match the shapes");
        if let RowScale::PerRow(scales) = scale {
            assert_eq!(scales.len(), rows, "one scale a row");
        }
        if grad.is_empty() {
            return;
        }
        let grad = Disjoint::new(grad);
        let [spread, spread_total] = self.spreads();
        let (grain, cost) = row_grain(self.classes);
        for_ranges(rows, grain, cost, |range| {
            // SAFETY: ranges of rows are disjoint.
            let grad = unsafe { grad.slice(range.start * self.classes..range.end * self.classes) };
            dispatch(Backward { with: *self, first: range.start, logits, saved, scale, spread, spread_total, grad });
        });
    }

    /// The share of each class, before its weight, and the sum of all shares.
    fn spreads(&self) -> [T; 2] {
        let spread = T::from_f64(self.label_smoothing / self.class_count());
        match self.weight {
            Some(weight) => [spread, T::from_f64(lanes::sum(weight, |w| w)) * spread],
            None => [spread, T::from_f64(self.label_smoothing)],
        }
    }

    /// The weights of all rows that count, added in order: what a mean divides by.
    #[must_use]
    pub fn total_weight(&self) -> T {
        let weights = self.targets.iter().map(|&target| self.class(target).map_or(0.0, |t| self.weight(t).to_f64()));
        T::from_f64(weights.sum())
    }

    fn check(&self, logits: usize) -> usize {
        assert_eq!(logits, self.targets.len() * self.classes, "one target a row");
        assert!(self.weight.is_none_or(|weight| weight.len() == self.classes), "one weight a class");
        self.targets.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 classes")]
    #[inline(always)]
    fn class_count(&self) -> f64 {
        self.classes as f64
    }

    /// The class of a row that counts.
    #[inline(always)]
    fn class(&self, target: i64) -> Option<usize> {
        #[expect(clippy::cast_possible_truncation, reason = "checked targets are below the number of classes")]
        (target != self.ignore_index).then_some(target.cast_unsigned() as usize)
    }

    #[inline(always)]
    fn weight(&self, class: usize) -> T {
        self.weight.map_or(T::ONE, |weight| weight[class])
    }
}

/// The sum of the losses, in an order fixed by their number.
#[must_use]
pub fn total_loss<T: Float>(losses: &[T]) -> T {
    T::from_f64(lanes::sum(losses, |loss| loss))
}

struct Forward<'a, T> {
    with: CrossEntropy<'a, T>,
    first: usize,
    logits: &'a [T],
    losses: &'a mut [T],
    saved: &'a mut [T],
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let classes = self.with.classes;
        let saved = self.saved.as_chunks_mut::<2>().0;
        let logits = &self.logits[self.first * classes..][..saved.len() * classes];
        statistics::<T, S>(logits, classes, saved);
        self.with.losses(self.first, logits, saved, self.losses);
    }
}

impl<T: Float> CrossEntropy<'_, T> {
    /// The losses of rows from their statistics.
    #[inline(always)]
    fn losses(&self, first: usize, logits: &[T], saved: &[[T; 2]], losses: &mut [T]) {
        let smoothing = T::from_f64(self.label_smoothing);
        for (row, (loss, &[largest, rest])) in losses.iter_mut().zip(saved).enumerate() {
            let Some(target) = self.class(self.targets[first + row]) else {
                *loss = T::ZERO;
                continue;
            };
            let x = &logits[row * self.classes..][..self.classes];
            *loss = (rest - (x[target] - largest)) * self.weight(target);
            if self.label_smoothing != 0.0 {
                let all = match self.weight {
                    Some(weight) => lanes::sums(x, weight, |x, w| [(rest - (x - largest)) * w])[0],
                    None => lanes::sum(x, |x| rest - (x - largest)),
                };
                let all = T::from_f64(all / self.class_count());
                *loss = (T::ONE - smoothing) * *loss + smoothing * all;
            }
        }
    }

    /// The class of a row that counts, and its share before smoothing.
    #[inline(always)]
    fn share(&self, row: usize) -> Option<(usize, T)> {
        let target = self.class(self.targets[row])?;
        Some((target, (T::ONE - T::from_f64(self.label_smoothing)) * self.weight(target)))
    }
}

struct Both<'a, T> {
    forward: Forward<'a, T>,
    scale: T,
    spread: T,
    spread_total: T,
    /// Where the gradient of a row is made that goes past the caches; empty where it does not.
    room: &'a mut [T],
    grad: &'a mut [T],
}

impl<T: Float> Kernel for Both<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { forward: Forward { with, first, logits, losses, saved }, scale, spread, spread_total, room, grad } =
            self;
        let classes = with.classes;
        if classes <= SHORT {
            Forward { with, first, logits, losses, saved: &mut *saved }.run::<S>();
            if grad.is_empty() {
                return;
            }
            // What this one reads begins with these rows.
            let (targets, logits) = (&with.targets[first..], &logits[first * classes..]);
            let (with, scale) = (CrossEntropy { targets, ..with }, RowScale::Uniform(scale));
            Backward { with, first: 0, logits, saved, scale, spread, spread_total, grad }.run::<S>();
            return;
        }
        let saved = saved.as_chunks_mut::<2>().0;
        let logits = &logits[first * classes..][..grad.len()];
        for (row, (grad, saved)) in grad.chunks_exact_mut(classes).zip(&mut *saved).enumerate() {
            let x = &logits[row * classes..][..classes];
            let made = if room.is_empty() { &mut *grad } else { &mut *room };
            let largest = lanes::largest(x);
            let sum = T::from_f64(lanes::map_sum(x, made, classes, |x| (x - largest).exp_nonpositive::<S>()));
            *saved = [largest, sum];
            let Some((target, share)) = with.share(first + row) else {
                grad.fill(T::ZERO);
                continue;
            };
            let factor = scale * (share + spread_total) / sum;
            if with.label_smoothing == 0.0 {
                made[target] -= sum;
                if room.is_empty() {
                    for grad in grad {
                        *grad *= factor;
                    }
                } else {
                    lanes::map_past::<T, T, S>(room, room, grad, |exp, _| exp * factor);
                }
                continue;
            }
            let spread = scale * spread;
            match with.weight {
                Some(weight) => {
                    for (made, &weight) in made.iter_mut().zip(weight) {
                        *made = *made * factor - spread * weight;
                    }
                }
                None => {
                    for made in &mut *made {
                        *made = *made * factor - spread;
                    }
                }
            }
            made[target] -= scale * share;
            if !room.is_empty() {
                grad.copy_from_slice(room);
            }
        }
        stream::fence();
        // All rows' logarithms side by side.
        for [_, rest] in &mut *saved {
            *rest = rest.log::<S>();
        }
        with.losses(first, logits, saved, losses);
    }
}

struct Backward<'a, T> {
    with: CrossEntropy<'a, T>,
    first: usize,
    logits: &'a [T],
    saved: &'a [T],
    scale: RowScale<'a, T>,
    /// The share of each class, before its weight.
    spread: T,
    /// The sum of all shares.
    spread_total: T,
    grad: &'a mut [T],
}

impl<T: Float> Kernel for Backward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { with, first, logits, saved, scale, spread, spread_total, grad } = self;
        let classes = with.classes;
        let rows = grad.len() / classes;
        let saved = &saved.as_chunks::<2>().0[first..][..rows];
        let logits = &logits[first * classes..][..grad.len()];
        let factors = |row: usize| {
            let (target, share) = with.share(first + row)?;
            let scale = match scale {
                RowScale::Uniform(scale) => scale,
                RowScale::PerRow(scales) => scales[first + row],
            };
            Some((target, scale, share, scale * (share + spread_total)))
        };
        let total = |row: usize| factors(row).map_or(T::ZERO, |(_, _, _, total)| total);
        probabilities::<T, S>(logits, classes, saved, total, grad);
        for (row, grad) in grad.chunks_exact_mut(classes).enumerate() {
            let Some((target, scale, share, _)) = factors(row) else {
                grad.fill(T::ZERO);
                continue;
            };
            if with.label_smoothing != 0.0 {
                let spread = scale * spread;
                match with.weight {
                    Some(weight) => grad.iter_mut().zip(weight).for_each(|(grad, &weight)| *grad -= spread * weight),
                    None => grad.iter_mut().for_each(|grad| *grad -= spread),
                }
            }
            grad[target] -= scale * share;
        }
    }
}

/// The softmax of each row, from its statistics, times `total` of that row.
#[inline(always)]
fn probabilities<T: Float, S: Simd>(x: &[T], cols: usize, saved: &[[T; 2]], total: impl Fn(usize) -> T, out: &mut [T]) {
    if cols > SHORT {
        let rows = x.chunks_exact(cols).zip(out.chunks_exact_mut(cols));
        for (row, ((x, out), &[largest, rest])) in rows.zip(saved).enumerate() {
            let total = total(row);
            lanes::map(x, x, out, |x, _| (x - largest - rest).exp_nonpositive::<S>() * total);
        }
        return;
    }
    let mut block = Block::new();
    let groups = x.chunks(ROWS * cols).zip(out.chunks_mut(ROWS * cols)).zip(saved.chunks(ROWS));
    for (group, ((x, out), saved)) in groups.enumerate() {
        let (mut largest, mut rest, mut totals) = ([T::ZERO; ROWS], [T::ZERO; ROWS], [T::ZERO; ROWS]);
        for (lane, saved) in saved.iter().enumerate() {
            [largest[lane], rest[lane]] = *saved;
            totals[lane] = total(group * ROWS + lane);
        }
        for column in block.load(x, cols) {
            for lane in 0..ROWS {
                column[lane] = (column[lane] - largest[lane] - rest[lane]).exp_nonpositive::<S>() * totals[lane];
            }
        }
        block.store(out, cols);
    }
}
