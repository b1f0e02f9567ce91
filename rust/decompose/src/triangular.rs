//! Triangular factors: Cholesky, LU, and systems solved with them.

use crate::{Failure, Side, Triangle};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::triangular_solve as solvers;
use faer::traits::RealField;
use faer::traits::math_utils::{abs, is_finite, is_nan, mul, sub, zero};
use faer::{MatMut, MatRef, Par, Spec};
use std::ops::DivAssign;

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

/// The order up to which faer's preparations take longer than the work.
const SMALL: usize = 8;

pub(crate) fn lu<T: RealField + Copy + DivAssign>([m, n]: [usize; 2], a: &mut [T], order: &mut [i64]) {
    match (m, n) {
        // Extents that the compiler knows: the loops unroll.
        (2, 2) => return eliminate([2, 2], a, order),
        (3, 3) => return eliminate([3, 3], a, order),
        (4, 4) => return eliminate([4, 4], a, order),
        (..=TALL, ..=NARROW) => {
            if !eliminate_finite([m, n], a, order) {
                eliminate([m, n], a, order);
            }
            return;
        }
        _ => {}
    }
    let original = a.to_vec();
    let (mut rows, mut places) = (vec![0usize; m], vec![0; m]);
    let mut memory = MemBuffer::new(lu_in_place_scratch::<usize, T>(m, n, Par::Seq, Spec::default()));
    let (matrix, stack) = (MatMut::from_column_major_slice_mut(&mut *a, m, n), MemStack::new(&mut memory));
    lu_in_place(matrix, &mut rows, &mut places, Par::Seq, stack, Spec::default());
    // The pivots are few: they are looked at first.
    let divided_by_zero = a.iter().step_by(m + 1).any(|pivot| *pivot == zero()) && a.iter().any(is_nan);
    if divided_by_zero && !original.iter().any(is_nan) {
        a.copy_from_slice(&original);
        return eliminate([m, n], a, order);
    }
    for (place, row) in order.iter_mut().zip(rows) {
        *place = row.cast_signed() as i64;
    }
}

/// Rows and columns up to which [`eliminate_finite`] is quicker than faer.
const TALL: usize = 256;
const NARROW: usize = 48;
/// Rows that are subtracted at once: whole vectors, so that short columns have no remainders.
const BLOCK: usize = 8;

/// As [`eliminate`], in blocks of rows, with zeros for the factors of those that are done; whether that holds, as it does
/// where all pivots differ from zero and all numbers stay finite. Otherwise `a` is as it was.
fn eliminate_finite<T: RealField + Copy + DivAssign>([m, n]: [usize; 2], a: &mut [T], order: &mut [i64]) -> bool {
    let height = m.div_ceil(BLOCK);
    let mut blocks = vec![[zero::<T>(); BLOCK]; height * n];
    let mut factors = vec![[zero::<T>(); BLOCK]; height];
    for (blocks, column) in blocks.chunks_exact_mut(height.max(1)).zip(a.chunks_exact(m.max(1))) {
        blocks.as_flattened_mut()[..m].copy_from_slice(column);
    }
    order.iter_mut().zip(0..).for_each(|(place, row)| *place = row);
    for k in 0..m.min(n) {
        let column = &blocks[k * height..(k + 1) * height].as_flattened()[..m];
        let (mut pivot, mut largest) = (k, abs(&column[k]));
        for (row, x) in column.iter().enumerate().skip(k + 1) {
            let size = abs(x);
            (pivot, largest) = if size > largest { (row, size) } else { (pivot, largest) };
        }
        if largest == zero() {
            return false;
        }
        if pivot != k {
            order.swap(k, pivot);
            blocks.chunks_exact_mut(height).for_each(|column| column.as_flattened_mut().swap(k, pivot));
        }
        let first = (k + 1) / BLOCK;
        let (left, right) = blocks.split_at_mut((k + 1) * height);
        let own = left[k * height..].as_flattened_mut();
        let top = own[k];
        own[k + 1..].iter_mut().for_each(|x| *x /= top);
        factors.as_flattened_mut()[k + 1..].copy_from_slice(&own[k + 1..]);
        factors.as_flattened_mut()[k] = zero();
        for column in right.chunks_exact_mut(height) {
            let factor = column.as_flattened()[k];
            for (x, y) in column[first..].iter_mut().zip(&factors[first..]) {
                for lane in 0..BLOCK {
                    x[lane] = sub(&x[lane], &mul(&factor, &y[lane]));
                }
            }
        }
    }
    if !blocks.as_flattened().iter().all(is_finite) {
        return false;
    }
    for (column, blocks) in a.chunks_exact_mut(m.max(1)).zip(blocks.chunks_exact(height.max(1))) {
        column.copy_from_slice(&blocks.as_flattened()[..m]);
    }
    true
}

/// Elimination that passes over a column without a pivot, where faer divides by that zero. NaN is the first to be one, so
/// that it is not passed over.
#[allow(clippy::inline_always, reason = "extents that a caller knows are constants here")]
#[inline(always)]
fn eliminate<T: RealField + Copy + DivAssign>([m, n]: [usize; 2], a: &mut [T], order: &mut [i64]) {
    order.iter_mut().zip(0..).for_each(|(place, row)| *place = row);
    for k in 0..m.min(n) {
        let mut pivot = k;
        for row in k + 1..m {
            let [x, best] = [row, pivot].map(|row| a[k * m + row]);
            pivot = if abs(&x) > abs(&best) || is_nan(&x) { row } else { pivot };
        }
        if pivot != k {
            order.swap(k, pivot);
            a.chunks_exact_mut(m).for_each(|column| column.swap(k, pivot));
        }
        let (left, right) = a.split_at_mut((k + 1) * m);
        let (top, below) = left[k * m..].split_at_mut(k + 1);
        if top[k] == zero() {
            continue;
        }
        // Not times the reciprocal: of rows that are equal nothing may be left.
        for x in &mut *below {
            *x /= top[k];
        }
        for column in right.chunks_exact_mut(m) {
            let factor = column[k];
            column[k + 1..].iter_mut().zip(&*below).for_each(|(x, y)| *x = sub(x, &mul(&factor, y)));
        }
    }
}

pub(crate) fn lu_solve<T: RealField + Copy + DivAssign>(
    [n, columns]: [usize; 2],
    lu: &[T],
    order: &[i64],
    side: Side,
    b: &mut [T],
) {
    match (n, columns) {
        (2, 1) => return substitute([2, 1], lu, order, side, b),
        (3, 1) => return substitute([3, 1], lu, order, side, b),
        (4, 1) => return substitute([4, 1], lu, order, side, b),
        (2, 2) => return substitute([2, 2], lu, order, side, b),
        (3, 3) => return substitute([3, 3], lu, order, side, b),
        (4, 4) => return substitute([4, 4], lu, order, side, b),
        (..=SMALL, ..=SMALL) => return substitute([n, columns], lu, order, side, b),
        _ => {}
    }
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

/// [`lu_solve`] for few equations and few right-hand sides.
#[allow(clippy::inline_always, reason = "extents that a caller knows are constants here")]
#[inline(always)]
fn substitute<T: RealField + Copy + DivAssign>(
    [n, columns]: [usize; 2],
    lu: &[T],
    order: &[i64],
    side: Side,
    b: &mut [T],
) {
    let factor = |row: usize, column: usize| lu[column * n + row];
    let mut x = [[zero(); SMALL]; SMALL];
    let x = &mut x[..n];
    let places = || order.iter().map(|&row| usize::try_from(row).unwrap_or(0)).enumerate();
    let line = |row: usize| row * columns..(row + 1) * columns;
    let less = |x: &mut [T; SMALL], factor: T, known: &[T; SMALL]| {
        x[..columns].iter_mut().zip(known).for_each(|(x, known)| *x = sub(x, &mul(&factor, known)));
    };
    let over = |x: &mut [T; SMALL], divisor: T| x[..columns].iter_mut().for_each(|x| *x /= divisor);
    if side == Side::Plain {
        places().for_each(|(place, row)| x[place][..columns].copy_from_slice(&b[line(row)]));
        for column in 0..n {
            let known = x[column];
            (column + 1..n).for_each(|row| less(&mut x[row], factor(row, column), &known));
        }
        for column in (0..n).rev() {
            over(&mut x[column], factor(column, column));
            let known = x[column];
            (0..column).for_each(|row| less(&mut x[row], factor(row, column), &known));
        }
        (0..n).for_each(|row| b[line(row)].copy_from_slice(&x[row][..columns]));
    } else {
        (0..n).for_each(|row| x[row][..columns].copy_from_slice(&b[line(row)]));
        for column in 0..n {
            over(&mut x[column], factor(column, column));
            let known = x[column];
            (column + 1..n).for_each(|row| less(&mut x[row], factor(column, row), &known));
        }
        for column in (0..n).rev() {
            let known = x[column];
            (0..column).for_each(|row| less(&mut x[row], factor(column, row), &known));
        }
        places().for_each(|(place, row)| b[line(row)].copy_from_slice(&x[place][..columns]));
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
