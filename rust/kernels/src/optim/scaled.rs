//! Optimisers that scale each element's step by the size of its past gradients.

use super::{Item, Optimiser, Rule, directed, own_rule, powi, walk};
use crate::element::Float;

own_rule! { RmsProp: 2 3 4; Adadelta: 3; }

/// `RMSprop` (Tieleman and Hinton 2012), as `torch.optim.RMSprop`. The state is the parameter and the mean square; then,
/// if it is centered, the mean, and with momentum the velocity.
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the means.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Decay of the velocity; 0 for none.
    pub momentum: f64,
    /// Divides by the deviation instead of the root mean square.
    pub centered: bool,
    /// Climbs instead of descending.
    pub maximize: bool,
}

impl<T: Float, const K: usize> Rule<T, K> for RmsProp {
    const NS_PER_1024: usize = 350;
    #[inline(always)]
    fn step(self, grad: T, mut state: [T; K]) -> [T; K] {
        let fresh = T::from_f64(1.0 - self.alpha);
        let grad = directed(grad, self.maximize, self.weight_decay, state[0]);
        state[1] = state[1] * T::from_f64(self.alpha) + fresh * grad * grad;
        let mut square = state[1];
        if self.centered {
            state[2] += fresh * (grad - state[2]);
            square -= state[2] * state[2];
        }
        let direction = grad / (square.sqrt() + T::from_f64(self.eps));
        let step = if self.momentum > 0.0 {
            state[K - 1] = state[K - 1] * T::from_f64(self.momentum) + direction;
            state[K - 1]
        } else {
            direction
        };
        state[0] += T::from_f64(-self.lr) * step;
        state
    }
}

/// Adagrad (Duchi, Hazan and Singer 2011), as `torch.optim.Adagrad`; the state is the parameter and the sum of squares.
#[derive(Clone, Copy, Debug)]
pub struct Adagrad {
    /// Learning rate.
    pub lr: f64,
    /// How fast the learning rate falls with the steps.
    pub lr_decay: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Climbs instead of descending.
    pub maximize: bool,
    /// Steps taken, this one included.
    pub step: u64,
}

impl Optimiser<2> for Adagrad {
    #[expect(clippy::cast_precision_loss, reason = "steps stay far below 2^53")]
    fn step<T: Float>(self, list: &mut [Item<'_, T, 2>]) {
        let lr = self.lr / (1.0 + (self.step as f64 - 1.0) * self.lr_decay);
        walk(list, Self { lr, ..self });
    }
}

impl<T: Float> Rule<T, 2> for Adagrad {
    const NS_PER_1024: usize = 300;
    #[inline(always)]
    fn step(self, grad: T, [param, sum]: [T; 2]) -> [T; 2] {
        let grad = directed(grad, self.maximize, self.weight_decay, param);
        let sum = sum + grad * grad;
        [param + T::from_f64(-self.lr) * grad / (sum.sqrt() + T::from_f64(self.eps)), sum]
    }
}

/// Adadelta (Zeiler 2012), as `torch.optim.Adadelta`; the state is the parameter, and the mean squares of the gradient
/// and of the steps.
#[derive(Clone, Copy, Debug)]
pub struct Adadelta {
    /// Factor of the step.
    pub lr: f64,
    /// Decay of the means.
    pub rho: f64,
    /// Added under both roots.
    pub eps: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Climbs instead of descending.
    pub maximize: bool,
}

impl<T: Float> Rule<T, 3> for Adadelta {
    const NS_PER_1024: usize = 450;
    #[inline(always)]
    fn step(self, grad: T, [param, square, moved]: [T; 3]) -> [T; 3] {
        let grad = directed(grad, self.maximize, self.weight_decay, param);
        let (rho, fresh, eps) = (T::from_f64(self.rho), T::from_f64(1.0 - self.rho), T::from_f64(self.eps));
        let square = square * rho + fresh * grad * grad;
        let step = (moved + eps).sqrt() / (square + eps).sqrt() * grad;
        [param + T::from_f64(-self.lr) * step, square, moved * rho + fresh * step * step]
    }
}

/// Adamax (Kingma and Ba 2015), as `torch.optim.Adamax`; the state is the parameter, the mean gradient and the decayed
/// largest magnitude.
#[derive(Clone, Copy, Debug)]
pub struct Adamax {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean and of the largest magnitude.
    pub betas: (f64, f64),
    /// Added to the magnitude.
    pub eps: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Climbs instead of descending.
    pub maximize: bool,
    /// Steps taken, this one included.
    pub step: u64,
}

impl Optimiser<3> for Adamax {
    fn step<T: Float>(self, list: &mut [Item<'_, T, 3>]) {
        let lr = self.lr / (1.0 - powi(self.betas.0, self.step));
        walk(list, Self { lr, ..self });
    }
}

impl<T: Float> Rule<T, 3> for Adamax {
    const NS_PER_1024: usize = 300;
    #[inline(always)]
    fn step(self, grad: T, [param, mean, most]: [T; 3]) -> [T; 3] {
        let grad = directed(grad, self.maximize, self.weight_decay, param);
        let mean = mean + T::from_f64(1.0 - self.betas.0) * (grad - mean);
        let most = (most * T::from_f64(self.betas.1)).maximum(grad.magnitude() + T::from_f64(self.eps));
        [param + T::from_f64(-self.lr) * mean / most, mean, most]
    }
}
