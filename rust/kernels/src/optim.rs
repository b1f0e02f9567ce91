//! Optimiser steps over whole lists of parameters: each parameter, its gradient and its state are read once and
//! written once, in the order of operations of `PyTorch`'s single-tensor reference.
//!
//! An optimiser is a function of one element ([`Rule`]); one driver walks the list. Elements do not depend on each
//! other, so any split gives the same bits. A list too short for threads is stepped as it stands, without an
//! allocation; a longer one is cut into pieces by its lengths.

use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, SERIAL_BELOW_NS, for_each};

/// Elements of one task.
const PIECE: usize = 1 << 14;
/// Elements gathered side by side, so that the rule runs on registers; at the end of a parameter, fewer.
const WIDE: usize = 64;
const NARROW: usize = 16;

/// One parameter with what its step reads and writes, all of one length: `state[0]` is the parameter itself.
#[derive(Debug)]
pub struct Item<'a, T, const K: usize> {
    /// The gradient.
    pub grad: &'a [T],
    /// The parameter, then the optimiser's state in the order that its function names.
    pub state: [&'a mut [T]; K],
}

/// Stochastic gradient descent with momentum (Sutskever et al. 2013), as `torch.optim.SGD`.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the velocity; 0 for none.
    pub momentum: f64,
    /// Part of the gradient that the velocity does not take.
    pub dampening: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Looks ahead along the velocity.
    pub nesterov: bool,
    /// Climbs instead of descending.
    pub maximize: bool,
    /// The velocities hold nothing yet: they start as the gradient.
    pub first: bool,
}

/// Adam (Kingma and Ba 2015) and `AdamW` (Loshchilov and Hutter 2019), as `torch.optim.Adam` and `AdamW`.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first and the second moment.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, or with `decoupled` the decay of the weights themselves.
    pub weight_decay: f64,
    /// `AdamW`: decay the weights, not the gradient.
    pub decoupled: bool,
    /// Climbs instead of descending.
    pub maximize: bool,
    /// Steps taken, this one included: 1 for the first.
    pub step: u64,
}

/// SGD without momentum; the state is the parameter.
pub fn sgd<T: Float>(list: &mut [Item<'_, T, 1>], with: &Sgd) {
    walk(list, SgdRule::<T>::new(with));
}

/// SGD with momentum; the state is the parameter and its velocity.
pub fn sgd_momentum<T: Float>(list: &mut [Item<'_, T, 2>], with: &Sgd) {
    walk(list, SgdRule::<T>::new(with));
}

/// Adam; the state is the parameter, its first and its second moment.
pub fn adam<T: Float>(list: &mut [Item<'_, T, 3>], with: &Adam) {
    walk(list, AdamRule::<T>::new(with));
}

/// Adam whose denominator never shrinks (Reddi et al. 2018); the state is the parameter, its first and its second
/// moment, and the largest second moment so far.
pub fn adam_amsgrad<T: Float>(list: &mut [Item<'_, T, 4>], with: &Adam) {
    walk(list, AdamRule::<T>::new(with));
}

/// The step of one element: its gradient and old state to its new state.
trait Rule<T, const K: usize>: Copy + Sync {
    /// Estimated cost of 1024 elements, in nanoseconds.
    const NS_PER_1024: usize;
    fn step(self, grad: T, state: [T; K]) -> [T; K];
}

#[derive(Clone, Copy)]
struct SgdRule<T> {
    sign: T,
    minus_lr: T,
    momentum: T,
    fresh: T,
    weight_decay: T,
    nesterov: bool,
    first: bool,
}

impl<T: Float> SgdRule<T> {
    fn new(with: &Sgd) -> Self {
        Self {
            sign: if with.maximize { -T::ONE } else { T::ONE },
            minus_lr: T::from_f64(-with.lr),
            momentum: T::from_f64(with.momentum),
            fresh: T::from_f64(1.0 - with.dampening),
            weight_decay: T::from_f64(with.weight_decay),
            nesterov: with.nesterov,
            first: with.first,
        }
    }

    #[inline(always)]
    fn decayed(self, grad: T, param: T) -> T {
        penalised(grad * self.sign, self.weight_decay, param)
    }
}

/// The gradient with its L2 penalty. Without one the parameter is left out: infinity times zero is NaN.
#[inline(always)]
fn penalised<T: Float>(grad: T, weight_decay: T, param: T) -> T {
    if weight_decay == T::ZERO { grad } else { grad + weight_decay * param }
}

impl<T: Float> Rule<T, 1> for SgdRule<T> {
    const NS_PER_1024: usize = 120;
    #[inline(always)]
    fn step(self, grad: T, [param]: [T; 1]) -> [T; 1] {
        [param + self.minus_lr * self.decayed(grad, param)]
    }
}

impl<T: Float> Rule<T, 2> for SgdRule<T> {
    const NS_PER_1024: usize = 200;
    #[inline(always)]
    fn step(self, grad: T, [param, velocity]: [T; 2]) -> [T; 2] {
        let grad = self.decayed(grad, param);
        let velocity = if self.first { grad } else { velocity * self.momentum + self.fresh * grad };
        let direction = if self.nesterov { grad + self.momentum * velocity } else { velocity };
        [param + self.minus_lr * direction, velocity]
    }
}

#[derive(Clone, Copy)]
struct AdamRule<T> {
    sign: T,
    /// What is left of a parameter after decoupled decay; 1 without.
    kept: T,
    penalty: T,
    first_fresh: T,
    second_kept: T,
    second_fresh: T,
    /// One over the square root of the second moment's bias correction.
    second_scale: T,
    minus_step_size: T,
    eps: T,
}

impl<T: Float> AdamRule<T> {
    fn new(with: &Adam) -> Self {
        let (beta1, beta2) = with.betas;
        // Beyond 2^31 steps both corrections are 1.
        let steps = i32::try_from(with.step).unwrap_or(i32::MAX);
        Self {
            sign: if with.maximize { -T::ONE } else { T::ONE },
            kept: T::from_f64(if with.decoupled { 1.0 - with.lr * with.weight_decay } else { 1.0 }),
            penalty: T::from_f64(if with.decoupled { 0.0 } else { with.weight_decay }),
            first_fresh: T::from_f64(1.0 - beta1),
            second_kept: T::from_f64(beta2),
            second_fresh: T::from_f64(1.0 - beta2),
            second_scale: T::from_f64(1.0 / (1.0 - beta2.powi(steps)).sqrt()),
            minus_step_size: T::from_f64(-with.lr / (1.0 - beta1.powi(steps))),
            eps: T::from_f64(with.eps),
        }
    }

    /// The decayed parameter and the new moments.
    #[inline(always)]
    fn moments(self, grad: T, param: T, first: T, second: T) -> [T; 3] {
        let param = param * self.kept;
        let grad = penalised(grad * self.sign, self.penalty, param);
        let first = first + self.first_fresh * (grad - first);
        [param, first, second * self.second_kept + self.second_fresh * grad * grad]
    }

    #[inline(always)]
    fn moved(self, param: T, first: T, second: T) -> T {
        param + self.minus_step_size * (first / (second.sqrt() * self.second_scale + self.eps))
    }
}

impl<T: Float> Rule<T, 3> for AdamRule<T> {
    const NS_PER_1024: usize = 400;
    #[inline(always)]
    fn step(self, grad: T, [param, first, second]: [T; 3]) -> [T; 3] {
        let [param, first, second] = self.moments(grad, param, first, second);
        [self.moved(param, first, second), first, second]
    }
}

impl<T: Float> Rule<T, 4> for AdamRule<T> {
    const NS_PER_1024: usize = 500;
    #[inline(always)]
    fn step(self, grad: T, [param, first, second, largest]: [T; 4]) -> [T; 4] {
        let [param, first, second] = self.moments(grad, param, first, second);
        let largest = largest.maximum(second);
        [self.moved(param, first, largest), first, second, largest]
    }
}

/// Steps every element of every item.
fn walk<T: Float, const K: usize, R: Rule<T, K>>(list: &mut [Item<'_, T, K>], rule: R) {
    let mut total = 0;
    for item in &*list {
        assert!(item.state.iter().all(|state| state.len() == item.grad.len()), "an item's lengths differ");
        total += item.grad.len();
    }
    let cost = total.saturating_mul(R::NS_PER_1024) / 1024;
    if cost < SERIAL_BELOW_NS {
        dispatch(Walk { list, rule });
        return;
    }
    let mut pieces = Vec::with_capacity(list.len() + total / PIECE);
    for item in list {
        let mut rest = Item { grad: item.grad, state: item.state.each_mut().map(|state| &mut **state) };
        while rest.grad.len() > PIECE {
            let (head, tail) = rest.split();
            pieces.push(head);
            rest = tail;
        }
        pieces.push(rest);
    }
    let tasks = pieces.len();
    let pieces = Disjoint::new(&mut pieces);
    for_each(tasks, cost, |task| {
        // SAFETY: each task takes its own piece.
        dispatch(Walk { list: unsafe { pieces.slice(task..task + 1) }, rule });
    });
}

impl<T, const K: usize> Item<'_, T, K> {
    /// Its first [`PIECE`] elements, and the others.
    fn split(self) -> (Self, Self) {
        let (grad, grad_tail) = self.grad.split_at(PIECE);
        let mut tails = [const { None }; K];
        let mut index = 0;
        let state = self.state.map(|state| {
            let (head, tail) = state.split_at_mut(PIECE);
            tails[index] = Some(tail);
            index += 1;
            head
        });
        let tails = tails.map(|tail| tail.unwrap_or(&mut []));
        (Item { grad, state }, Item { grad: grad_tail, state: tails })
    }
}

struct Walk<'a, 'b, T, R, const K: usize> {
    list: &'a mut [Item<'b, T, K>],
    rule: R,
}

impl<T: Float, R: Rule<T, K>, const K: usize> Kernel for Walk<'_, '_, T, R, K> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for item in self.list {
            let len = item.grad.len();
            let mut start = 0;
            while len - start >= WIDE {
                chunk::<WIDE, _, _, _>(self.rule, item, start, WIDE);
                start += WIDE;
            }
            while start < len {
                let count = (len - start).min(NARROW);
                chunk::<NARROW, _, _, _>(self.rule, item, start, count);
                start += count;
            }
        }
    }
}

/// Steps `count` elements, at most `N`, through arrays that alias nothing.
#[inline(always)]
fn chunk<const N: usize, T: Float, R: Rule<T, K>, const K: usize>(
    rule: R,
    item: &mut Item<'_, T, K>,
    start: usize,
    count: usize,
) {
    let range = start..start + count;
    let mut grad = [T::ZERO; N];
    let mut state = [[T::ZERO; N]; K];
    grad[..count].copy_from_slice(&item.grad[range.clone()]);
    for (values, source) in state.iter_mut().zip(&item.state) {
        values[..count].copy_from_slice(&source[range.clone()]);
    }
    for lane in 0..N {
        let new = rule.step(grad[lane], std::array::from_fn(|k| state[k][lane]));
        for (values, new) in state.iter_mut().zip(new) {
            values[lane] = new;
        }
    }
    for (values, target) in state.iter().zip(&mut item.state) {
        target[range.clone()].copy_from_slice(&values[..count]);
    }
}

/// The `p`-norm of all elements of all gradients together; `p` may be infinite. NaN propagates.
#[must_use]
#[expect(clippy::float_cmp, reason = "the exponents with a form of their own are exact")]
pub fn total_norm<T: Float>(grads: &[&[T]], p: f64) -> f64 {
    let pieces = || grads.iter().flat_map(|grad| grad.chunks(PIECE));
    let total: usize = grads.iter().map(|grad| grad.len()).sum();
    let cost = total / 8;
    let parts: Vec<f64> = if cost < SERIAL_BELOW_NS {
        pieces().map(|values| dispatch(Powers { values, p })).collect()
    } else {
        let pieces: Vec<&[T]> = pieces().collect();
        let mut parts = vec![0.0; pieces.len()];
        let out = Disjoint::new(&mut parts);
        for_each(pieces.len(), cost, |task| {
            // SAFETY: each task writes its own element.
            let slot = unsafe { out.slice(task..task + 1) };
            slot[0] = dispatch(Powers { values: pieces[task], p });
        });
        parts
    };
    if p.is_infinite() {
        return parts.into_iter().fold(0.0, |most: f64, part| if part > most || part.is_nan() { part } else { most });
    }
    let sum: f64 = parts.into_iter().sum();
    if p == 2.0 { sum.sqrt() } else { sum.powf(p.recip()) }
}

/// The sum of the `p`-th powers of magnitudes in float64, or the largest magnitude where `p` is infinite.
struct Powers<'a, T> {
    values: &'a [T],
    p: f64,
}

impl<T: Float> Kernel for Powers<'_, T> {
    type Output = f64;
    #[expect(clippy::float_cmp, reason = "the exponents with a form of their own are exact")]
    #[inline(always)]
    fn run<S: Simd>(self) -> f64 {
        if self.p == 2.0 {
            fold(self.values, |sum, value| sum + value * value, |a, b| a + b)
        } else if self.p == 1.0 {
            fold(self.values, |sum, value| sum + value.abs(), |a, b| a + b)
        } else if self.p.is_infinite() {
            let most = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
            fold(self.values, |sum, value| most(sum, value.abs()), most)
        } else {
            self.values.iter().map(|value| value.to_f64().abs().powf(self.p)).sum()
        }
    }
}

/// Folds `values` into sixteen lanes and the lanes pairwise.
#[inline(always)]
fn fold<T: Float>(values: &[T], add: impl Fn(f64, f64) -> f64, join: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; 16];
    let chunks = values.chunks_exact(16);
    for (lane, value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = add(*lane, value.to_f64());
    }
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = add(*lane, value.to_f64());
        }
    }
    let mut width = 8;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Multiplies every element of every gradient by `factor`.
pub fn scale_all<T: Float>(list: &mut [&mut [T]], factor: f64) {
    let factor = T::from_f64(factor);
    for values in list {
        let len = values.len();
        let values = Disjoint::new(values);
        crate::parallel::for_ranges(len, PIECE, 100, |range| {
            // SAFETY: ranges are disjoint.
            dispatch(Scale { values: unsafe { values.slice(range) }, factor });
        });
    }
}

struct Scale<'a, T> {
    values: &'a mut [T],
    factor: T,
}

impl<T: Float> Kernel for Scale<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for value in self.values {
            *value *= self.factor;
        }
    }
}
