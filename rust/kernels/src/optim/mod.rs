//! Optimiser steps over whole lists of parameters: each parameter, its gradient and its state are read once and
//! written once, in the order of operations of `PyTorch`'s single-tensor reference.
//!
//! An optimiser is a function of one element ([`Rule`]); one driver walks the list. Elements do not depend on each
//! other, so any split gives the same bits. A list too short for threads is stepped as it stands, without an
//! allocation; a longer one is cut into pieces by its lengths.

mod adam;
mod norm;
mod scaled;
mod sgd;
mod signs;

use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, SERIAL_BELOW_NS, for_each};

pub use adam::{Adam, NAdam, RAdam};
pub use norm::{scale_all, total_norm};
pub use scaled::{Adadelta, Adagrad, Adamax, RmsProp};
pub use sgd::{Asgd, Sgd};
pub use signs::{Lion, Rprop};

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

/// An optimiser with its settings, which reads and writes `K` slices per parameter, the parameter included.
pub trait Optimiser<const K: usize>: Copy + Send + Sync {
    /// Steps every element of every item.
    fn step<T: Float>(self, list: &mut [Item<'_, T, K>]);
}

/// The step of one element: its gradient and old state to its new state.
trait Rule<T, const K: usize>: Copy + Sync {
    /// Estimated cost of 1024 elements, in nanoseconds.
    const NS_PER_1024: usize;
    fn step(self, grad: T, state: [T; K]) -> [T; K];
}

/// Optimisers whose settings are their rule: numbers that come from them are taken in float64 and then rounded, and the
/// compiler takes them out of the loop.
macro_rules! own_rule {
    ($($name:ident: $($states:literal)+;)+) => { $($(
        impl $crate::optim::Optimiser<$states> for $name {
            fn step<T: Float>(self, list: &mut [$crate::optim::Item<'_, T, $states>]) {
                $crate::optim::walk(list, self);
            }
        }
    )+)+ };
}
use own_rule;

/// The gradient with its L2 penalty. Without one the parameter is left out: infinity times zero is NaN.
#[inline(always)]
fn penalised<T: Float>(grad: T, weight_decay: T, param: T) -> T {
    if weight_decay == T::ZERO { grad } else { grad + weight_decay * param }
}

/// As [`penalised`], of settings: the opposite of the gradient where one climbs.
#[inline(always)]
fn directed<T: Float>(grad: T, maximize: bool, weight_decay: f64, param: T) -> T {
    penalised(if maximize { -grad } else { grad }, T::from_f64(weight_decay), param)
}

/// `base` to the power of a count of steps; beyond 2^31 of them it is that of 2^31, which is 0 for every decay.
fn powi(base: f64, steps: u64) -> f64 {
    base.powi(i32::try_from(steps).unwrap_or(i32::MAX))
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
