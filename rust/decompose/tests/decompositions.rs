//! Factors multiply back to their matrix, orthogonal ones are orthogonal, and singular matrices are met with dignity.

#![allow(clippy::many_single_char_names, reason = "matrices are called by their letters")]

use dlcore_decompose::{Decompose, Failure, Side, Triangle};

/// Numbers from -1 to 1, the same on every run.
fn noise(count: usize) -> Vec<f64> {
    let mut state = 42u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 32).unwrap()) / 2_147_483_648.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// `a @ b` for `a` of m by k and `b` of k by n.
fn product([m, k, n]: [usize; 3], a: &[f64], b: &[f64]) -> Vec<f64> {
    let entry = |i: usize| (0..k).map(|l| a[i / n * k + l] * b[l * n + i % n]).sum();
    (0..m * n).map(entry).collect()
}

/// The matrix by columns, or by rows what lies by columns as n by m.
fn transposed([m, n]: [usize; 2], a: &[f64]) -> Vec<f64> {
    (0..m * n).map(|i| a[i % m * n + i / m]).collect()
}

fn assert_close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() < 1e-10 * (1.0 + e.abs()), "{got:?} is not {expected:?}");
    }
}

fn assert_orthonormal_columns([m, n]: [usize; 2], q: &[f64]) {
    let identity: Vec<f64> = (0..n * n).map(|i| f64::from(u8::from(i / n == i % n))).collect();
    assert_close(&product([n, m, n], &transposed([m, n], q), q), &identity);
}

const SHAPES: [[usize; 2]; 8] = [[1, 1], [3, 3], [5, 2], [2, 5], [40, 40], [70, 33], [33, 70], [0, 3]];

fn lower_and_upper([m, n]: [usize; 2], lu: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let k = m.min(n);
    let lower = |i: usize| match (i / k, i % k) {
        (row, column) if row == column => 1.0,
        (row, column) if row > column => lu[row * n + column],
        _ => 0.0,
    };
    let upper = |i: usize| if i / n <= i % n { lu[i] } else { 0.0 };
    ((0..m * k).map(lower).collect(), (0..k * n).map(upper).collect())
}

fn assert_lu([m, n]: [usize; 2], a: &[f64]) {
    let (mut lu, mut order) = (transposed([m, n], a), vec![0; m]);
    f64::lu([m, n], &mut lu, &mut order);
    let (lower, upper) = lower_and_upper([m, n], &transposed([n, m], &lu));
    let rows: Vec<f64> =
        order.iter().flat_map(|&row| a[usize::try_from(row).unwrap() * n..][..n].iter().copied()).collect();
    assert_close(&product([m, m.min(n), n], &lower, &upper), &rows);
}

#[test]
fn lu_multiplies_back() {
    for [m, n] in SHAPES {
        assert_lu([m, n], &noise(m * n));
    }
}

#[test]
fn lu_of_singular_matrices_multiplies_back() {
    assert_lu([3, 3], &[1.0; 9]);
    assert_lu([3, 3], &[0.0; 9]);
    assert_lu([4, 4], &[0.0, 1.0, 2.0, 3.0, 0.0, 2.0, 4.0, 6.0, 0.0, 1.0, 5.0, 1.0, 0.0, 3.0, 1.0, 2.0]);
    let column = noise(40);
    assert_lu([40, 40], &product([40, 1, 40], &column, &column));
    assert_lu([5, 3], &[1.0; 15]);
}

#[test]
fn systems_are_solved_from_either_side() {
    let small = (1..=9).flat_map(|n| [1, 2, n, 9].map(|columns| (n, columns)));
    for (n, columns) in small.chain([(40, 3)]) {
        let (a, b) = (noise(n * n), noise(n * columns));
        let (mut lu, mut order) = (transposed([n, n], &a), vec![0; n]);
        f64::lu([n, n], &mut lu, &mut order);
        let mut x = b.clone();
        f64::lu_solve(n, columns, &lu, &order, Side::Plain, &mut x);
        assert_close(&product([n, n, columns], &a, &x), &b);
        let mut x = b.clone();
        f64::lu_solve(n, columns, &lu, &order, Side::Transposed, &mut x);
        assert_close(&product([n, n, columns], &transposed([n, n], &a), &x), &b);
    }
}

#[test]
fn nan_below_a_zero_is_a_pivot() {
    for n in [2, 9] {
        let (mut lu, mut order) = (vec![0.0; n * n], vec![0; n]);
        lu[1] = f64::NAN;
        f64::lu([n, n], &mut lu, &mut order);
        assert!(lu[0].is_nan() || lu[n + 1].is_nan(), "{lu:?}");
    }
}

#[test]
fn triangles_are_solved_and_nothing_else_of_the_matrix_is_read() {
    let (n, columns) = (20, 2);
    let mut a = noise(n * n);
    (0..n).for_each(|i| a[i * n + i] += 20.0);
    let b = noise(n * columns);
    for upper in [false, true] {
        for unit in [false, true] {
            let mut x = b.clone();
            f64::triangular_solve(n, columns, &a, Triangle { upper, unit }, &mut x);
            let entry = |(i, &value): (usize, &f64)| match (i / n, i % n) {
                (row, column) if row == column => {
                    if unit {
                        1.0
                    } else {
                        value
                    }
                }
                (row, column) if (row < column) == upper => value,
                _ => 0.0,
            };
            let triangle: Vec<f64> = a.iter().enumerate().map(entry).collect();
            let got = product([n, n, columns], &triangle, &x);
            let scale = x.iter().fold(1.0, |top: f64, x| top.max(x.abs()));
            assert!(got.iter().zip(&b).all(|(g, e)| (g - e).abs() < 1e-10 * scale), "{upper} {unit}");
        }
    }
}

#[test]
fn cholesky_multiplies_back_and_names_the_minor_that_is_not_positive() {
    for n in [0, 1, 3, 50] {
        let half = noise(n * n);
        let mut a = product([n, n, n], &half, &transposed([n, n], &half));
        (0..n).for_each(|i| a[i * n + i] += 0.1);
        let mut columns = a.clone();
        f64::cholesky(n, &mut columns).unwrap();
        assert_close(&product([n, n, n], &transposed([n, n], &columns), &columns), &a);
    }
    assert_eq!(f64::cholesky(2, &mut [1.0, 2.0, 0.0, 1.0]), Err(Failure::NotPositive(1)));
    assert_eq!(f32::cholesky(2, &mut [f32::NAN, 2.0, 0.0, 1.0]), Err(Failure::NotPositive(0)));
}

#[test]
fn qr_multiplies_back() {
    for [m, n] in SHAPES {
        let a = noise(m * n);
        for k in [m.min(n), m] {
            let (mut q, mut r) = (vec![f64::NAN; m * k], vec![f64::NAN; k * n]);
            f64::qr([m, n], &mut transposed([m, n], &a), &mut q, &mut r);
            let (q, r) = (transposed([k, m], &q), transposed([n, k], &r));
            assert_close(&product([m, k, n], &q, &r), &a);
            assert_orthonormal_columns([m, k], &q);
            assert!((0..k * n).all(|i| i / n <= i % n || r[i] == 0.0));
        }
    }
}

#[test]
fn reflections_undo_themselves() {
    for [m, n] in SHAPES.into_iter().chain([[100, 10], [70, 90], [130, 70], [90, 90]]) {
        let (a, k) = (noise(m * n), m.min(n));
        let (mut packed, mut factors) = (transposed([m, n], &a), vec![f64::NAN; k]);
        f64::reflections([m, n], &mut packed, &mut factors);
        let mut back: Vec<f64> = (0..m * n).map(|i| if i % m <= i / m { packed[i] } else { 0.0 }).collect();
        for j in (0..k).rev() {
            let vector: Vec<f64> =
                std::iter::once(1.0).chain(packed[j * m + j + 1..(j + 1) * m].iter().copied()).collect();
            for column in back.chunks_exact_mut(m) {
                let along: f64 = vector.iter().zip(&column[j..]).map(|(v, x)| v * x).sum();
                column[j..].iter_mut().zip(&vector).for_each(|(x, v)| *x -= factors[j] * along * v);
            }
        }
        assert_close(&transposed([n, m], &back), &a);
        // Nothing is below the last row.
        assert!(m > n || k == 0 || factors[k - 1].to_bits() == 0);
    }
}

#[test]
fn singular_values_and_vectors_multiply_back() {
    for [m, n] in SHAPES.into_iter().chain([[110, 105]]) {
        let (a, k) = (noise(m * n), m.min(n));
        for [rows, columns] in [[k, k], [m, n]] {
            let (mut s, mut u, mut vt) = (vec![0.0; k], vec![f64::NAN; m * rows], vec![f64::NAN; columns * n]);
            f64::svd([m, n], &a, &mut s, Some((&mut u, &mut vt))).unwrap();
            let u = transposed([rows, m], &u);
            assert!(s.is_sorted_by(|a, b| a >= b) && s.iter().all(|&s| s >= 0.0));
            assert_orthonormal_columns([m, rows], &u);
            assert_orthonormal_columns([n, columns], &transposed([columns, n], &vt));
            let scaled: Vec<f64> = (0..m * k).map(|i| u[i / k * rows + i % k] * s[i % k]).collect();
            assert_close(&product([m, k, n], &scaled, &vt[..k * n]), &a);
            let mut alone = vec![0.0; k];
            f64::svd([m, n], &a, &mut alone, None).unwrap();
            assert_close(&alone, &s);
        }
    }
}

#[test]
fn eigenvalues_and_vectors_multiply_back_and_the_lower_triangle_decides() {
    for n in [0, 1, 3, 50, 210] {
        let mut a = noise(n * n);
        (0..n * n).for_each(|i| {
            if i / n < i % n {
                a[i] = f64::NAN;
            }
        });
        let (mut w, mut v) = (vec![0.0; n], vec![f64::NAN; n * n]);
        f64::eigh(n, &a, &mut w, Some(&mut v)).unwrap();
        let v = transposed([n, n], &v);
        (0..n * n).for_each(|i| {
            if i / n < i % n {
                a[i] = a[i % n * n + i / n];
            }
        });
        assert!(w.is_sorted());
        assert_orthonormal_columns([n, n], &v);
        let scaled: Vec<f64> = (0..n * n).map(|i| v[i] * w[i % n]).collect();
        assert_close(&product([n, n, n], &a, &v), &scaled);
        let mut alone = vec![0.0; n];
        f64::eigh(n, &a, &mut alone, None).unwrap();
        assert_close(&alone, &w);
    }
}

#[test]
fn of_two_vectors_that_are_as_good_results_have_the_one_that_points_up() {
    let n = 9;
    let (mut w, mut v) = (vec![0.0; n], vec![0.0; n * n]);
    f64::eigh(n, &noise(n * n), &mut w, Some(&mut v)).unwrap();
    for vector in v.chunks_exact(n) {
        let largest = vector.iter().copied().reduce(|a, b| if b.abs() > a.abs() { b } else { a });
        assert!(largest.unwrap() > 0.0);
    }
}

#[test]
fn what_is_not_finite_does_not_converge() {
    for value in [f64::NAN, f64::INFINITY] {
        let (a, mut s) = ([value; 9], [0.0; 3]);
        assert_eq!(f64::svd([3, 3], &a, &mut s, None), Err(Failure::NoConvergence));
        assert_eq!(f64::eigh(3, &a, &mut s, None), Err(Failure::NoConvergence));
    }
}

#[test]
fn elements_whose_squares_leave_the_range_are_no_obstacle() {
    for size in [1e-30f32, 5e18, 1e37] {
        let (mut a, mut s) = ([size; 16], [0.0; 4]);
        f32::svd([4, 4], &a, &mut s, None).unwrap();
        assert!((s[0] / size - 4.0).abs() < 1e-5 && s[1] < 1e-5 * s[0], "{size}: {s:?}");
        f32::eigh(4, &a, &mut s, None).unwrap();
        assert!((s[3] / size - 4.0).abs() < 1e-5, "{size}: {s:?}");
        let (mut q, mut r) = ([0.0; 16], [0.0; 16]);
        f32::qr([4, 4], &mut a, &mut q, &mut r);
        assert!((r[0].abs() / size - 2.0).abs() < 1e-5, "{size}: {r:?}");
    }
}
