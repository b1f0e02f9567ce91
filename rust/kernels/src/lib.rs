//! Numeric kernels: slices and strides in, slices out.
//!
//! Nothing here knows a tensor, a gradient or Python. Every kernel splits its work by shape alone, never by the
//! number of threads, and combines partial results in a fixed order: one thread and many give the same bits.
//!
//! Foundations: [`isa`] (which instructions this CPU has, and compiling one body for each), [`parallel`] (the only
//! door to threads), [`memory`] (where every buffer comes from), [`layout`] (shape and strides as kernels see them).
//! Everything else is one family of operations a module.

#![allow(
    clippy::inline_always,
    reason = "a kernel body must be inlined into the function that has the target features"
)]

mod abreast;
pub mod attention;
mod cgroup;
pub mod conv;
pub mod copy;
pub mod counts;
pub mod cross;
pub mod cross_entropy;
pub mod ctc;
pub mod decompose;
pub mod distances;
mod division;
pub mod element;
pub mod gather;
pub mod gemm;
pub mod grid;
pub mod half;
pub mod inplace;
pub mod isa;
mod lanes;
pub mod layout;
pub mod map;
pub mod math;
pub mod memory;
pub mod norm;
pub mod optim;
pub mod parallel;
pub mod pool;
pub mod random;
pub mod recurrent;
pub mod reduce;
pub mod resample;
pub mod roofline;
pub mod scan;
pub mod search;
pub mod slices;
pub mod softmax;
pub mod sort;
pub mod stored;
mod stream;

/// Finds out what is found out once: instruction set, threads, memory. A child that is forked while another thread is at
/// it would wait for ever, so whoever loads the library does it first.
pub fn prepare() {
    let _ = isa::isa();
    let _ = parallel::num_threads();
    memory::prepare();
}
