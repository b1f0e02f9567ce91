//! `memory_format=`: the order in which the dimensions of a new tensor lie in memory, as PyTorch names it. The shape stays
//! what it is; only strides differ.

use dlcore_core::layout::{Dims, Layout, Show};
use dlcore_core::{Error, Result, Tensor, ops};
use pyo3::prelude::*;
use std::cmp::Reverse;

/// The order in which the dimensions of a tensor lie in memory: ``dlcore.contiguous_format``, row after row;
/// ``channels_last`` and ``channels_last_3d``, the channels of a pixel side by side; ``preserve_format``, that of the
/// tensor that is copied.
///
/// >>> import dlcore
/// >>> x = dlcore.zeros(2, 3, 4, 5).to(memory_format=dlcore.channels_last)
/// >>> x.shape, x.stride()
/// ((2, 3, 4, 5), (60, 1, 15, 3))
#[pyclass(frozen, eq, hash, from_py_object, name = "memory_format", module = "dlcore")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryFormat {
    /// Row after row.
    #[pyo3(name = "contiguous_format")]
    Contiguous,
    /// As the tensor that is copied.
    #[pyo3(name = "preserve_format")]
    Preserve,
    /// Images with the channels of a pixel side by side.
    #[pyo3(name = "channels_last")]
    ChannelsLast,
    /// Volumes with the channels of a voxel side by side.
    #[pyo3(name = "channels_last_3d")]
    ChannelsLast3d,
}

#[pymethods]
impl MemoryFormat {
    fn __repr__(&self) -> String {
        format!("dlcore.{}", self.name())
    }

    /// What pickle writes: the name that it is known by.
    fn __reduce__(&self) -> &'static str {
        self.name()
    }
}

impl MemoryFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Contiguous => "contiguous_format",
            Self::Preserve => "preserve_format",
            Self::ChannelsLast => "channels_last",
            Self::ChannelsLast3d => "channels_last_3d",
        }
    }

    /// The dimensions of `like` from the outermost to the innermost that a tensor in this format has in memory.
    fn order(self, op: &str, like: &Layout) -> Result<Dims> {
        let dims: &[usize] = match self {
            Self::ChannelsLast => &[0, 2, 3, 1],
            Self::ChannelsLast3d => &[0, 2, 3, 4, 1],
            Self::Contiguous => return Ok((0..like.rank()).collect()),
            Self::Preserve => {
                let mut order: Dims = (0..like.rank()).collect();
                // What repeats lies nowhere in particular.
                if like.shape.iter().zip(&like.strides).all(|(&extent, &stride)| extent == 1 || stride != 0) {
                    order.sort_by_key(|&dim| Reverse(like.strides[dim].unsigned_abs()));
                }
                return Ok(order);
            }
        };
        if dims.len() == like.rank() {
            return Ok(Dims::from_slice(dims));
        }
        let what = format_args!("{} needs {} dimensions, got shape {}", self.name(), dims.len(), Show(&like.shape));
        Err(Error::shape(op, what))
    }
}

/// Whether what lies so lies without gaps, in `format` where one is named, otherwise row after row.
pub fn holds(format: Option<MemoryFormat>, layout: &Layout) -> bool {
    match format {
        None | Some(MemoryFormat::Contiguous | MemoryFormat::Preserve) => layout.is_contiguous(),
        Some(format) => format.order("", layout).is_ok_and(|order| layout.permute(&order).is_contiguous()),
    }
}

/// Whether a conversion to `format` has nothing to do for what lies so.
pub fn kept(format: Option<MemoryFormat>, layout: &Layout) -> bool {
    matches!(format, None | Some(MemoryFormat::Preserve)) || holds(format, layout)
}

/// What `write` makes of `x` in new memory, row after row, made in `format` instead, where one is named.
pub fn written(
    format: Option<MemoryFormat>,
    op: &str,
    x: &Tensor,
    write: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    match format {
        None => write(x),
        Some(format) => in_order(&format.order(op, x.array().layout())?, x, write),
    }
}

/// A tensor made row after row, brought into `format`, where one is named; `preserve_format` is that of `like`.
pub fn brought(format: Option<MemoryFormat>, op: &str, like: &Layout, made: Tensor) -> Result<Tensor> {
    match format {
        None => Ok(made),
        Some(format) => in_order(&format.order(op, like)?, &made, ops::contiguous),
    }
}

/// What `write` makes of `x`, with the dimensions in memory in `order`.
fn in_order(order: &Dims, x: &Tensor, write: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if order.is_sorted() {
        return write(x);
    }
    let mut back: Dims = (0..order.len()).collect();
    back.sort_by_key(|&dim| order[dim]);
    let dims = |dims: &Dims| -> Vec<isize> { dims.iter().map(|dim| dim.cast_signed()).collect() };
    ops::permute(&write(&ops::permute(x, &dims(order))?)?, &dims(&back))
}

/// Registers the class and its values.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<MemoryFormat>()?;
    let class = module.getattr("memory_format")?;
    for name in ["contiguous_format", "preserve_format", "channels_last", "channels_last_3d"] {
        module.add(name, class.getattr(name)?)?;
    }
    Ok(())
}
