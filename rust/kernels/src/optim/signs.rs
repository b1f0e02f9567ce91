//! Optimisers that take only the sign of what they follow.

use super::{Rule, directed, own_rule};
use crate::element::Float;

own_rule! { Rprop: 3; Lion: 2; }

/// Resilient backpropagation (Riedmiller and Braun 1993), as `torch.optim.Rprop`. The state is the parameter, the last
/// gradient and the size of the step.
#[derive(Clone, Copy, Debug)]
pub struct Rprop {
    /// Factors of the step where the gradient's sign changed and where it did not.
    pub etas: (f64, f64),
    /// The smallest and the largest step.
    pub sizes: (f64, f64),
    /// Climbs instead of descending.
    pub maximize: bool,
}

impl<T: Float> Rule<T, 3> for Rprop {
    const NS_PER_1024: usize = 300;
    #[inline(always)]
    fn step(self, grad: T, [param, before, size]: [T; 3]) -> [T; 3] {
        let grad = directed(grad, self.maximize, 0.0, param);
        let (agreement, (shrink, grow)) = (grad * before, self.etas);
        let turned = agreement < T::ZERO;
        let factor = if turned {
            T::from_f64(shrink)
        } else if agreement > T::ZERO {
            T::from_f64(grow)
        } else {
            T::ONE
        };
        let size = (size * factor).maximum(T::from_f64(self.sizes.0)).minimum(T::from_f64(self.sizes.1));
        let grad = if turned { T::ZERO } else { grad };
        [param - grad.sign() * size, grad, size]
    }
}

/// Lion (Chen et al. 2023); the state is the parameter and the mean gradient.
#[derive(Clone, Copy, Debug)]
pub struct Lion {
    /// Learning rate.
    pub lr: f64,
    /// Weight of the mean in the direction, and its decay.
    pub betas: (f64, f64),
    /// Decay of the weights themselves, times `lr`.
    pub weight_decay: f64,
    /// Climbs instead of descending.
    pub maximize: bool,
}

impl<T: Float> Rule<T, 2> for Lion {
    const NS_PER_1024: usize = 250;
    #[inline(always)]
    fn step(self, grad: T, [param, mean]: [T; 2]) -> [T; 2] {
        let grad = directed(grad, self.maximize, 0.0, param);
        let direction = mean + T::from_f64(1.0 - self.betas.0) * (grad - mean);
        let param = param * T::from_f64(1.0 - self.lr * self.weight_decay);
        let mean_now = mean + T::from_f64(1.0 - self.betas.1) * (grad - mean);
        [param - T::from_f64(self.lr) * direction.sign(), mean_now]
    }
}
