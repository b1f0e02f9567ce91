//! Functions that arrange elements anew (rolled, turned, repeated, from diagonals and windows), put tensors side by side
//! or span grids, and their methods.

use crate::convert::{Arg, Ints, tensors};
use crate::enter::{enter, to_py};
use crate::function::{Returned, functions};
use crate::out::Outs;
use crate::tensor::PyTensor;
use dlcore_core::layout::{Show, normalize_dim};
use dlcore_core::{Array, Error, Result, Tensor, ops};
use ops::arrange;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The last dimensions, as defaults: a macro takes a name for one token, and no sign and number.
const LAST: isize = -1;
const BEFORE_LAST: isize = -2;

type Any<'py> = PyResult<Bound<'py, PyAny>>;

/// Pieces of `x` along `dim` that end at `ends`, and the rest.
fn cut(x: &Tensor, ends: &[isize], dim: usize) -> Result<Vec<Tensor>> {
    let extent = x.shape()[dim];
    let place =
        |at: isize| if at < 0 { at.saturating_add_unsigned(extent).max(0) } else { at }.unsigned_abs().min(extent);
    let mut start = 0;
    let bounds = ends.iter().map(|&end| place(end)).chain([extent]);
    bounds
        .map(|end| {
            let piece = ops::slice(x, dim, start.min(end), 1, end.saturating_sub(start));
            start = end;
            piece
        })
        .collect()
}

/// Pieces beyond the size of the dimension are empty; so many more of them are a mistake, and would fill the memory.
const MOST_EMPTY: usize = 1 << 20;

/// Where `sections` pieces that are as equal as can be end, or the ends that are given.
fn ends(op: &str, x: &Tensor, dim: usize, sections: &Ints, number: bool, equal: bool) -> Result<Vec<isize>> {
    let Some(&extent) = x.shape().get(dim) else {
        return Err(Error::shape(op, "a 0-d tensor has no dimension to divide"));
    };
    let (&[count], true) = (sections.0.as_slice(), number) else { return Ok(sections.0.to_vec()) };
    let count = usize::try_from(count).unwrap_or(0);
    if count == 0 || count > extent.saturating_add(MOST_EMPTY) || (equal && !extent.is_multiple_of(count)) {
        return Err(Error::value(op, format_args!("dimension {dim} of size {extent} in {count} sections")));
    }
    // The first pieces are larger by one where the division leaves a rest.
    let end = |i: usize| (extent / count * i + (extent % count).min(i)).cast_signed();
    Ok((1..count).map(end).collect())
}

functions! {
    /// The elements moved on by ``shifts`` along ``dims``; those that leave at the end come back at the start.
    ///
    /// >>> dlcore.roll(dlcore.tensor([1, 2, 3]), 1)
    /// tensor([3, 1, 2])
    roll(shifts: Ints, dims: Option<Ints> = None) => |x| {
        arrange::roll(x, &shifts.0, dims.as_ref().map_or(&[], |dims| dims.0.as_slice()))
    };
    /// The elements on the diagonal ``offset`` above the main one of ``dim1`` and ``dim2``, as a view.
    ///
    /// >>> dlcore.diagonal(dlcore.tensor([[1, 2], [3, 4]]))
    /// tensor([1, 4])
    diagonal(offset: isize = 0, dim1: isize = 0, dim2: isize = 1) => |x| arrange::diagonal(x, offset, dim1, dim2);
    /// Matrices with the elements along the last dimension on the diagonal ``offset`` above the main one, else zero.
    ///
    /// >>> dlcore.diag_embed(dlcore.tensor([1, 2]))
    /// tensor([[1, 0],
    ///         [0, 2]])
    diag_embed(offset: isize = 0, dim1: isize = BEFORE_LAST, dim2: isize = LAST)
        ["(input, offset=0, dim1=-2, dim2=-1, *, out=None)", "($self, offset=0, dim1=-2, dim2=-1)"]
        => |x| arrange::diag_embed(x, offset, dim1, dim2);
    /// The diagonal of a matrix, or the matrix with a vector on its diagonal.
    ///
    /// >>> dlcore.diag(dlcore.tensor([[1, 2], [3, 4]]), 1)
    /// tensor([2])
    diag(diagonal: isize = 0) => |x| arrange::diag(x, diagonal);
    /// The sum of a matrix's diagonal.
    ///
    /// >>> dlcore.trace(dlcore.tensor([[1, 2], [3, 4]]))
    /// tensor(5)
    trace() => arrange::trace;
    /// The plane of ``dims`` turned by ``k`` quarters, from the first towards the second.
    ///
    /// >>> dlcore.rot90(dlcore.tensor([[1, 2], [3, 4]]))
    /// tensor([[2, 4],
    ///         [1, 3]])
    rot90(k: i64 = 1, dims: Option<Ints> = None) => |x| {
        arrange::rot90(x, k, dims.as_ref().map_or(&[0, 1], |dims| dims.0.as_slice()))
    };
    /// The columns in reverse order.
    ///
    /// >>> dlcore.fliplr(dlcore.tensor([[1, 2], [3, 4]]))
    /// tensor([[2, 1],
    ///         [4, 3]])
    fliplr() => |x: &Tensor| if x.rank() < 2 { Err(Error::shape("fliplr", "expected at least 2 dimensions")) } else { ops::flip(x, &[1]) };
    /// The rows in reverse order.
    ///
    /// >>> dlcore.flipud(dlcore.tensor([[1, 2], [3, 4]]))
    /// tensor([[3, 4],
    ///         [1, 2]])
    flipud() => |x: &Tensor| if x.rank() < 1 { Err(Error::shape("flipud", "expected at least 1 dimension")) } else { ops::flip(x, &[0]) };
    /// The dimensions ``source`` moved to the places ``destination``, as a view.
    ///
    /// >>> dlcore.movedim(dlcore.zeros(2, 3, 4), 0, -1).shape
    /// (3, 4, 2)
    movedim(source: Ints, destination: Ints) => |x| arrange::movedim(x, &source.0, &destination.0);
    /// Another name of ``dlcore.movedim``.
    ///
    /// >>> dlcore.moveaxis(dlcore.zeros(2, 3, 4), 0, -1).shape
    /// (3, 4, 2)
    moveaxis(source: Ints, destination: Ints) => |x| arrange::movedim(x, &source.0, &destination.0);
    /// Another name of ``dlcore.transpose``.
    ///
    /// >>> dlcore.swapaxes(dlcore.zeros(2, 3), 0, 1).shape
    /// (3, 2)
    swapaxes(axis0: isize, axis1: isize) => |x| ops::transpose(x, axis0, axis1);
    /// Another name of ``dlcore.transpose``.
    ///
    /// >>> dlcore.swapdims(dlcore.zeros(2, 3), 0, 1).shape
    /// (3, 2)
    swapdims(dim0: isize, dim1: isize) => |x| ops::transpose(x, dim0, dim1);
    /// Dimension ``dim`` cut into dimensions of ``sizes``, one of which may be -1.
    ///
    /// >>> dlcore.unflatten(dlcore.zeros(2, 12), 1, (3, -1)).shape
    /// (2, 3, 4)
    unflatten(dim: isize, sizes: Ints) => |x| arrange::unflatten(x, dim, &sizes.0);
    /// The entry ``index`` along ``dim``, without that dimension, as a view.
    ///
    /// >>> dlcore.select(dlcore.tensor([[1, 2], [3, 4]]), 1, 0)
    /// tensor([1, 3])
    select(dim: isize, index: isize) => |x| arrange::select(x, dim, index);
    /// The elements in one dimension.
    ///
    /// >>> dlcore.ravel(dlcore.tensor([[1, 2], [3, 4]]))
    /// tensor([1, 2, 3, 4])
    ravel() => |x: &Tensor| ops::reshape(x, &[x.numel()]);
    /// Pieces along ``dim`` of the given sizes.
    ///
    /// >>> [piece.tolist() for piece in dlcore.split_with_sizes(dlcore.arange(5), [2, 3])]
    /// [[0, 1], [2, 3, 4]]
    split_with_sizes(split_sizes: Ints, dim: isize = 0) => |x: &Tensor| {
        let (at, sizes) = (normalize_dim("split_with_sizes", dim, x.rank())?, &split_sizes.0);
        let Some(&extent) = x.shape().get(at) else {
            return Err(Error::shape("split_with_sizes", "a 0-d tensor has no dimension to divide"));
        };
        let total = sizes.iter().try_fold(0_isize, |sum, &n| sum.checked_add(n));
        if sizes.iter().any(|&n| n < 0) || total != Some(extent.cast_signed()) {
            let what = format_args!("sizes {sizes:?} do not add up to dimension {at} of size {extent}");
            return Err(Error::value("split_with_sizes", what));
        }
        ops::cut::split("split_with_sizes", x, at, sizes.iter().map(|n| n.unsigned_abs()))
    };
}

/// The ints of the one argument among `indices_or_sections`, `sections` and `indices` that is given, and whether that is
/// one number: how many pieces there shall be.
fn parts(op: &str, given: [Option<&Bound<'_, PyAny>>; 3]) -> PyResult<(Ints, bool)> {
    let mut given = given.into_iter().flatten();
    let (Some(object), None) = (given.next(), given.next()) else {
        let what = format!("{op}() takes one of indices_or_sections, sections and indices");
        return Err(PyTypeError::new_err(what));
    };
    let number = match object.cast::<PyTensor>() {
        Ok(tensor) => tensor.get().get().rank() == 0,
        Err(_) => object.extract::<isize>().is_ok(),
    };
    match object.cast::<PyTensor>() {
        Ok(tensor) if !number => Ok((tensor.call_method0("tolist")?.extract()?, number)),
        _ => Ok((object.extract()?, number)),
    }
}

/// As ``split``, but into as many pieces as asked for, as equal as can be, or cut before the given entries.
///
/// >>> [piece.tolist() for piece in dlcore.tensor_split(dlcore.arange(5), 2)]
/// [[0, 1, 2], [3, 4]]
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, indices_or_sections = None, dim = 0, *, sections = None, indices = None))]
fn tensor_split<'py>(
    py: Python<'py>,
    input: Arg,
    indices_or_sections: Option<&Bound<'py, PyAny>>,
    dim: isize,
    sections: Option<&Bound<'py, PyAny>>,
    indices: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (x, (sections, number)) = (input.0, parts("tensor_split", [indices_or_sections, sections, indices])?);
    let pieces = enter(py, 0, || {
        let dim = normalize_dim("tensor_split", dim, x.rank())?;
        cut(&x, &ends("tensor_split", &x, dim, &sections, number, false)?, dim)
    })?;
    pieces.returned(py)
}

/// `tensor_split` along the dimension that a name stands for, where numbers must divide its size.
fn split_at<'py>(
    py: Python<'py>,
    op: &str,
    x: &Tensor,
    given: [Option<&Bound<'py, PyAny>>; 3],
    dim: usize,
    least: usize,
) -> Any<'py> {
    if x.rank() < least {
        let what = format_args!("expected at least {least} dimension(s), got shape {}", Show(x.shape()));
        return Err(to_py(Error::shape(op, what)));
    }
    let dim = dim.min(x.rank() - 1); // of a vector the columns are its only dimension
    let (sections, number) = parts(op, given)?;
    enter(py, 0, || cut(x, &ends(op, x, dim, &sections, number, true)?, dim))?.returned(py)
}

macro_rules! splits {
    ($($(#[$doc:meta])* $name:ident, $dim:literal, $least:literal;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, indices_or_sections = None, *, sections = None, indices = None))]
            fn $name<'py>(
                py: Python<'py>,
                input: Arg,
                indices_or_sections: Option<&Bound<'py, PyAny>>,
                sections: Option<&Bound<'py, PyAny>>,
                indices: Option<&Bound<'py, PyAny>>,
            ) -> Any<'py> {
                let given = [indices_or_sections, sections, indices];
                split_at(py, stringify!($name), &input.0, given, $dim, $least)
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = concat!("See ``dlcore.", stringify!($name), "``.")]
                #[pyo3(signature = (indices_or_sections = None, *, sections = None, indices = None))]
                fn $name<'py>(
                    &self,
                    py: Python<'py>,
                    indices_or_sections: Option<&Bound<'py, PyAny>>,
                    sections: Option<&Bound<'py, PyAny>>,
                    indices: Option<&Bound<'py, PyAny>>,
                ) -> Any<'py> {
                    $name(py, Arg(self.get()), indices_or_sections, sections, indices)
                }
            )*
        }

        fn register_splits(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

splits! {
    /// Pieces along the columns, or of a vector, as equal as can be: a number that divides them, or cut before the given
    /// entries.
    ///
    /// >>> [piece.tolist() for piece in dlcore.hsplit(dlcore.arange(4), 2)]
    /// [[0, 1], [2, 3]]
    hsplit, 1, 1;
    /// Pieces along the rows: a number that divides them, or cut before the given entries.
    ///
    /// >>> [piece.shape for piece in dlcore.vsplit(dlcore.zeros(4, 3), [1])]
    /// [(1, 3), (3, 3)]
    vsplit, 0, 2;
    /// Pieces along the third dimension: a number that divides it, or cut before the given entries.
    ///
    /// >>> [piece.shape for piece in dlcore.dsplit(dlcore.zeros(2, 3, 4), 2)]
    /// [(2, 3, 2), (2, 3, 2)]
    dsplit, 2, 3;
}

/// Copies laid side by side: ``dims`` times along each dimension, the last ones where there are fewer counts.
///
/// >>> dlcore.tile(dlcore.tensor([1, 2]), (2,))
/// tensor([1, 2, 1, 2])
#[pyfunction(crate = "crate::exchange::keywords")]
fn tile(py: Python<'_>, input: Arg, dims: Ints) -> Any<'_> {
    let counts = dims.sizes("tile")?;
    enter(py, usize::MAX, || arrange::tile(&input.0, &counts))?.returned(py)
}

/// Each entry along ``dim`` (of all elements in one row where it is missing) ``repeats`` times: a number for all, or a
/// tensor of one for each.
///
/// >>> dlcore.repeat_interleave(dlcore.tensor([1, 2]), dlcore.tensor([2, 1]))
/// tensor([1, 1, 2])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, repeats = None, dim = None, *, output_size = None))]
fn repeat_interleave<'py>(
    py: Python<'py>,
    input: Arg,
    repeats: Option<&Bound<'py, PyAny>>,
    dim: Option<isize>,
    output_size: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let _ = output_size; // a promise that saves a look at the repeats elsewhere
    let Some(repeats) = repeats else {
        return enter(py, usize::MAX, || arrange::repeated_positions(&input.0))?.returned(py);
    };
    let counts = match repeats.extract::<i64>() {
        Ok(count) => Array::from_slice("repeat_interleave", &[count], &[1]).map_err(to_py)?.into(),
        Err(_) => repeats.extract::<Arg>()?.0,
    };
    enter(py, usize::MAX, || arrange::repeat_interleave(&input.0, &counts, dim))?.returned(py)
}

macro_rules! of_tensors {
    ($($(#[$doc:meta])* $name:ident => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (tensors, *, out = None))]
            fn $name<'py>(
                py: Python<'py>, tensors: &Bound<'py, PyAny>, out: Outs<'py>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let list = self::tensors(tensors)?;
                enter(py, usize::MAX, || $op(&list))?.returned_in(py, stringify!($name), out)
            }
        )*

        fn register_of_tensors(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

of_tensors! {
    /// Tensors side by side: vectors joined, others along their second dimension.
    ///
    /// >>> dlcore.hstack([dlcore.tensor([1, 2]), dlcore.tensor([3])])
    /// tensor([1, 2, 3])
    hstack => arrange::hstack;
    /// Tensors below each other, vectors as rows.
    ///
    /// >>> dlcore.vstack([dlcore.tensor([1, 2]), dlcore.tensor([3, 4])])
    /// tensor([[1, 2],
    ///         [3, 4]])
    vstack => arrange::vstack;
    /// Another name of ``dlcore.vstack``.
    ///
    /// >>> dlcore.row_stack([dlcore.tensor([1, 2]), dlcore.tensor([3, 4])]).shape
    /// (2, 2)
    row_stack => arrange::vstack;
    /// Tensors behind each other, along the third dimension.
    ///
    /// >>> dlcore.dstack([dlcore.tensor([1, 2]), dlcore.tensor([3, 4])]).shape
    /// (1, 2, 2)
    dstack => arrange::dstack;
    /// Tensors side by side, vectors as columns.
    ///
    /// >>> dlcore.column_stack([dlcore.tensor([1, 2]), dlcore.tensor([3, 4])])
    /// tensor([[1, 3],
    ///         [2, 4]])
    column_stack => arrange::column_stack;
}

/// The tensors of `*tensors`, or of the one list in it.
fn separate(args: &Bound<'_, PyTuple>) -> PyResult<Vec<Tensor>> {
    match args.get_item(0) {
        Ok(first) if args.len() == 1 && !first.is_instance_of::<PyTensor>() => tensors(&first),
        _ => tensors(args.as_any()),
    }
}

macro_rules! of_separate_tensors {
    ($($(#[$doc:meta])* $name:ident => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (*tensors))]
            fn $name<'py>(py: Python<'py>, tensors: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
                let list = separate(tensors)?;
                enter(py, usize::MAX, || $op(&list))?.returned(py)
            }
        )*

        fn register_of_separate_tensors(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

of_separate_tensors! {
    /// The tensors broadcast to their common shape, without a copy.
    ///
    /// >>> [x.shape for x in dlcore.broadcast_tensors(dlcore.zeros(3, 1), dlcore.zeros(2))]
    /// [(3, 2), (3, 2)]
    broadcast_tensors => arrange::broadcast_tensors;
    /// Every choice of one element from each vector, one row each.
    ///
    /// >>> dlcore.cartesian_prod(dlcore.tensor([1, 2]), dlcore.tensor([3]))
    /// tensor([[1, 3],
    ///         [2, 3]])
    cartesian_prod => arrange::cartesian_prod;
    /// Matrices along a diagonal, zeros elsewhere.
    ///
    /// >>> dlcore.block_diag(dlcore.tensor([[1]]), dlcore.tensor([[2, 3]]))
    /// tensor([[1, 0, 0],
    ///         [0, 2, 3]])
    block_diag => arrange::block_diag;
}

/// The coordinates of a grid that vectors span. With ``indexing="ij"`` the first varies along the first dimension, with
/// ``"xy"`` along the second.
///
/// >>> rows, columns = dlcore.meshgrid(dlcore.arange(2), dlcore.arange(3), indexing="ij")
/// >>> columns
/// tensor([[0, 1, 2],
///         [0, 1, 2]])
#[pyfunction]
#[pyo3(signature = (*tensors, indexing = "ij"))]
fn meshgrid<'py>(py: Python<'py>, tensors: &Bound<'py, PyTuple>, indexing: &str) -> PyResult<Bound<'py, PyAny>> {
    let list = separate(tensors)?;
    let columns_first = match indexing {
        "ij" => false,
        "xy" => true,
        other => {
            let what = format_args!("indexing is \"ij\" or \"xy\", got {other:?}");
            return Err(to_py(Error::value("meshgrid", what)));
        }
    };
    enter(py, 0, || arrange::meshgrid(&list, columns_first))?.returned(py)
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// Windows of ``size`` elements, ``step`` apart, along ``dimension``, their elements in a new last one, as a view.
    ///
    /// >>> import dlcore
    /// >>> dlcore.arange(5).unfold(0, 3, 2)
    /// tensor([[0, 1, 2],
    ///         [2, 3, 4]])
    fn unfold<'py>(&self, py: Python<'py>, dimension: isize, size: usize, step: usize) -> PyResult<Bound<'py, PyAny>> {
        let x = self.get();
        enter(py, 0, || arrange::unfold(&x, dimension, size, step))?.returned(py)
    }

    /// See ``dlcore.tile``; the counts may stand as separate arguments.
    #[pyo3(signature = (*args, dims = None), text_signature = "($self, *dims)")]
    fn tile<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        dims: Option<Ints>,
    ) -> PyResult<Bound<'py, PyAny>> {
        tile(py, Arg(self.get()), Ints::given("tile", "dims", args, dims)?)
    }

    /// See ``dlcore.tensor_split``.
    #[pyo3(signature = (indices_or_sections = None, dim = 0, *, sections = None, indices = None))]
    fn tensor_split<'py>(
        &self,
        py: Python<'py>,
        indices_or_sections: Option<&Bound<'py, PyAny>>,
        dim: isize,
        sections: Option<&Bound<'py, PyAny>>,
        indices: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        tensor_split(py, Arg(self.get()), indices_or_sections, dim, sections, indices)
    }

    /// See ``dlcore.repeat_interleave``.
    #[pyo3(signature = (repeats, dim = None, *, output_size = None))]
    fn repeat_interleave<'py>(
        &self,
        py: Python<'py>,
        repeats: &Bound<'py, PyAny>,
        dim: Option<isize>,
        output_size: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        repeat_interleave(py, Arg(self.get()), Some(repeats), dim, output_size)
    }

    /// The same memory under the shape of ``other``.
    ///
    /// >>> import dlcore
    /// >>> dlcore.arange(4).view_as(dlcore.zeros(2, 2))
    /// tensor([[0, 1],
    ///         [2, 3]])
    fn view_as<'py>(slf: &Bound<'py, Self>, other: Arg) -> PyResult<Bound<'py, PyAny>> {
        slf.call_method1("view", (PyTuple::new(slf.py(), other.0.shape())?,))
    }

    /// The elements under the shape of ``other``.
    ///
    /// >>> import dlcore
    /// >>> dlcore.arange(4).reshape_as(dlcore.zeros(2, 2))
    /// tensor([[0, 1],
    ///         [2, 3]])
    fn reshape_as<'py>(&self, py: Python<'py>, other: Arg) -> PyResult<Bound<'py, PyAny>> {
        let x = self.get();
        enter(py, x.numel(), || ops::reshape(&x, other.0.shape()))?.returned(py)
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    register_of_tensors(module)?;
    register_of_separate_tensors(module)?;
    register_splits(module)?;
    module.add_function(wrap_pyfunction!(tensor_split, module)?)?;
    module.add_function(wrap_pyfunction!(tile, module)?)?;
    module.add_function(wrap_pyfunction!(repeat_interleave, module)?)?;
    module.add_function(wrap_pyfunction!(meshgrid, module)?)
}
