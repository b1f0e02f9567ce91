//! The operations, one family a file, and the one list of them.
//!
//! To add one: a struct in its family's file with forward, backward and samples side by side, and its name in
//! `registry!` below. Bindings, Python names and test references follow from there; a test names what is missing.

pub mod arithmetic;
pub mod cast;
pub mod sample;
pub mod shape;

pub use arithmetic::{accumulate_into, add, div, mul, neg, sub};
pub use cast::cast;
pub use shape::{broadcast_to, reshape, sum_to};

use sample::{Entry, differentiable, discrete};

macro_rules! registry {
    (differentiable: $($smooth:path),* ; discrete: $($jumpy:path),* $(;)?) => {
        /// Every operation, in the order of this file.
        #[must_use]
        pub fn registry() -> Vec<Entry> {
            vec![$(differentiable::<$smooth>(),)* $(discrete::<$jumpy>(),)*]
        }
    };
}

registry! {
    differentiable:
        arithmetic::Add, arithmetic::Sub, arithmetic::Mul, arithmetic::Div, arithmetic::Neg, arithmetic::Pow,
        arithmetic::Maximum, arithmetic::Minimum, arithmetic::Remainder,
        cast::Cast,
        shape::Reshape, shape::Permute, shape::Expand, shape::Slice, shape::SliceScatter;
    discrete:
        arithmetic::FloorDivide;
}
