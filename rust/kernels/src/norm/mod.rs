//! Normalisation: layer norm over rows, batch norm over channels.
//!
//! Statistics are those of the biased variance; sums run in float32 within a block and in float64 across blocks.

pub mod batch;
pub mod layer;
pub mod rms;
