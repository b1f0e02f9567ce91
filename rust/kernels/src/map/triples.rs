//! Functions of three numbers.

use super::engine::{Function1, Function3, map3};
use super::operations::{CHEAP, Clamp};
use crate::element::{Element, Float};
use crate::isa::Simd;
use crate::layout::Strided;
use crate::memory::Pod;

#[derive(Clone, Copy)]
struct Between;
impl<T: Element> Function3<T, T, T, T> for Between {
    const COST: usize = 2 * CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, x: T, low: T, high: T) -> T {
        let x = if (x >= low) | x.is_nan() { x } else { low };
        if (x <= high) | x.is_nan() { x } else { high }
    }
}

/// `min(max(src[i], low[i]), high[i])`; NaN anywhere is NaN.
///
/// # Panics
/// If a window leaves its slice or differs from `dst` in size.
pub fn clamp_between<T: Element>(src: (&[T], Strided), low: (&[T], Strided), high: (&[T], Strided), dst: &mut [T]) {
    map3(Between, src, low, high, dst);
}

#[derive(Clone, Copy)]
struct Lerp;
impl<T: Float> Function3<T, T, T, T> for Lerp {
    const COST: usize = 2 * CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, start: T, end: T, weight: T) -> T {
        let distance = end - start;
        if weight.magnitude() < T::from_f64(0.5) {
            start + weight * distance
        } else {
            end + (weight - T::ONE) * distance
        }
    }
}

/// `start[i] + weight[i] * (end[i] - start[i])`, from the nearer end.
///
/// # Panics
/// If a window leaves its slice or differs from `dst` in size.
pub fn lerp<T: Float>(start: (&[T], Strided), end: (&[T], Strided), weight: (&[T], Strided), dst: &mut [T]) {
    map3(Lerp, start, end, weight, dst);
}

/// `x + value * y * z`.
#[derive(Clone, Copy)]
struct AddProduct<T>(T);
impl<T: Float> Function3<T, T, T, T> for AddProduct<T> {
    const COST: usize = 2 * CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, x: T, y: T, z: T) -> T {
        x + self.0 * (y * z)
    }
}

/// `x + value * y / z`.
#[derive(Clone, Copy)]
struct AddRatio<T>(T);
impl<T: Float> Function3<T, T, T, T> for AddRatio<T> {
    const COST: usize = 2 * CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, x: T, y: T, z: T) -> T {
        x + self.0 * (y / z)
    }
}

/// `x[i] + value * y[i] * z[i]`.
///
/// # Panics
/// If a window leaves its slice or differs from `dst` in size.
pub fn add_product<T: Float>(value: T, x: (&[T], Strided), y: (&[T], Strided), z: (&[T], Strided), dst: &mut [T]) {
    map3(AddProduct(value), x, y, z, dst);
}

/// `x[i] + value * y[i] / z[i]`.
///
/// # Panics
/// If a window leaves its slice or differs from `dst` in size.
pub fn add_ratio<T: Float>(value: T, x: (&[T], Strided), y: (&[T], Strided), z: (&[T], Strided), dst: &mut [T]) {
    map3(AddRatio(value), x, y, z, dst);
}

/// The gradient of Huber's loss for `x`, given that of the loss.
#[derive(Clone, Copy)]
struct HuberGrad<T>(T);
impl<T: Float> Function3<T, T, T, T> for HuberGrad<T> {
    const COST: usize = 2 * CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, grad: T, x: T, y: T) -> T {
        grad * Clamp(-self.0, self.0).call::<S>(x - y)
    }
}

/// Gradient of [`huber`](super::huber) for `a`, given that of the result: `grad[i] * min(max(a[i] - b[i], -delta), delta)`.
///
/// # Panics
/// If a window leaves its slice or differs from `dst` in size.
pub fn huber_grad<T: Float>(delta: T, grad: (&[T], Strided), a: (&[T], Strided), b: (&[T], Strided), dst: &mut [T]) {
    map3(HuberGrad(delta), grad, a, b, dst);
}

#[derive(Clone, Copy)]
struct Choose;
impl<T: Pod> Function3<u8, T, T, T> for Choose {
    const COST: usize = 2 * CHEAP;
    #[inline(always)]
    fn call<S: Simd>(self, condition: u8, a: T, b: T) -> T {
        if condition == 0 { b } else { a }
    }
}

/// `dst[i] = a[i]` where `condition[i]` is not 0, else `b[i]`.
///
/// # Panics
/// If a window leaves its slice or differs from `dst` in size.
pub fn select<T: Pod>(condition: (&[u8], Strided), a: (&[T], Strided), b: (&[T], Strided), dst: &mut [T]) {
    map3(Choose, condition, a, b, dst);
}
