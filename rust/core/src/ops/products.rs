//! Products of vectors, matrices and more dimensions, all but the vector product lowered to [`matmul`]: so gradients follow
//! by themselves.

use crate::array::Array;
use crate::autograd::autocast::{self, Autocast};
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Promotion, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, broadcast_shapes, distinct_dims, normalize_dim};
use crate::ops::arithmetic::{mul, scale};
use crate::ops::arrange::diagonal;
use crate::ops::blend::addcmul;
use crate::ops::matrices::vecdot;
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::shape::{broadcast_to, permute, reshape};
use crate::ops::{add, cast, matmul, sum};
use crate::with_element;
use dlcore_kernels::cross as kernel;
use smallvec::{SmallVec, smallvec};

pub use crate::ops::addmm::addmm;

/// Names of an operand's dimensions; equal names are the same index.
type Labels = SmallVec<[u32; 6]>;

pub(super) fn check_rank(op: &str, what: &str, x: &Tensor, rank: usize) -> Result<()> {
    if x.rank() == rank {
        return Ok(());
    }
    Err(Error::shape(op, format_args!("{what} must have {rank} dimensions, got shape {}", Show(x.shape()))))
}

/// The product of two matrices.
///
/// # Errors
/// [`Error::Shape`] for anything but matrices whose inner extents agree.
pub fn mm(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check_rank("mm", "input", a, 2)?;
    check_rank("mm", "mat2", b, 2)?;
    matmul(a, b)
}

/// The products of two batches of matrices.
///
/// # Errors
/// [`Error::Shape`] for anything but as many matrices whose inner extents agree.
pub fn bmm(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check_rank("bmm", "input", a, 3)?;
    check_rank("bmm", "mat2", b, 3)?;
    if a.shape()[0] != b.shape()[0] {
        let (a, b) = (Show(a.shape()), Show(b.shape()));
        return Err(Error::shape("bmm", format_args!("shapes {a} and {b}: the numbers of matrices differ")));
    }
    matmul(a, b)
}

/// The product of a matrix and a vector.
///
/// # Errors
/// [`Error::Shape`] for anything else.
pub fn mv(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check_rank("mv", "input", a, 2)?;
    check_rank("mv", "vec", b, 1)?;
    Autocast::Keep.around([a, b], |[a, b]| matmul(a, b))
}

/// The inner product of two vectors.
///
/// # Errors
/// [`Error::Shape`] for anything but vectors of one length, [`Error::DType`] for two dtypes.
pub fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check_rank("dot", "input", a, 1)?;
    check_rank("dot", "other", b, 1)?;
    if a.dtype() != b.dtype() {
        return Err(Error::dtype("dot", format_args!("{} times {}; convert one of them", a.dtype(), b.dtype())));
    }
    Autocast::Keep.around([a, b], |[a, b]| matmul(a, b))
}

/// Every element of one vector times every element of another.
///
/// # Errors
/// [`Error::Shape`] for anything but vectors.
pub fn outer(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check_rank("outer", "input", a, 1)?;
    check_rank("outer", "vec2", b, 1)?;
    mul(&reshape(a, &[a.numel(), 1])?, b)
}

/// Sums of products over the last dimensions.
///
/// # Errors
/// [`Error::Shape`] where those differ.
pub fn inner(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match (a.rank(), b.rank()) {
        (0, _) | (_, 0) => mul(a, b),
        (1, 1) if a.shape() == b.shape() && a.dtype() == b.dtype() && a.dtype().is_float() => {
            Autocast::Keep.around([a, b], |[a, b]| matmul(a, b))
        }
        (1, 1) => Autocast::Keep.around([a, b], |[a, b]| tensordot(a, b, &[-1], &[-1])),
        _ => tensordot(a, b, &[-1], &[-1]),
    }
}

/// `beta * input + alpha * product`, both in the dtype that they have together, which the factors do not change; an `input`
/// times zero is left out, whatever its elements.
pub(super) fn accumulated(op: &str, input: &Tensor, product: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
    let unit = |factor: f64| factor.to_bits() == 1f64.to_bits();
    let dtype = input.dtype().promote(op, product.dtype())?;
    let (input, product) = (&cast(input, dtype)?, cast(product, dtype)?);
    let product = if unit(alpha) { product } else { scale(&product, alpha)? };
    let (from, to) = (Show(input.shape()), Show(product.shape()));
    let input = broadcast_to(input, product.shape()).map_err(|_| {
        Error::shape(op, format_args!("input of shape {from} does not broadcast to the product's {to}"))
    })?;
    match beta {
        0.0 => Ok(product),
        beta if unit(beta) => add(&input, &product),
        beta => add(&scale(&input, beta)?, &product),
    }
}

macro_rules! sums_of_products {
    ($($(#[$doc:meta])* $name:ident, $autocast:ident => $product:expr;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::Shape`] for other numbers of dimensions, or extents that do not fit.
        pub fn $name(input: &Tensor, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
            Autocast::$autocast.around([input, a, b], |[input, a, b]| {
                accumulated(stringify!($name), input, &$product(a, b)?, beta, alpha)
            })
        }
    )* };
}
sums_of_products! {
    /// `beta * input + alpha * (a @ b)` for a matrix and a vector.
    addmv, Keep => mv;
    /// `beta * input + alpha * (a @ b)` for batches of matrices.
    baddbmm, Lower => bmm;
    /// `beta * input + alpha * sum(a @ b)` over the batch, for batches of matrices.
    addbmm, Lower => |a: &Tensor, b: &Tensor| {
        let products = bmm(a, b)?;
        // A sum of integers is int64.
        cast(&sum(&products, &[0], false)?, products.dtype())
    };
}

/// `beta * input + alpha * outer(a, b)` for vectors, in one pass where `beta` is one and they are floats.
///
/// # Errors
/// As [`addmv`].
pub fn addr(input: &Tensor, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
    let shape = [a.numel(), b.numel()];
    let dtype = input.dtype();
    let are_floats = dtype.is_float() && [a, b].iter().all(|x| x.rank() == 1 && x.dtype() == dtype);
    let fits = broadcast_shapes("addr", input.shape(), &shape).is_ok_and(|whole| *whole == shape);
    if are_floats && fits && beta.to_bits() == 1f64.to_bits() {
        return addcmul(input, &reshape(a, &[shape[0], 1])?, b, alpha);
    }
    accumulated("addr", input, &outer(a, b)?, beta, alpha)
}

/// Kronecker's product: each element of `a` times all of `b`.
///
/// # Errors
/// Only for lack of memory.
pub fn kron(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let rank = a.rank().max(b.rank());
    let (mut coarse, mut fine, mut whole) = (Dims::new(), Dims::new(), Dims::new());
    let extent = |x: &Tensor, d: usize| if d + x.rank() < rank { 1 } else { x.shape()[d + x.rank() - rank] };
    for d in 0..rank {
        coarse.extend([extent(a, d), 1]);
        fine.extend([1, extent(b, d)]);
        whole.push(extent(a, d) * extent(b, d));
    }
    let (mut a, mut b) = (reshape(a, &coarse)?, reshape(b, &fine)?);
    // The rows of both are first brought to the length of the result's: few elements for loops that are not short.
    let (rows, row) = (2 * rank.saturating_sub(1), whole.last().copied().unwrap_or(1));
    let counts = [&coarse, &fine].map(|extents| extents[..rows].iter().product::<usize>());
    // Of one row in either, that would be a pass over as much as the result; it pays where loops are very short.
    let are_few = counts.contains(&1) && fine.last().is_some_and(|&extent| extent >= 16);
    if counts != [1, 1] && !are_few {
        let last = [coarse[rows], fine[rows + 1]];
        let long = |x: &Tensor, shape: &[usize]| {
            reshape(&broadcast_to(x, &[&shape[..rows], &last].concat())?, &[&shape[..rows], &[row]].concat())
        };
        (a, b) = (long(&a, &coarse)?, long(&b, &fine)?);
    }
    reshape(&mul(&a, &b)?, &whole)
}

/// The vector product of two tensors of one shape along a dimension of three elements.
#[derive(Clone, Debug)]
pub struct Cross {
    /// Along which dimension.
    pub dim: usize,
}

impl Operation for Cross {
    const NAME: &'static str = "cross";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (a, b) = (inputs[0].contiguous(Self::NAME)?, inputs[1].contiguous(Self::NAME)?);
        if a.dtype() == DType::Bool {
            return Err(Error::dtype(Self::NAME, "bool tensors have no products; convert them with .int()"));
        }
        if a.shape() != b.shape() || a.shape().get(self.dim) != Some(&3) {
            let (a, b, dim) = (Show(a.shape()), Show(b.shape()), self.dim);
            return Err(Error::shape(Self::NAME, format_args!("shapes {a} and {b}, expected three along {dim}")));
        }
        let inner = a.shape()[self.dim + 1..].iter().product();
        Ok(single(with_element!(a.dtype(), T => Array::build(Self::NAME, a.shape(), |out: &mut [T]| {
            kernel::cross(a.elements::<T>(), b.elements::<T>(), inner, out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let product = |a: &Tensor, b: &Tensor| apply(self.clone(), &[a, b]);
        Ok(smallvec![
            context.needs(0).then(|| product(&context.input(1)?, grad)).transpose()?,
            context.needs(1).then(|| product(grad, &context.input(0)?)).transpose()?,
        ])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(0, needs.input(1)).input_if(1, needs.input(0))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, shape: &[usize]| Sample::new(Self { dim }, [real(shape), real(shape)]);
        vec![of(0, &[3]), of(1, &[2, 3, 4]), of(1, &[5, 3]), of(0, &[3, 0])]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into())]
    }
}

/// The vector product of three elements along `dim`; the first dimension of extent 3 where none is named.
///
/// # Errors
/// [`Error::Shape`] where the dimension does not have three elements, or one tensor has more dimensions.
pub fn cross(a: &Tensor, b: &Tensor, dim: Option<isize>) -> Result<Tensor> {
    if a.rank() != b.rank() {
        let (a, b) = (Show(a.shape()), Show(b.shape()));
        return Err(Error::shape("cross", format_args!("shapes {a} and {b} have not as many dimensions")));
    }
    let shape = crate::layout::broadcast_shapes("cross", a.shape(), b.shape())?;
    let at = match dim {
        Some(dim) => normalize_dim("cross", dim, shape.len())?,
        None => shape.iter().position(|&n| n == 3).unwrap_or(shape.len()),
    };
    // Dimensions broadcast, but not the three elements.
    let has_three = |x: &Tensor| x.shape().get(at) == Some(&3);
    if !has_three(a) || !has_three(b) {
        return Err(Error::shape(
            "cross",
            format_args!("no dimension of 3 elements to multiply along in {} and {}", Show(a.shape()), Show(b.shape())),
        ));
    }
    let (a, b) = (broadcast_to(a, &shape)?, broadcast_to(b, &shape)?);
    apply(Cross { dim: at }, &[&a, &b])
}

/// Sums of products over dimensions `a_dims` of `a` and `b_dims` of `b`, pair by pair; what is left of `a` comes before
/// what is left of `b`.
///
/// # Errors
/// [`Error::Shape`] where the extents of a pair differ, [`Error::Value`] for lists of two lengths.
pub fn tensordot(a: &Tensor, b: &Tensor, a_dims: &[isize], b_dims: &[isize]) -> Result<Tensor> {
    const NAME: &str = "tensordot";
    if a_dims.len() != b_dims.len() {
        return Err(Error::value(NAME, format_args!("dims {a_dims:?} and {b_dims:?} are no pairs")));
    }
    for (x, dims) in [(a, a_dims), (b, b_dims)] {
        distinct_dims(NAME, dims, x.rank())?;
        if x.rank() == 0 && !dims.is_empty() {
            return Err(Error::index(NAME, format_args!("dims {dims:?} of a 0-d tensor, which has none")));
        }
    }
    let label = |dim: usize| u32::try_from(dim).unwrap_or(u32::MAX);
    let a_labels: Labels = (0..label(a.rank())).collect();
    let mut b_labels: Labels = (0..label(b.rank())).map(|d| d + label(a.rank())).collect();
    let dtype = a.dtype().promote(NAME, b.dtype())?;
    let (mut a, mut b) = (a.clone(), b.clone());
    for (&i, &j) in a_dims.iter().zip(b_dims) {
        let (i, j) = (normalize_dim(NAME, i, a.rank())?, normalize_dim(NAME, j, b.rank())?);
        // A dimension of one element goes with any other, which is summed first.
        match (a.shape()[i], b.shape()[j]) {
            (ours, theirs) if ours == theirs => {}
            (1, _) => b = cast(&sum(&b, &[j], true)?, dtype)?,
            (_, 1) => a = cast(&sum(&a, &[i], true)?, dtype)?,
            _ => {
                let (from, to) = (Show(a.shape()), Show(b.shape()));
                return Err(Error::shape(NAME, format_args!("dimension {i} of {from} and {j} of {to} differ in size")));
            }
        }
        b_labels[j] = a_labels[i];
    }
    let once = |labels: &Labels, others: &Labels| labels.iter().copied().filter(|l| !others.contains(l)).collect();
    let (a_rest, b_rest): (Labels, Labels) = (once(&a_labels, &b_labels), once(&b_labels, &a_labels));
    let wanted: Labels = a_rest.into_iter().chain(b_rest).collect();
    let product = contract(Term { x: a, labels: a_labels }, Term { x: b, labels: b_labels }, &wanted)?;
    product.ordered(&wanted)
}

/// An operand with the names of its dimensions, all different.
struct Term {
    x: Tensor,
    labels: Labels,
}

impl Term {
    fn place(&self, label: u32) -> Option<usize> {
        self.labels.iter().position(|&l| l == label)
    }

    fn extent(&self, label: u32) -> usize {
        self.place(label).map_or(1, |at| self.x.shape()[at])
    }

    /// With the dimensions that `keep` refuses summed over.
    fn summed(self, keep: impl Fn(u32) -> bool) -> Result<Self> {
        let dims: Dims = (0..self.labels.len()).filter(|&d| !keep(self.labels[d])).collect();
        if dims.is_empty() {
            return Ok(self);
        }
        let labels = self.labels.iter().copied().filter(|&l| keep(l)).collect();
        Ok(Self { x: sum(&self.x, &dims, false)?, labels })
    }

    /// The elements with dimensions in the order of `labels`, all of which it has.
    fn ordered(&self, labels: &[u32]) -> Result<Tensor> {
        let order: Vec<isize> = labels.iter().filter_map(|&label| self.place(label).map(usize::cast_signed)).collect();
        permute(&self.x, &order)
    }

    /// The product of the extents of `labels`.
    fn size(&self, labels: &[u32]) -> usize {
        labels.iter().map(|&label| self.extent(label)).product()
    }
}

/// The product of two operands, summed over what is not `wanted`.
fn contract(a: Term, b: Term, wanted: &[u32]) -> Result<Term> {
    // An extent of 1 against a larger one broadcasts: without that dimension.
    let squeezed = |x: Term, other: &Term| {
        let narrow = |label| x.extent(label) == 1 && other.extent(label) != 1;
        let kept: Labels = x.labels.iter().copied().filter(|&label| !narrow(label)).collect();
        let shape: Dims = kept.iter().map(|&label| x.extent(label)).collect();
        Ok::<_, Error>(Term { x: reshape(&x.x, &shape)?, labels: kept })
    };
    let a = squeezed(a, &b)?;
    let b = squeezed(b, &a)?;
    let a = a.summed(|l| wanted.contains(&l) || b.labels.contains(&l))?;
    let b = b.summed(|l| wanted.contains(&l) || a.labels.contains(&l))?;
    let (shared, rows): (Labels, Labels) = a.labels.iter().copied().partition(|l| b.labels.contains(l));
    let (batch, inner): (Labels, Labels) = shared.iter().copied().partition(|l| wanted.contains(l));
    let columns: Labels = b.labels.iter().copied().filter(|l| !a.labels.contains(l)).collect();
    let labels: Labels = [&batch[..], &rows, &columns].concat().into();
    let joined = |parts: &[&[u32]]| -> Labels { parts.concat().into() };
    let extents: Dims =
        batch.iter().chain(&rows).map(|&l| a.extent(l)).chain(columns.iter().map(|&l| b.extent(l))).collect();
    let (left, right) =
        (a.ordered(&joined(&[&batch, &rows, &inner]))?, b.ordered(&joined(&[&batch, &inner, &columns]))?);
    let (count, height, depth, width) = (a.size(&batch), a.size(&rows), a.size(&inner), b.size(&columns));
    let product = if inner.is_empty() {
        mul(&reshape(&left, &[count, height, 1])?, &reshape(&right, &[count, 1, width])?)?
    } else if height * width == 1
        && matches!((left.dtype(), right.dtype()), (DType::F32, DType::F32) | (DType::F64, DType::F64))
        && autocast::dtype().is_none()
    {
        // Products of vectors, for each of which a matrix product would set up more than it computes.
        let (left, right) = (reshape(&left, &[count, depth])?, reshape(&right, &[count, depth])?);
        vecdot(&left, &right, -1)?
    } else if batch.is_empty() {
        matmul(&reshape(&left, &[height, depth])?, &reshape(&right, &[depth, width])?)?
    } else {
        matmul(&reshape(&left, &[count, height, depth])?, &reshape(&right, &[count, depth, width])?)?
    };
    Ok(Term { x: reshape(&product, &extents)?, labels })
}

/// Dimensions that `...` stands for are named from the right, beyond every letter.
const ELLIPSIS: u32 = 1 << 24;

/// The labels of one operand of `rank` dimensions, or of the result, as `text` writes them.
fn labels(text: &str, rank: Option<usize>, spread: usize) -> Result<Labels> {
    let bad = |what: &str| Error::value("einsum", format_args!("{what} in {text:?}"));
    let (before, after) = text.split_once("...").map_or((text, None), |(before, after)| (before, Some(after)));
    let letters = |part: &str| -> Result<Labels> {
        part.chars()
            .map(|c| if c.is_ascii_alphabetic() { Ok(c.into()) } else { Err(bad(&format!("{c:?} is no label"))) })
            .collect()
    };
    let (mut all, after) = (letters(before)?, after.map(letters).transpose()?);
    if let Some(after) = after {
        let named = all.len() + after.len();
        let dims = rank
            .map_or(Some(spread), |rank| rank.checked_sub(named))
            .ok_or_else(|| bad("more labels than dimensions"))?;
        all.extend((0..u32::try_from(dims).unwrap_or(0)).rev().map(|d| ELLIPSIS + d));
        all.extend(after);
    }
    if let Some(rank) = rank.filter(|&rank| rank != all.len()) {
        return Err(bad(&format!("{} labels for an operand of {rank} dimensions", all.len())));
    }
    Ok(all)
}

/// Sums of products of the operands, as `equation` names their dimensions ("ij,jk->ik"). Of more than two operands the
/// pair that costs least is multiplied first.
///
/// # Errors
/// [`Error::Value`] for an equation that does not fit the operands, [`Error::Shape`] for extents that differ.
pub fn einsum(equation: &str, operands: &[Tensor]) -> Result<Tensor> {
    const NAME: &str = "einsum";
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = equation.split_once("->").map_or((equation.as_str(), None), |(i, o)| (i, Some(o)));
    let texts: Vec<&str> = inputs.split(',').collect();
    if texts.len() != operands.len() {
        return Err(Error::value(
            NAME,
            format_args!("{} terms in {equation:?} for {} operands", texts.len(), operands.len()),
        ));
    }
    let mut terms = Vec::new();
    for (text, x) in texts.into_iter().zip(operands) {
        terms.push(without_repeats(x, labels(text, Some(x.rank()), 0)?)?);
    }
    let all: Labels = terms.iter().flat_map(|term| term.labels.iter().copied()).collect();
    let spread = all.iter().filter(|&&l| l >= ELLIPSIS).map(|l| l - ELLIPSIS + 1).max().unwrap_or(0);
    let wanted = if let Some(text) = output {
        labels(text, None, spread as usize)?
    } else {
        // What `...` stands for, then every letter that occurs once, in alphabetical order.
        let counts = inputs.chars().filter(char::is_ascii_alphabetic).map(u32::from);
        let mut once: Labels =
            counts.clone().filter(|l| counts.clone().filter(|other| other == l).count() == 1).collect();
        once.sort_unstable();
        (0..spread).rev().map(|d| ELLIPSIS + d).chain(once).collect()
    };
    for (i, &label) in wanted.iter().enumerate() {
        if !all.contains(&label) || wanted[..i].contains(&label) {
            return Err(Error::value(
                NAME,
                format_args!("the result of {equation:?} has a label twice or one that no operand has"),
            ));
        }
    }
    for &label in &all {
        let mut sizes =
            terms.iter().filter(|term| term.place(label).is_some()).map(|term| term.extent(label)).filter(|&n| n != 1);
        if let Some(first) = sizes.next()
            && let Some(other) = sizes.find(|&n| n != first)
        {
            let what = match char::from_u32(label).filter(|_| label < ELLIPSIS) {
                Some(letter) => format!("letter {letter:?}"),
                None => "a dimension of \"...\"".to_owned(),
            };
            return Err(Error::shape(NAME, format_args!("{what} of {equation:?} has sizes {first} and {other}")));
        }
    }
    while terms.len() > 1 {
        let cost = |i: usize, j: usize| -> f64 {
            let both: Labels = [&terms[i].labels[..], &terms[j].labels].concat().into();
            let distinct = both.iter().enumerate().filter(|&(at, l)| !both[..at].contains(l));
            #[allow(clippy::cast_precision_loss, reason = "a comparison of costs")]
            distinct.map(|(_, &l)| terms[i].extent(l).max(terms[j].extent(l)) as f64).product()
        };
        let pairs = (0..terms.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
        let Some((i, j)) = pairs.min_by(|&(a, b), &(c, d)| cost(a, b).total_cmp(&cost(c, d))) else { break };
        let (b, a) = (terms.swap_remove(j), terms.swap_remove(i));
        let needed: Labels = terms.iter().flat_map(|term| &term.labels).chain(&wanted).copied().collect();
        terms.push(contract(a, b, &needed)?);
    }
    match terms.pop() {
        Some(last) => last.summed(|label| wanted.contains(&label))?.ordered(&wanted),
        None => Err(Error::value(NAME, "expected at least one operand")),
    }
}

/// The operand with dimensions of one name replaced by their diagonal.
fn without_repeats(x: &Tensor, mut labels: Labels) -> Result<Term> {
    let mut x = x.clone();
    while let Some((i, j)) =
        (0..labels.len()).flat_map(|j| (0..j).map(move |i| (i, j))).find(|&(i, j)| labels[i] == labels[j])
    {
        if x.shape()[i] != x.shape()[j] {
            return Err(Error::shape("einsum", format_args!("one label for two sizes in {}", Show(x.shape()))));
        }
        x = diagonal(&x, 0, i.cast_signed(), j.cast_signed())?;
        let label = labels.remove(j);
        labels.remove(i);
        labels.push(label);
    }
    Ok(Term { x, labels })
}
