//! Which dtype products are made in, whatever their inputs have, per thread (`autocast`).
//!
//! Operations that gain by a narrow dtype and lose little take their float inputs in it; those that lose much take them in
//! float32. All others take what comes.

use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::cast;
use smallvec::SmallVec;
use std::cell::Cell;

/// What an operation does with its float inputs where a dtype is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autocast {
    /// Takes them as they are.
    Keep,
    /// Takes those of 32 bits and fewer in the dtype asked for.
    Lower,
    /// Takes those of fewer bits in float32.
    Widen,
}

thread_local! {
    static DTYPE: Cell<Option<DType>> = const { Cell::new(None) };
}

/// The dtype asked for in this thread.
#[must_use]
pub fn dtype() -> Option<DType> {
    DTYPE.get()
}

/// Asks for a dtype, or for none, and returns what was asked for before.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_dtype(dtype: Option<DType>) -> Option<DType> {
    DTYPE.replace(dtype)
}

impl Autocast {
    /// One input as the operation takes it, for functions that are made of several.
    ///
    /// # Errors
    /// Only for lack of memory.
    pub fn of(self, x: &Tensor) -> Result<Tensor> {
        Ok(self.inputs(&[x])?.map_or_else(|| x.clone(), |mut taken| taken.swap_remove(0)))
    }

    /// Runs `body`, several operations that count as one, on the inputs as that one takes them. What it calls takes what
    /// comes.
    ///
    /// # Errors
    /// Those of `body`.
    pub fn around<const N: usize, R>(
        self,
        inputs: [&Tensor; N],
        body: impl FnOnce([&Tensor; N]) -> Result<R>,
    ) -> Result<R> {
        if dtype().is_none() {
            return body(inputs);
        }
        let taken = self.inputs(&inputs)?;
        let _paused = Paused(set_dtype(None));
        body(taken.as_ref().map_or(inputs, |taken| std::array::from_fn(|i| &taken[i])))
    }

    /// The inputs as the operation takes them; `None` where none changes.
    pub(super) fn inputs(self, inputs: &[&Tensor]) -> Result<Option<SmallVec<[Tensor; 4]>>> {
        let Some(dtype) = dtype() else { return Ok(None) };
        let target = |found: DType| match self {
            Self::Lower if found.is_half() || found == DType::F32 => dtype,
            Self::Widen if found.is_half() => DType::F32,
            _ => found,
        };
        if inputs.iter().all(|x| target(x.dtype()) == x.dtype()) {
            return Ok(None);
        }
        inputs.iter().map(|x| cast(x, target(x.dtype()))).collect::<Result<_>>().map(Some)
    }
}

/// What was asked for before, which drops to be asked for again.
struct Paused(Option<DType>);

impl Drop for Paused {
    fn drop(&mut self) {
        set_dtype(self.0);
    }
}
