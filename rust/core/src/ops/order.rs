//! The order in which dimensions lie in memory, kept by what takes each element for itself: a map of a transposed tensor is
//! transposed too, and goes through memory as it lies.

use crate::array::Array;
use crate::error::Result;
use crate::layout::{Dims, Layout};
use smallvec::SmallVec;
use std::cmp::Reverse;

/// What `map` makes of `inputs`, whose elements it takes one by one, broadcast. Where the first input of the shape of the
/// result lies in another order than row-major, so does the result.
///
/// # Errors
/// What `map` returns.
#[inline]
pub(crate) fn kept<const N: usize>(
    inputs: [&Array; N],
    map: impl FnOnce([&Array; N]) -> Result<Array>,
) -> Result<Array> {
    let is_plain = inputs.iter().all(|x| x.layout().is_contiguous());
    let Some(order) = (if is_plain { None } else { order(&inputs) }) else { return map(inputs) };
    let turned = inputs.map(|x| x.view(led(x.layout(), order.len()).permute(&order)));
    Ok(restored(&map(turned.each_ref())?, &order))
}

/// A copy of `view` whose dimensions lie in memory as those of `like`, which has its shape.
///
/// # Errors
/// As [`Array::build`].
pub(crate) fn copied(op: &str, view: &Array, like: &Array) -> Result<Array> {
    let Some(order) = order(&[like]) else { return view.copy(op) };
    let copy = view.view(view.layout().permute(&order)).copy(op)?;
    Ok(restored(&copy, &order))
}

/// `turned`, whose dimensions are in `order`, with all back at their places.
fn restored(turned: &Array, order: &[usize]) -> Array {
    let mut back: Dims = (0..order.len()).collect();
    back.sort_unstable_by_key(|&dim| order[dim]);
    turned.view(turned.layout().permute(&back))
}

/// The dimensions of the result from the outermost in memory to the innermost; `None` where they are in order.
fn order(inputs: &[&Array]) -> Option<Dims> {
    let rank = inputs.iter().map(|x| x.shape().len()).max()?;
    let is_whole = |x: &Array| {
        let fits = |(own, other): (&usize, &usize)| own == other || *other == 1;
        let covers = |other: &&Array| x.shape().iter().rev().zip(other.shape().iter().rev()).all(fits);
        x.shape().len() == rank && inputs.iter().all(covers)
    };
    let Layout { shape, strides, .. } = inputs.iter().find(|x| is_whole(x))?.layout();
    // What repeats, or runs backwards, has no order to keep.
    if shape.iter().zip(strides).any(|(&extent, &stride)| extent == 0 || extent > 1 && stride <= 0) {
        return None;
    }
    let mut order: Dims = (0..rank).filter(|&dim| shape[dim] > 1).collect();
    order.sort_by_key(|&dim| Reverse(strides[dim]));
    if order.is_sorted() {
        return None;
    }
    // Dimensions of one entry lie anywhere: outside the others.
    let mut all: Dims = (0..rank).filter(|&dim| shape[dim] == 1).collect();
    all.extend(order);
    Some(all)
}

/// `layout` with dimensions of one entry before its own, `rank` in all.
fn led(layout: &Layout, rank: usize) -> Layout {
    let ones = rank - layout.rank();
    let mut whole =
        Layout { shape: Dims::from_elem(1, ones), strides: SmallVec::from_elem(0, ones), offset: layout.offset };
    whole.shape.extend_from_slice(&layout.shape);
    whole.strides.extend_from_slice(&layout.strides);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::tensor::Tensor;
    use crate::dtype::DType;
    use crate::ops;

    fn ones(shape: &[usize]) -> Tensor {
        let values = vec![1f32; shape.iter().product()];
        Array::from_slice("test", &values, shape).unwrap().into()
    }

    fn strides(x: &Tensor) -> Vec<isize> {
        x.array().layout().strides.to_vec()
    }

    #[test]
    fn results_lie_as_their_first_whole_operand() {
        let x = ops::transpose(&ones(&[2, 3]), 0, 1).unwrap();
        assert_eq!(strides(&ops::neg(&x).unwrap()), [1, 3]);
        assert_eq!(strides(&ops::cast(&x, DType::F64).unwrap()), [1, 3]);
        assert_eq!(strides(&ops::add(&x, &ones(&[2])).unwrap()), [1, 3]);
        assert_eq!(strides(&ops::add(&ones(&[2]), &x).unwrap()), [1, 3]);
        assert_eq!(strides(&ops::add(&ones(&[3, 2]), &x).unwrap()), [2, 1]);
        assert_eq!(strides(&ops::gt(&x, &ones(&[3, 2])).unwrap()), [1, 3]);
        let wider = ops::add(&x, &ones(&[4, 1, 1])).unwrap();
        assert_eq!((wider.shape(), strides(&wider)), (&[4, 3, 2][..], vec![6, 2, 1]));
    }

    #[test]
    fn what_has_no_order_becomes_row_major() {
        let x = ops::broadcast_to(&ones(&[3, 1]), &[3, 2]).unwrap();
        assert_eq!(strides(&ops::neg(&x).unwrap()), [2, 1]);
        let one = ops::transpose(&ones(&[1, 3]), 0, 1).unwrap();
        assert_eq!(ops::neg(&one).unwrap().array().layout(), &Layout::contiguous(&[3, 1]));
    }
}
