//! What a user wants to happen where a gradient comes by: functions that see or replace it, and a place to keep it.

use crate::autograd::node::{Arrived, Gradients};
use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::Show;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sees a gradient and may give another in its place.
pub type Hook = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;

/// Sees the gradients by the outputs of an operation before it goes back, and may give others in their place.
pub type Before = Arc<dyn Fn(&[Option<Tensor>]) -> Result<Option<Arrived>> + Send + Sync>;

/// Sees the gradients by the inputs of an operation and those by its outputs that they come from, and may give others in
/// place of the first.
pub type After = Arc<dyn Fn(&[Option<Tensor>], &[Option<Tensor>]) -> Result<Option<Gradients>> + Send + Sync>;

/// An object of the user's that a place in the graph keeps alive.
pub type Kept = Arc<dyn Any + Send + Sync>;

/// Hooks in the order of their registration, each with the function of the user's that it calls.
#[derive(Clone)]
pub struct Hooks<H = Hook>(Vec<(u64, H, Kept)>);

impl<H> Default for Hooks<H> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<H> Hooks<H> {
    /// Adds a hook, which keeps `function` alive; the number takes it away again.
    pub fn add(&mut self, hook: H, function: Kept) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Relaxed);
        self.0.push((id, hook, function));
        id
    }

    /// Takes a hook away; does nothing where it is gone.
    pub fn remove(&mut self, id: u64) {
        self.0.retain(|(own, ..)| *own != id);
    }

    /// Shows what the hooks keep alive.
    pub(super) fn kept(&self, see: &mut dyn FnMut(&Kept)) {
        self.0.iter().for_each(|(_, _, function)| see(function));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Hooks {
    /// `grad` after all hooks have had it.
    ///
    /// # Errors
    /// What a hook returns; a gradient of another shape or dtype in its place.
    pub fn run(&self, mut grad: Tensor) -> Result<Tensor> {
        for (_, hook, _) in &self.0 {
            let Some(other) = hook(&grad)? else { continue };
            if other.shape() != grad.shape() || other.dtype() != grad.dtype() {
                return Err(Error::gradient(
                    "register_hook",
                    format_args!(
                        "a hook returned {} of shape {} for a gradient of {} and shape {}",
                        other.dtype(),
                        Show(other.shape()),
                        grad.dtype(),
                        Show(grad.shape())
                    ),
                ));
            }
            grad = other;
        }
        Ok(grad)
    }
}

/// What is wanted of the gradient with respect to one output of a recorded operation.
#[derive(Clone, Default)]
pub struct Watch {
    /// What sees it first.
    pub hooks: Hooks,
    /// Whether it is kept, as leaves keep theirs.
    pub retains: bool,
    /// What was kept.
    pub grad: Option<Tensor>,
}

/// What is wanted of a recorded operation as a whole.
#[derive(Clone, Default)]
pub struct NodeHooks {
    /// What sees the gradients by its outputs, after the hooks on these.
    pub before: Hooks<Before>,
    /// What sees the gradients by its inputs.
    pub after: Hooks<After>,
}

impl NodeHooks {
    /// `arrived` after all hooks have had it that come before the operation goes back.
    ///
    /// # Errors
    /// What a hook returns; another number of gradients in their place.
    pub fn run_before(&self, mut arrived: Arrived) -> Result<Arrived> {
        for (_, hook, _) in &self.before.0 {
            let Some(other) = hook(&arrived)? else { continue };
            fits("register_prehook", other.len(), arrived.len())?;
            arrived = other;
        }
        Ok(arrived)
    }

    /// `gradients` after all hooks have had them that come after the operation went back.
    ///
    /// # Errors
    /// As [`NodeHooks::run_before`].
    pub fn run_after(&self, mut gradients: Gradients, arrived: &[Option<Tensor>]) -> Result<Gradients> {
        for (_, hook, _) in &self.after.0 {
            let Some(other) = hook(&gradients, arrived)? else { continue };
            fits("register_hook", other.len(), gradients.len())?;
            gradients = other;
        }
        Ok(gradients)
    }
}

fn fits(name: &str, given: usize, expected: usize) -> Result<()> {
    if given == expected {
        return Ok(());
    }
    Err(Error::gradient(name, format_args!("a hook returned {given} gradients in place of {expected}")))
}
