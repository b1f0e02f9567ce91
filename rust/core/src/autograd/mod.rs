//! Automatic differentiation: tensors that remember how they were made, and the engine that walks back.
//!
//! The graph hangs off the tensors (there is no global tape), so threads are independent and dropping the loss drops
//! the graph. Nothing here knows a particular operation: [`op::Operation`] is what one must say of itself, and
//! [`op::apply`] is the one door through which every operation goes, forward or backward.

pub mod autocast;
pub mod engine;
mod guard;
pub mod hooks;
pub mod inplace;
pub mod mode;
pub mod node;
pub mod op;
pub mod saved;
pub mod tensor;
pub mod trace;
