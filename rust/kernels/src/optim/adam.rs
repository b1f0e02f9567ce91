//! Adam and its relatives: running means of the gradient and of its square.

use super::{Item, Optimiser, Rule, penalised, powi, walk};
use crate::element::Float;

/// Adam (Kingma and Ba 2015) and `AdamW` (Loshchilov and Hutter 2019), as `torch.optim.Adam` and `AdamW`. The state is
/// the parameter, its first and its second moment; and for `AMSGrad` (Reddi et al. 2018), whose denominator never
/// shrinks, the largest second moment so far.
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

impl Adam {
    /// What is missing in a running mean that began at zero, for the first and the second moment.
    fn corrections(&self) -> (f64, f64) {
        (1.0 - powi(self.betas.0, self.step), 1.0 - powi(self.betas.1, self.step))
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
        let ((beta1, beta2), corrections) = (with.betas, with.corrections());
        Self {
            sign: if with.maximize { -T::ONE } else { T::ONE },
            kept: T::from_f64(if with.decoupled { 1.0 - with.lr * with.weight_decay } else { 1.0 }),
            penalty: T::from_f64(if with.decoupled { 0.0 } else { with.weight_decay }),
            first_fresh: T::from_f64(1.0 - beta1),
            second_kept: T::from_f64(beta2),
            second_fresh: T::from_f64(1.0 - beta2),
            second_scale: T::from_f64(1.0 / corrections.1.sqrt()),
            minus_step_size: T::from_f64(-with.lr / corrections.0),
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

impl Optimiser<3> for Adam {
    fn step<T: Float>(self, list: &mut [Item<'_, T, 3>]) {
        walk(list, AdamRule::<T>::new(&self));
    }
}

impl Optimiser<4> for Adam {
    fn step<T: Float>(self, list: &mut [Item<'_, T, 4>]) {
        walk(list, AdamRule::<T>::new(&self));
    }
}

/// Adam with Nesterov's momentum (Dozat 2016), as `torch.optim.NAdam`; the state is Adam's.
#[derive(Clone, Copy, Debug)]
pub struct NAdam {
    /// What it shares with Adam.
    pub adam: Adam,
    /// Momentum of this step and of the next.
    pub momenta: (f64, f64),
    /// Product of the momenta of all steps, this one included.
    pub product: f64,
}

impl NAdam {
    /// The step of `adam`, after steps whose momenta have the product `before`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "steps stay far below 2^53")]
    pub fn new(adam: Adam, momentum_decay: f64, before: f64) -> Self {
        let momentum = |step: u64| adam.betas.0 * (1.0 - 0.5 * 0.96f64.powf(step as f64 * momentum_decay));
        let momenta = (momentum(adam.step), momentum(adam.step + 1));
        Self { adam, momenta, product: before * momenta.0 }
    }
}

#[derive(Clone, Copy)]
struct NAdamRule<T> {
    adam: AdamRule<T>,
    minus_grad_size: T,
}

impl<T: Float> Rule<T, 3> for NAdamRule<T> {
    const NS_PER_1024: usize = 500;
    #[inline(always)]
    fn step(self, grad: T, [param, first, second]: [T; 3]) -> [T; 3] {
        let (adam, decayed) = (self.adam, param * self.adam.kept);
        let penalised = penalised(grad * adam.sign, adam.penalty, decayed);
        let [param, first, second] = adam.moments(grad, param, first, second);
        let denominator = second.sqrt() * adam.second_scale + adam.eps;
        let param = param + self.minus_grad_size * penalised / denominator;
        [param + adam.minus_step_size * first / denominator, first, second]
    }
}

impl Optimiser<3> for NAdam {
    fn step<T: Float>(self, list: &mut [Item<'_, T, 3>]) {
        let (lr, (now, next)) = (self.adam.lr, self.momenta);
        let size = -lr * next / (1.0 - self.product * next);
        let adam = AdamRule { minus_step_size: T::from_f64(size), ..AdamRule::new(&self.adam) };
        let minus_grad_size = T::from_f64(-lr * (1.0 - now) / (1.0 - self.product));
        walk(list, NAdamRule { adam, minus_grad_size });
    }
}

/// Adam that waits until the variance of its step is known (Liu et al. 2020), as `torch.optim.RAdam`; the state is
/// Adam's.
#[derive(Clone, Copy, Debug)]
pub struct RAdam {
    /// What it shares with Adam.
    pub adam: Adam,
}

#[derive(Clone, Copy)]
struct RAdamRule<T> {
    adam: AdamRule<T>,
    rectified: bool,
}

impl<T: Float> Rule<T, 3> for RAdamRule<T> {
    const NS_PER_1024: usize = 400;
    #[inline(always)]
    fn step(self, grad: T, [param, first, second]: [T; 3]) -> [T; 3] {
        let [param, first, second] = self.adam.moments(grad, param, first, second);
        let moved = if self.rectified {
            self.adam.moved(param, first, second)
        } else {
            param + self.adam.minus_step_size * first
        };
        [moved, first, second]
    }
}

impl Optimiser<3> for RAdam {
    fn step<T: Float>(self, list: &mut [Item<'_, T, 3>]) {
        let (beta2, (first, second)) = (self.adam.betas.1, self.adam.corrections());
        // The length of the approximated simple moving average, at infinity and now.
        let most = 2.0 / (1.0 - beta2) - 1.0;
        #[expect(clippy::cast_precision_loss, reason = "steps stay far below 2^53")]
        let length = most - 2.0 * self.adam.step as f64 * (1.0 - second) / second;
        let rectified = length > 5.0;
        let factor = if rectified {
            let variance = |length: f64| (length - 4.0) * (length - 2.0) / length;
            (variance(length) / variance(most) * second).sqrt()
        } else {
            1.0
        };
        let minus_step_size = T::from_f64(-self.adam.lr * factor / first);
        let adam = AdamRule { minus_step_size, second_scale: T::ONE, ..AdamRule::new(&self.adam) };
        walk(list, RAdamRule { adam, rectified });
    }
}
