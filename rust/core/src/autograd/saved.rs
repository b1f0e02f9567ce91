//! What an operation keeps for its backward: values as they are, or what the user makes of them meanwhile.

use crate::array::Array;
use crate::autograd::mode::{self, Mode};
use crate::autograd::tensor::{Tensor, Tracking};
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::storage::Storage;
use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

/// Something that stands for a saved value until it is needed.
pub trait Packed: Send + Sync {
    /// The value.
    ///
    /// # Errors
    /// What the user's function raises.
    fn unpack(&self) -> Result<Tensor>;
}

/// Turns a value into what stands for it.
pub type Pack = Arc<dyn Fn(Tensor) -> Result<Arc<dyn Packed>> + Send + Sync>;

thread_local! {
    static PACKERS: RefCell<Vec<Pack>> = const { RefCell::new(Vec::new()) };
    static OVERWRITTEN: Cell<*const Storage> = const { Cell::new(ptr::null()) };
}

/// While it lives, this thread computes what it writes over a tensor afterwards: inputs in the tensor's memory are saved as
/// copies. It knows the memory by its address, since one owner more would keep recorded writes from views.
pub struct Overwriting(*const Storage);

impl Overwriting {
    /// Until dropped, `target` is the tensor that is written next.
    #[must_use]
    pub fn new(target: &Tensor) -> Self {
        Self(OVERWRITTEN.replace(ptr::from_ref(target.array().storage())))
    }
}

impl Drop for Overwriting {
    fn drop(&mut self) {
        OVERWRITTEN.set(self.0);
    }
}

/// From now on values that this thread saves are handed to `pack`; to none but the last such function.
pub fn push_packer(pack: Pack) {
    PACKERS.with_borrow_mut(|packers| packers.push(pack));
    mode::set_packing(true);
}

/// Takes the last function away.
pub fn pop_packer() {
    // Dropped after the borrow: it is the user's.
    let (last, more) = PACKERS.with_borrow_mut(|packers| (packers.pop(), !packers.is_empty()));
    mode::set_packing(more);
    drop(last);
}

fn pack(value: impl FnOnce() -> Tensor) -> Result<Option<Arc<dyn Packed>>> {
    if !Mode::get().packs() {
        return Ok(None);
    }
    let Some(pack) = PACKERS.with_borrow(|packers| packers.last().cloned()) else { return Ok(None) };
    // What the function computes is not part of the graph and is not packed.
    let _unrecorded = mode::Scope::new(false);
    pack(value()).map(Some)
}

/// A value that backward reads.
pub enum Saved<T> {
    /// As it is, at the version it had.
    Kept(T, u64),
    /// What stands for it, and its place in the graph.
    Packed(Arc<dyn Packed>, Tracking),
}

impl Saved<Tensor> {
    /// Saves an input, or a copy of one that is about to be overwritten; see [`Overwriting`].
    ///
    /// # Errors
    /// What the user's function raises; as [`Array::build`] where there is no memory for a copy.
    pub fn input(value: &Tensor) -> Result<Self> {
        let copy;
        let value = if ptr::from_ref(value.array().storage()) == OVERWRITTEN.get() {
            copy = Tensor::new(value.array().copy("clone")?, value.tracking().clone());
            &copy
        } else {
            value
        };
        Ok(match pack(|| value.detach())? {
            None => Self::Kept(value.apart(), value.array().storage().version()),
            Some(packed) => Self::Packed(packed, value.tracking().clone()),
        })
    }

    /// The value, with its place in the graph.
    ///
    /// # Errors
    /// [`Error::Gradient`] when it was overwritten since `op` used it; what the user's function raises.
    pub fn get(&self, op: &str) -> Result<Tensor> {
        match self {
            Self::Kept(value, version) => unchanged(op, "input", value.array(), *version).map(|()| value.clone()),
            Self::Packed(packed, tracking) => Ok(Tensor::new(packed.unpack()?.array().clone(), tracking.clone())),
        }
    }
}

impl Saved<Array> {
    /// Saves an output.
    ///
    /// # Errors
    /// What the user's function raises.
    pub fn output(value: &Array) -> Result<Self> {
        Ok(match pack(|| value.clone().into())? {
            None => Self::Kept(value.clone(), value.storage().version()),
            Some(packed) => Self::Packed(packed, Tracking::None),
        })
    }

    /// The value.
    ///
    /// # Errors
    /// As [`Saved::<Tensor>::get`].
    pub fn get(&self, op: &str) -> Result<Array> {
        match self {
            Self::Kept(value, version) => unchanged(op, "output", value, *version).map(|()| value.clone()),
            Self::Packed(packed, _) => Ok(packed.unpack()?.array().clone()),
        }
    }
}

fn unchanged(op: &str, what: &str, array: &Array, version: u64) -> Result<()> {
    let storage = array.storage();
    if storage.version() == version {
        return Ok(());
    }
    Err(Error::gradient(
        op,
        format_args!(
            "the {what} of shape {} that backward needs was overwritten in place by {} after it was used; \
             write to a clone(), or compute out of place",
            Show(array.shape()),
            storage.last_writer(),
        ),
    ))
}
