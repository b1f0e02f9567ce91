//! Tensors, automatic differentiation and the operations, on top of the kernels and below Python.
//!
//! Floors, lowest first: [`dtype`], [`layout`], [`storage`] and [`mod@array`] know no gradient; [`autograd`] knows no
//! particular operation; [`ops`] is the one list of operations, forward and backward side by side. No module here
//! contains `unsafe`, and nothing here knows Python.

#![forbid(unsafe_code)]

pub mod array;
pub mod autograd;
pub mod creation;
pub mod dtype;
pub mod error;
pub mod interrupt;
pub mod layout;
pub mod ops;
pub mod optim;
pub mod random;
pub mod storage;

pub use array::Array;
pub use autograd::tensor::Tensor;
pub use dtype::{DType, Scalar};
pub use error::{Error, Result};
pub use layout::{Dims, Layout};
