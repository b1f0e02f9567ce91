//! Decompositions of one matrix in float32 and float64, by [`faer`].
//!
//! A crate of its own because faer is generic throughout: its code for the two types is compiled here, once, and not
//! again whenever a kernel changes. One thread each: who has many matrices runs several of these at once.

#![forbid(unsafe_code)]

mod orthogonal;
mod triangular;

/// Why a matrix has no such decomposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The leading minor that ends in this row is not positive.
    NotPositive(usize),
    /// The iteration did not converge, as it cannot on NaN and infinity.
    NoConvergence,
}

/// Which matrix a factorised system is solved with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The matrix that was factorised.
    Plain,
    /// Its transpose.
    Transposed,
}

/// The triangular matrix that a square one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triangle {
    /// Above the diagonal, otherwise below it.
    pub upper: bool,
    /// With ones on the diagonal, whatever is stored there.
    pub unit: bool,
}

/// An element type whose matrices can be decomposed. Matrices are `rows` by `columns`. faer works along columns, in half
/// the time, so what it changes in place and factors it finds lie column after column; other matrices row after row.
pub trait Decompose: Copy + Send + Sync + 'static {
    /// Replaces the symmetric positive definite matrix whose lower triangle is in `a` by its lower Cholesky factor,
    /// both by columns.
    ///
    /// # Errors
    /// [`Failure::NotPositive`].
    fn cholesky(n: usize, a: &mut [Self]) -> Result<(), Failure>;

    /// Replaces `a` by its factors, L below the diagonal and U from it upwards, both by columns; row `i` of their
    /// product is row `order[i]` of the matrix.
    fn lu(shape: [usize; 2], a: &mut [Self], order: &mut [i64]);

    /// Replaces the `columns` right-hand sides in `b` by the solutions, given what [`Decompose::lu`] made of a matrix.
    fn lu_solve(n: usize, columns: usize, lu: &[Self], order: &[i64], side: Side, b: &mut [Self]);

    /// Replaces the `columns` right-hand sides in `b` by the solutions for the `triangle` that `a` holds.
    fn triangular_solve(n: usize, columns: usize, a: &[Self], triangle: Triangle, b: &mut [Self]);

    /// The orthogonal `q`, of as many columns as it has room for, and the upper triangular `r`, whose product is `a`,
    /// all by columns. Of `a` nothing is left.
    fn qr(shape: [usize; 2], a: &mut [Self], q: &mut [Self], r: &mut [Self]);

    /// Replaces `a` by what Householder's reflections make of it, by columns: the upper triangle and, below it, the vectors
    /// of the reflections without the one that each begins with. Their factors go to `factors`.
    fn reflections(shape: [usize; 2], a: &mut [Self], factors: &mut [Self]);

    /// Singular values in descending order and, where wanted, left and right singular vectors, one after another: all
    /// of them where there is room, otherwise as many as there are values.
    ///
    /// # Errors
    /// [`Failure::NoConvergence`].
    fn svd(
        shape: [usize; 2],
        a: &[Self],
        values: &mut [Self],
        vectors: Option<(&mut [Self], &mut [Self])>,
    ) -> Result<(), Failure>;

    /// Eigenvalues, in ascending order, of the symmetric matrix whose lower triangle is in `a` and, where wanted,
    /// eigenvectors, one after another.
    ///
    /// # Errors
    /// [`Failure::NoConvergence`].
    fn eigh(n: usize, a: &[Self], values: &mut [Self], vectors: Option<&mut [Self]>) -> Result<(), Failure>;
}

macro_rules! decompose {
    ($($t:ty)*) => { $(
        impl Decompose for $t {
            fn cholesky(n: usize, a: &mut [Self]) -> Result<(), Failure> {
                triangular::cholesky(n, a)
            }

            fn lu(shape: [usize; 2], a: &mut [Self], order: &mut [i64]) {
                triangular::lu(shape, a, order);
            }

            fn lu_solve(n: usize, columns: usize, lu: &[Self], order: &[i64], side: Side, b: &mut [Self]) {
                triangular::lu_solve([n, columns], lu, order, side, b);
            }

            fn triangular_solve(n: usize, columns: usize, a: &[Self], triangle: Triangle, b: &mut [Self]) {
                triangular::solve([n, columns], a, triangle, b);
            }

            fn qr(shape: [usize; 2], a: &mut [Self], q: &mut [Self], r: &mut [Self]) {
                orthogonal::qr(shape, a, q, r);
            }

            fn reflections(shape: [usize; 2], a: &mut [Self], factors: &mut [Self]) {
                orthogonal::reflections(shape, a, factors);
            }

            fn svd(
                shape: [usize; 2],
                a: &[Self],
                values: &mut [Self],
                vectors: Option<(&mut [Self], &mut [Self])>,
            ) -> Result<(), Failure> {
                orthogonal::svd(shape, a, values, vectors)
            }

            fn eigh(n: usize, a: &[Self], values: &mut [Self], vectors: Option<&mut [Self]>) -> Result<(), Failure> {
                orthogonal::eigh(n, a, values, vectors)
            }
        }
    )* };
}
decompose!(f32 f64);
