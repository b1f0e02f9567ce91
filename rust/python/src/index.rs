//! `x[...]`, read and written: ints, slices, None, Ellipsis, masks and index tensors, as numpy and torch read them.

use crate::convert::Operand;
use crate::enter::{enter, guarded, to_py};
use crate::tensor::PyTensor;
use dlcore_core::autograd::inplace::{Placing, is_recorded};
use dlcore_core::layout::{Dims, Show};
use dlcore_core::{DType, Error, Result, Tensor, ops};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::slice::PySliceMethods;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PyRange, PySlice, PyTuple};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// One entry of an index.
enum Item<'py> {
    Int(isize),
    Slice(Bound<'py, PySlice>),
    NewAxis,
    Ellipsis,
    Tensor(Tensor),
}

fn parse<'py>(key: &Bound<'py, PyAny>) -> PyResult<SmallVec<[Item<'py>; 2]>> {
    let mut items = SmallVec::new();
    match key.cast::<PyTuple>() {
        Ok(keys) => {
            for item in keys.iter() {
                items.push(parse_item(&item)?);
            }
        }
        Err(_) => items.push(parse_item(key)?),
    }
    Ok(items)
}

fn parse_item<'py>(item: &Bound<'py, PyAny>) -> PyResult<Item<'py>> {
    if item.is_none() {
        return Ok(Item::NewAxis);
    }
    if item.is_instance_of::<PyEllipsis>() {
        return Ok(Item::Ellipsis);
    }
    if let Ok(at) = item.cast_exact::<PyInt>() {
        return int(at);
    }
    if let Ok(slice) = item.cast::<PySlice>() {
        return Ok(Item::Slice(slice.clone()));
    }
    if let Ok(tensor) = item.cast::<PyTensor>() {
        let tensor = tensor.get().get();
        return match tensor.dtype() {
            // One number selects, as an int does: the result is a view.
            dtype if tensor.rank() == 0 && !dtype.is_float() && dtype != DType::Bool => {
                parse_item(&crate::tensor::number(item.py(), tensor.array().item().map_err(to_py)?)?)
            }
            DType::I64 | DType::Bool => Ok(Item::Tensor(tensor)),
            float if float.is_float() => Err(PyIndexError::new_err(format!(
                "index: tensors used as indices are integers or bool, got {}",
                tensor.dtype()
            ))),
            // uint8 indexes as numbers: that it once meant a mask in torch is deprecated there.
            _ => Ok(Item::Tensor(ops::cast(&tensor, DType::I64).map_err(to_py)?)),
        };
    }
    if item.is_instance_of::<PyBool>() {
        return Ok(Item::Tensor(crate::creation::from_data(item, None)?));
    }
    if item.is_instance_of::<PyInt>() {
        return int(item);
    }
    let is_sequence =
        item.is_instance_of::<PyList>() || item.is_instance_of::<PyTuple>() || item.is_instance_of::<PyRange>();
    if is_sequence || item.hasattr("__array__")? {
        let tensor = crate::creation::from_data(item, None)?;
        let tensor = if tensor.numel() == 0 { ops::cast(&tensor, DType::I64).map_err(to_py)? } else { tensor };
        return parse_item(Bound::new(item.py(), PyTensor::from(tensor))?.as_any());
    }
    if let Ok(index) = item.call_method0("__index__") {
        return Ok(Item::Int(index.extract()?));
    }
    Err(PyIndexError::new_err(format!(
        "index: an index is an int, a slice, None, ..., or a tensor of ints or bools, not {}",
        item.get_type().name()?
    )))
}

fn int<'py>(at: &Bound<'py, PyAny>) -> PyResult<Item<'py>> {
    // No dimension is so large that an int beyond the machine's would be inside.
    at.extract().map(Item::Int).map_err(|_| PyIndexError::new_err(format!("index: {at} is out of range")))
}

/// The view that the basic entries select, and the index tensors by the dimension of that view (one entry each).
fn resolve(x: &Tensor, items: &[Item<'_>]) -> PyResult<(Tensor, Vec<Option<Tensor>>)> {
    let consumed = |item: &Item<'_>| match item {
        Item::NewAxis | Item::Ellipsis => 0,
        Item::Tensor(t) if t.dtype() == DType::Bool => t.rank(),
        Item::Int(_) | Item::Slice(_) | Item::Tensor(_) => 1,
    };
    let used: usize = items.iter().map(consumed).sum();
    if items.iter().filter(|item| matches!(item, Item::Ellipsis)).count() > 1 {
        return Err(to_py(Error::index("index", "an index has at most one ellipsis ('...')")));
    }
    if used > x.rank() {
        let what = format_args!("{used} indices for a tensor of {} dimensions, shape {}", x.rank(), Show(x.shape()));
        return Err(to_py(Error::index("index", what)));
    }
    let rest = x.rank() - used;
    // Nothing, as long as that is all of `x`.
    let mut view: Option<Tensor> = None;
    let mut advanced: Vec<Option<Tensor>> = Vec::new();
    let mut dim = 0;
    let is_basic = !items.iter().any(|item| matches!(item, Item::Tensor(_)));
    let skip = |dim: &mut usize, advanced: &mut Vec<Option<Tensor>>, n: usize| {
        *dim += n;
        if !is_basic {
            advanced.extend(std::iter::repeat_n(None, n));
        }
    };
    // The dimension of `x` that the next entry is for; `dim` is where it lies in the view.
    let mut own = 0;
    for item in items {
        let seen = view.as_ref().unwrap_or(x);
        match item {
            Item::Int(at) => {
                let extent = seen.shape()[dim];
                let from_end = if *at < 0 { at.checked_add_unsigned(extent) } else { Some(*at) };
                let start =
                    from_end.and_then(|at| usize::try_from(at).ok()).filter(|&at| at < extent).ok_or_else(|| {
                        let what = format_args!("index {at} is out of range for dimension {own} of size {extent}");
                        to_py(Error::index("index", what))
                    })?;
                view = Some(guarded(|| ops::shape::entry(seen, dim, start))?);
            }
            Item::Slice(slice) => {
                let extent = seen.shape()[dim];
                let (start, step, count) = span(slice, extent)?;
                if (start, step, count) != (0, 1, extent) {
                    view = Some(guarded(|| ops::slice(seen, dim, start, step, count))?);
                }
                skip(&mut dim, &mut advanced, 1);
            }
            Item::NewAxis => {
                let mut shape = Dims::from_slice(seen.shape());
                shape.insert(dim, 1);
                view = Some(guarded(|| ops::reshape(seen, &shape))?);
                skip(&mut dim, &mut advanced, 1);
            }
            Item::Ellipsis => {
                skip(&mut dim, &mut advanced, rest);
                own += rest;
            }
            Item::Tensor(index) => {
                // A mask stands for as many dimensions as it has; a 0-d one for a new dimension of 0 or 1 entries.
                let places = consumed(item).max(1);
                advanced.push(Some(if consumed(item) == 0 {
                    let mut shape = Dims::from_slice(seen.shape());
                    shape.insert(dim, 1);
                    view = Some(guarded(|| ops::reshape(seen, &shape))?);
                    guarded(|| ops::reshape(index, &[1]))?
                } else {
                    index.clone()
                }));
                dim += places;
            }
        }
        own += consumed(item);
    }
    // `x[:]` is a view too, though nothing is left out.
    let all = || guarded(|| ops::reshape(x, x.shape()));
    Ok((view.map_or_else(all, Ok)?, advanced))
}

/// First element, step and count of a slice of `extent` elements, as Python reads it.
fn span(slice: &Bound<'_, PySlice>, extent: usize) -> PyResult<(usize, isize, usize)> {
    let found = slice.indices(extent.cast_signed()).map_err(|error| {
        let is_zero = error.is_instance_of::<PyValueError>(slice.py());
        if is_zero { to_py(Error::value("index", "a slice's step must not be zero")) } else { error }
    })?;
    // Of nothing, the first may be beyond either end.
    let start = if found.slicelength == 0 { 0 } else { found.start };
    Ok((start.unsigned_abs(), found.step, found.slicelength))
}

/// What one int or one slice selects of a tensor of which nothing is remembered: what most keys are, at half the time
/// that any key takes. Nothing where there is more to it, or to say.
fn quick(x: &PyTensor, key: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    if let Ok(slice) = key.cast_exact::<PySlice>() {
        // The slice may run code of its own to tell its bounds.
        let Some(extent) = x.glance(|x| x.shape().first().copied()) else { return Ok(None) };
        let Ok((start, step, count)) = span(slice, extent) else { return Ok(None) };
        let view = |x: &Tensor| (x.shape().first() == Some(&extent)).then(|| ops::slice(x, 0, start, step, count));
        guarded(|| x.glance_if_plain(view).transpose())
    } else if let Ok(at) = key.cast_exact::<PyInt>() {
        let Ok(at) = at.extract::<isize>() else { return Ok(None) };
        let entry = |x: &Tensor| {
            let extent = *x.shape().first()?;
            let at = if at < 0 { at.checked_add_unsigned(extent)? } else { at };
            usize::try_from(at).ok().filter(|&at| at < extent).map(|at| ops::shape::entry(x, 0, at))
        };
        guarded(|| x.glance_if_plain(entry).transpose())
    } else {
        Ok(None)
    }
}

#[pymethods]
impl PyTensor {
    fn __getitem__(slf: &Bound<'_, Self>, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(view) = quick(slf.get(), key)? {
            return Ok(view.into());
        }
        let x = slf.get().get();
        let items = parse(key)?;
        let (view, advanced) = resolve(&x, &items)?;
        if !advanced.is_empty() {
            return enter(py, x.numel(), || ops::index(&view, &advanced)).map(Self::from);
        }
        Ok(view.into())
    }

    fn __setitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        const OP: &str = "__setitem__";
        let py = slf.py();
        let x = slf.get().get();
        let items = parse(key)?;
        let value = match value.extract::<Operand>() {
            Ok(value) => value.in_dtype(&x)?,
            Err(_) => crate::creation::from_data(value, None)?,
        };
        let value = ops::cast(&value, x.dtype()).map_err(to_py)?;
        if is_recorded(&x, &value) {
            let (view, advanced) = resolve(&x, &items)?;
            if !advanced.is_empty() {
                let value = squeezed(&value, selected_rank(&view, &advanced)).map_err(to_py)?;
                let put = || enter(py, view.numel(), || ops::index_put(&view, &advanced, &value, false));
                return Self::from(view.clone()).overwrite(OP, put);
            }
            // `x[0] += 1` has written into the view that it now puts back.
            let same = view.array().layout() == value.array().layout();
            if same && value.array().shares_storage(x.array()) {
                return Ok(());
            }
            return Self::from(view.clone()).write(OP, &squeezed(&value, view.rank()).map_err(to_py)?);
        }
        let (view, advanced) = resolve(&x.detach(), &items)?;
        guarded(|| {
            if advanced.is_empty() {
                return view.array().write(OP, squeezed(&value, view.rank())?.array());
            }
            let value = squeezed(&value, selected_rank(&view, &advanced))?;
            let _placing = Placing::new(&view);
            let result = ops::index_put(&view, &advanced, &value, false)?;
            view.array().write(OP, result.array())
        })
    }

    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Rows> {
        if slf.get().glance(Tensor::rank) == 0 {
            return Err(PyTypeError::new_err("a 0-d tensor has nothing to iterate over"));
        }
        Ok(Rows { of: slf.unbind(), next: AtomicUsize::new(0) })
    }

    fn __contains__(&self, py: Python<'_>, value: Operand) -> PyResult<bool> {
        let x = self.get();
        let value = value.against(&x)?;
        enter(py, x.numel(), || ops::reduce::any(ops::eq(&x, &value)?.array()))
    }
}

/// The entries along the first dimension, one after another.
#[pyclass(frozen, name = "Rows", module = "dlcore._core")]
struct Rows {
    // The handle: what is written to the tensor meanwhile is in the entries to come.
    of: Py<PyTensor>,
    next: AtomicUsize,
}

#[pymethods]
impl Rows {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self) -> PyResult<Option<PyTensor>> {
        let (at, tensor) = (self.next.fetch_add(1, Relaxed), self.of.get().get());
        let count = tensor.shape().first().copied().unwrap_or(0);
        if at >= count {
            self.next.store(count, Relaxed);
            return Ok(None);
        }
        guarded(|| ops::shape::entry(&tensor, 0, at)).map(|row| Some(row.into()))
    }
}

/// How many dimensions the entries have that `advanced` selects from `view`.
fn selected_rank(view: &Tensor, advanced: &[Option<Tensor>]) -> usize {
    let indices = || advanced.iter().flatten();
    let is_mask = |index: &Tensor| index.dtype() == DType::Bool;
    let used: usize = indices().map(|index| if is_mask(index) { index.rank() } else { 1 }).sum();
    let broadcast = indices().map(|index| if is_mask(index) { 1 } else { index.rank() }).max();
    view.rank() - used + broadcast.unwrap_or(0)
}

/// `value` without leading dimensions of extent 1 beyond `rank`, which assignment ignores.
fn squeezed(value: &Tensor, rank: usize) -> Result<Tensor> {
    let extra = value.rank().saturating_sub(rank);
    if value.shape()[..extra].iter().all(|&n| n == 1) {
        ops::reshape(value, &value.shape()[extra..])
    } else {
        Ok(value.clone())
    }
}
