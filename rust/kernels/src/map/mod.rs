//! Elementwise maps over strided operands, broadcast by zero strides, into one contiguous row-major output.
//!
//! An operation is a variant of an enum. The function of that enum's name chooses once, outside all loops, and runs
//! loops made for that operation, element type and ISA. Operands have the output's shape.

mod activations;
mod bits;
mod engine;
mod operations;
mod over;
mod parts;
mod source;
mod triples;

pub use activations::{Activation, Parameters, activation, activation_grad};
pub use bits::{Bits, Bitwise, bitwise, next_after};
pub use operations::*;
pub use over::{Arithmetic, Replaced, over, truth_over};
pub use parts::frexp;
pub use triples::{add_product, add_ratio, clamp_between, huber_grad, lerp, select};
