//! Elementwise maps over strided operands, broadcast by zero strides, into one contiguous row-major output.
//!
//! An operation is a variant of an enum. The function of that enum's name chooses once, outside all loops, and runs
//! loops made for that operation, element type and ISA. Operands have the output's shape.

mod engine;
mod operations;
mod over;
mod source;

pub use operations::*;
pub use over::{Arithmetic, Replaced, over};
