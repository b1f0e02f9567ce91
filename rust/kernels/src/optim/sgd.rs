//! Stochastic gradient descent, with momentum and averaged.

use super::{Item, Optimiser, Rule, directed, own_rule, penalised, walk};
use crate::element::Float;

/// Stochastic gradient descent with momentum (Sutskever et al. 2013), as `torch.optim.SGD`; the state is the parameter
/// and, with momentum, its velocity.
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

impl Optimiser<1> for Sgd {
    fn step<T: Float>(self, list: &mut [Item<'_, T, 1>]) {
        walk(list, SgdRule::<T>::new(&self));
    }
}

impl Optimiser<2> for Sgd {
    fn step<T: Float>(self, list: &mut [Item<'_, T, 2>]) {
        walk(list, SgdRule::<T>::new(&self));
    }
}

/// Averaged stochastic gradient descent (Polyak and Juditsky 1992), as `torch.optim.ASGD`; the state is the parameter
/// and its average.
#[derive(Clone, Copy, Debug)]
pub struct Asgd {
    /// Learning rate of this step.
    pub eta: f64,
    /// Weight of the parameter in its average; 1 starts it.
    pub mu: f64,
    /// Decay of the parameter, times `eta`.
    pub lambd: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Climbs instead of descending.
    pub maximize: bool,
}

own_rule! { Asgd: 2; }

impl Asgd {
    /// `eta` and `mu` of the step that follows `step` steps, given the learning rate and its decay, the power of that
    /// decay, and the step at which averaging begins.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "steps stay far below 2^53")]
    pub fn after(step: u64, lr: f64, lambd: f64, alpha: f64, t0: f64) -> (f64, f64) {
        let step = step as f64;
        (lr / (1.0 + lambd * lr * step).powf(alpha), 1.0 / (step - t0).max(1.0))
    }
}

impl<T: Float> Rule<T, 2> for Asgd {
    const NS_PER_1024: usize = 200;
    #[inline(always)]
    fn step(self, grad: T, [param, average]: [T; 2]) -> [T; 2] {
        let grad = directed(grad, self.maximize, self.weight_decay, param);
        let param = param * T::from_f64(1.0 - self.lambd * self.eta) - T::from_f64(self.eta) * grad;
        let mu = T::from_f64(self.mu);
        [param, if mu == T::ONE { param } else { average + (param - average) * mu }]
    }
}
