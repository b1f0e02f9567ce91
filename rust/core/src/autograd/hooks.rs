//! What a user wants to happen where a gradient comes by: functions that see or replace it, and a place to keep it.

use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::Show;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sees a gradient and may give another in its place.
pub type Hook = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;

/// Hooks in the order of their registration.
#[derive(Clone, Default)]
pub struct Hooks(Vec<(u64, Hook)>);

impl Hooks {
    /// Adds a hook; the number takes it away again.
    pub fn add(&mut self, hook: Hook) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Relaxed);
        self.0.push((id, hook));
        id
    }

    /// Takes a hook away; does nothing where it is gone.
    pub fn remove(&mut self, id: u64) {
        self.0.retain(|(own, _)| *own != id);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `grad` after all hooks have had it.
    ///
    /// # Errors
    /// What a hook returns; a gradient of another shape or dtype in its place.
    pub fn run(&self, mut grad: Tensor) -> Result<Tensor> {
        for (_, hook) in &self.0 {
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
