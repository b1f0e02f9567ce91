//! Triangular factors: Cholesky, LU, and systems solved with them.

use crate::{Failure, Side, Triangle};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::triangular_solve as solvers;
use faer::traits::RealField;
use faer::traits::math_utils::{abs, is_nan, mul, recip, sub, zero};
use faer::{MatMut, MatRef, Par, Spec};

pub(crate) fn cholesky<T: RealField + Copy>(n: usize, a: &mut [T]) -> Result<(), Failure> {
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<T>(n, Par::Seq, Spec::default()));
    let (matrix, stack) = (MatMut::from_column_major_slice_mut(&mut *a, n, n), MemStack::new(&mut memory));
    cholesky_in_place(matrix, LltRegularization::default(), Par::Seq, stack, Spec::default()).map_err(
        |faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index }| Failure::NotPositive(index),
    )?;
    for (index, column) in a.chunks_exact_mut(n.max(1)).enumerate() {
        // NaN is not positive either, but no comparison says so.
        if is_nan(&column[index]) {
            return Err(Failure::NotPositive(index));
        }
        column[..index].fill(zero());
    }
    Ok(())
}

pub(crate) fn lu<T: RealField + Copy>([m, n]: [usize; 2], a: &mut [T], order: &mut [i64]) {
    let original = a.to_vec();
    let (mut rows, mut places) = (vec![0; m], vec![0; m]);
    let mut memory = MemBuffer::new(lu_in_place_scratch::<usize, T>(m, n, Par::Seq, Spec::default()));
    let (matrix, stack) = (MatMut::from_column_major_slice_mut(&mut *a, m, n), MemStack::new(&mut memory));
    lu_in_place(matrix, &mut rows, &mut places, Par::Seq, stack, Spec::default());
    // The pivots are few: they are looked at first.
    let divided_by_zero = a.iter().step_by(m + 1).any(|pivot| *pivot == zero()) && a.iter().any(is_nan);
    if divided_by_zero && !original.iter().any(is_nan) {
        a.copy_from_slice(&original);
        lu_of_singular([m, n], a, &mut rows);
    }
    for (place, row) in order.iter_mut().zip(rows) {
        *place = row.cast_signed() as i64;
    }
}

/// Elimination that passes over a column without a pivot. faer divides by that zero.
fn lu_of_singular<T: RealField + Copy>([m, n]: [usize; 2], a: &mut [T], rows: &mut [usize]) {
    rows.iter_mut().enumerate().for_each(|(row, place)| *place = row);
    for k in 0..m.min(n) {
        let column = &a[k * m..(k + 1) * m];
        let largest = (k..m).reduce(|best, row| if abs(&column[row]) > abs(&column[best]) { row } else { best });
        let pivot = largest.unwrap_or(k);
        rows.swap(k, pivot);
        a.chunks_exact_mut(m).for_each(|column| column.swap(k, pivot));
        let (left, right) = a.split_at_mut((k + 1) * m);
        let (top, below) = left[k * m..].split_at_mut(k + 1);
        if top[k] == zero() {
            continue;
        }
        let inverse = recip(&top[k]);
        for x in &mut *below {
            *x = mul(x, &inverse);
        }
        for column in right.chunks_exact_mut(m) {
            let factor = column[k];
            column[k + 1..].iter_mut().zip(&*below).for_each(|(x, y)| *x = sub(x, &mul(&factor, y)));
        }
    }
}

pub(crate) fn lu_solve<T: RealField + Copy>(
    [n, columns]: [usize; 2],
    lu: &[T],
    order: &[i64],
    side: Side,
    b: &mut [T],
) {
    let factors = MatRef::from_column_major_slice(lu, n, n);
    let before = b.to_vec();
    let line = |row: usize| row * columns..(row + 1) * columns;
    let places = || order.iter().map(|&row| usize::try_from(row).unwrap_or(0)).enumerate();
    if side == Side::Plain {
        places().for_each(|(place, row)| b[line(place)].copy_from_slice(&before[line(row)]));
        let mut x = MatMut::from_row_major_slice_mut(b, n, columns);
        solvers::solve_unit_lower_triangular_in_place(factors, x.as_mut(), Par::Seq);
        solvers::solve_upper_triangular_in_place(factors, x, Par::Seq);
    } else {
        let mut before = before;
        let mut x = MatMut::from_row_major_slice_mut(&mut before, n, columns);
        solvers::solve_lower_triangular_in_place(factors.transpose(), x.as_mut(), Par::Seq);
        solvers::solve_unit_upper_triangular_in_place(factors.transpose(), x, Par::Seq);
        places().for_each(|(place, row)| b[line(row)].copy_from_slice(&before[line(place)]));
    }
}

pub(crate) fn solve<T: RealField>([n, columns]: [usize; 2], a: &[T], triangle: Triangle, b: &mut [T]) {
    let (a, b) = (MatRef::from_row_major_slice(a, n, n), MatMut::from_row_major_slice_mut(b, n, columns));
    match triangle {
        Triangle { upper: false, unit: false } => solvers::solve_lower_triangular_in_place(a, b, Par::Seq),
        Triangle { upper: false, unit: true } => solvers::solve_unit_lower_triangular_in_place(a, b, Par::Seq),
        Triangle { upper: true, unit: false } => solvers::solve_upper_triangular_in_place(a, b, Par::Seq),
        Triangle { upper: true, unit: true } => solvers::solve_unit_upper_triangular_in_place(a, b, Par::Seq),
    }
}
