//! `dlcore._core`: the core as Python sees it. No maths here: each function parses its arguments, passes one door
//! ([`enter`]) and names one operation of the core.
//!
//! Table of contents: [`convert`] arguments, [`out`] results, [`enter`] the door, [`tensor`] the class, [`gradients`] its
//! part in differentiation, [`graph`] what was recorded, [`custom`] functions of the user's, [`functional`] arithmetic and
//! elementwise functions, [`elementary`] more of them, [`special`] those of `dlcore.special` alone, [`in_place`] their forms that write, [`reductions`], [`ordering`],
//! [`shaping`], [`arranging`], [`placing`], [`blending`], [`statistics`], [`samples`], [`searching`], [`sets`], [`products`],
//! [`linalg`], [`aliases`], [`function`] how these are bound, [`layers`] what networks are made of, [`activations`],
//! [`losses`], [`images`], [`windows`] what slides over them, [`recurrent`] networks through time, [`creation`] new
//! tensors, [`alike`] some like others, [`random`] drawn ones by [`generator`]s, [`index`] `x[...]`, [`display`] `repr`,
//! [`dtypes`] facts about dtypes, [`memory_format`] orders in memory, [`device`] the one device, [`exchange`] memory shared with other libraries, [`optim`] optimizer steps,
//! [`autocast`] the dtype of products, [`standard`] what the array API standard asks for,
//! [`registry`] the list of operations for tests, [`system`] threads, memory, instruction set.

#![allow(
    clippy::doc_link_with_quotes,
    clippy::doc_markdown,
    clippy::elidable_lifetime_names,
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    clippy::trivially_copy_pass_by_ref,
    reason = "Python shows: docstrings in its markup, `'py` by name, arguments extracted into values, its long lists of \
              keywords, methods that take `&self` of the smallest class"
)]

mod activations;
mod aliases;
mod alike;
mod arranging;
mod autocast;
mod blending;
mod convert;
mod creation;
mod custom;
mod device;
mod display;
mod dtypes;
mod elementary;
mod enter;
mod exchange;
mod function;
mod functional;
mod generator;
mod gradients;
mod graph;
mod images;
mod in_place;
mod index;
mod layers;
mod linalg;
mod losses;
mod memory_format;
mod optim;
mod ordering;
mod out;
mod placing;
mod products;
mod random;
mod recurrent;
mod reductions;
mod registry;
mod samples;
mod searching;
mod sets;
mod shaping;
mod special;
mod standard;
mod statistics;
mod system;
mod tensor;
mod ufunc;
mod windows;

use pyo3::prelude::*;

/// dlcore's engine; use it through `dlcore`.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    dlcore_kernels::prepare();
    let _ = dlcore_core::random::default_generator();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    enter::register(module)?;
    convert::register(module)?;
    device::register(module)?;
    dtypes::register(module)?;
    memory_format::register(module)?;
    tensor::register(module)?;
    gradients::register(module)?;
    graph::register(module)?;
    custom::register(module)?;
    functional::register(module)?;
    elementary::register(module)?;
    reductions::register(module)?;
    ordering::register(module)?;
    shaping::register(module)?;
    arranging::register(module)?;
    aliases::register(module)?;
    alike::register(module)?;
    placing::register(module)?;
    samples::register(module)?;
    searching::register(module)?;
    images::register(module)?;
    sets::register(module)?;
    blending::register(module)?;
    special::register(module)?;
    standard::register(module)?;
    statistics::register(module)?;
    products::register(module)?;
    linalg::register(module)?;
    layers::register(module)?;
    windows::register(module)?;
    recurrent::register(module)?;
    activations::register(module)?;
    losses::register(module)?;
    creation::register(module)?;
    autocast::register(module)?;
    random::register(module)?;
    optim::register(module)?;
    exchange::register(module)?;
    display::register(module)?;
    registry::register(module)?;
    system::register(module)
}
