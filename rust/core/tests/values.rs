//! Known values where they are easy to get wrong: NaN, infinities, empty sets, integers, ties, messages.

#![allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "numbers made for tests, exact in float64")]

use dlcore_core::autograd::engine::{Options, backward};
use dlcore_core::creation::{arange, eye, from_values, full, linspace};
use dlcore_core::random::{Generator, bernoulli, randint, randn, randperm, uniform};
use dlcore_core::{DType, Error, Result, Scalar, Tensor, ops};
use std::f64::consts::LN_2;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn floats(values: &[f64], shape: &[usize]) -> Tensor {
    from_values(values, shape).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.array().cast("test", DType::F64).unwrap().contiguous("test").unwrap().elements::<f64>().to_vec()
}

/// Equal, NaN to NaN.
fn assert_same(x: &Tensor, expected: &[f64]) {
    let got = values(x);
    let same =
        got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
    assert!(same, "got {got:?}, expected {expected:?}");
}

fn text<T>(result: Result<T>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn nan_spreads() {
    let x = floats(&[1.0, NAN, 3.0, -2.0, 5.0, 0.0], &[2, 3]);
    assert_same(&ops::relu(&x).unwrap(), &[1.0, NAN, 3.0, 0.0, 5.0, 0.0]);
    assert_same(&ops::amax(&x, &[1], false).unwrap(), &[NAN, 5.0]);
    let (largest, at) = ops::max_dim(&x, 1, false).unwrap();
    assert_same(&largest, &[NAN, 5.0]);
    assert_same(&at, &[1.0, 1.0]);
    assert_same(&ops::argmin(&x, None, false).unwrap(), &[1.0]);
    assert_same(
        &ops::clamp(&x, Some(Scalar::Float(0.0)), Some(Scalar::Int(2))).unwrap(),
        &[1.0, NAN, 2.0, 0.0, 2.0, 0.0],
    );
    assert_same(&ops::clamp(&x, Some(Scalar::Float(NAN)), None).unwrap(), &[NAN; 6]);
    assert_same(&ops::maximum(&x, &floats(&[0.0], &[])).unwrap(), &[1.0, NAN, 3.0, 0.0, 5.0, 0.0]);
    assert_same(&ops::isnan(&x).unwrap(), &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_same(&ops::logical_not(&x).unwrap(), &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn log_sum_exp_of_infinities() {
    let x = floats(&[-INF, -INF, 0.0, -INF, 1000.0, 1000.0, INF, 1.0, NAN, 0.0], &[5, 2]);
    assert_same(&ops::logsumexp(&x, &[1], false).unwrap(), &[-INF, 0.0, 1000.0 + LN_2, INF, NAN]);
    let leaf = Tensor::leaf(floats(&[-INF, -INF, 0.0, -INF], &[2, 2]).array().clone()).unwrap();
    let y = ops::sum(&ops::logsumexp(&leaf, &[1], false).unwrap(), &[0], false).unwrap();
    backward(&[y], &[], Options::default()).unwrap();
    assert_same(&leaf.grad().unwrap(), &[0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn sums_of_integers_are_int64_and_have_no_mean() {
    let x = from_values(&[200u8, 100, 50], &[3]).unwrap();
    let sum = ops::sum(&x, &[0], false).unwrap();
    assert_eq!((sum.dtype(), values(&sum)[0]), (DType::I64, 350.0));
    let truths = ops::gt(&x, &from_values(&[60u8], &[]).unwrap()).unwrap();
    let count = ops::sum(&truths, &[0], false).unwrap();
    assert_eq!((count.dtype(), values(&count)[0]), (DType::I64, 2.0));
    assert_eq!(text(ops::mean(&x, &[0], false)), "mean: expected a float dtype, got uint8; convert it with .float()");
    assert_eq!(ops::exp(&x).unwrap().dtype(), DType::F32);
}

#[test]
fn reductions_of_nothing() {
    let x = floats(&[], &[0, 3]);
    assert_same(&ops::sum(&x, &[0], false).unwrap(), &[0.0; 3]);
    assert_same(&ops::prod(&x, &[0], false).unwrap(), &[1.0; 3]);
    assert_same(&ops::mean(&x, &[0], false).unwrap(), &[NAN; 3]);
    assert_same(&ops::all_of(&x, &[0, 1], false).unwrap(), &[1.0]);
    assert_same(&ops::any_of(&x, &[0, 1], false).unwrap(), &[0.0]);
    assert_eq!(ops::amax(&x, &[1], false).unwrap().shape(), [0]);
    assert_eq!(
        text(ops::amax(&x, &[0], false)),
        "amax: no element to choose from in a tensor of shape (0, 3) along [0]"
    );
    assert!(ops::argmax(&x, None, false).is_err() && ops::max_dim(&x, 0, false).is_err());
}

#[test]
fn variance_and_deviation() {
    let x = floats(&[1.0, 2.0, 3.0, 6.0], &[4]);
    assert_same(&ops::var(&x, &[0], 1.0, false).unwrap(), &[14.0 / 3.0]);
    assert_same(&ops::var(&x, &[0], 0.0, true).unwrap(), &[3.5]);
    assert_same(&ops::var(&floats(&[1.0], &[1]), &[0], 1.0, false).unwrap(), &[NAN]);
    let flat = Tensor::leaf(floats(&[2.0, 2.0], &[2]).array().clone()).unwrap();
    let deviation = ops::std(&flat, &[0], 1.0, false).unwrap();
    backward(&[deviation], &[], Options::default()).unwrap();
    assert_same(&flat.grad().unwrap(), &[0.0, 0.0]);
}

#[test]
fn equals_share_the_gradient_of_an_extremum_and_a_position_takes_all() {
    let gradient = |y: fn(&Tensor) -> Tensor| {
        let x = Tensor::leaf(floats(&[3.0, 1.0, 3.0], &[3]).array().clone()).unwrap();
        backward(&[y(&x)], &[], Options::default()).unwrap();
        values(&x.grad().unwrap())
    };
    assert_eq!(gradient(|x| ops::amax(x, &[0], false).unwrap()), [0.5, 0.0, 0.5]);
    assert_eq!(gradient(|x| ops::max_dim(x, 0, false).unwrap().0), [1.0, 0.0, 0.0]);
}

#[test]
fn the_gradient_of_a_product_with_zeros() {
    for (x, expected) in [([2.0, 0.0, 3.0], [0.0, 6.0, 0.0]), ([0.0, 0.0, 3.0], [0.0; 3])] {
        let x = Tensor::leaf(floats(&x, &[3]).array().clone()).unwrap();
        backward(&[ops::prod(&x, &[0], false).unwrap()], &[], Options::default()).unwrap();
        assert_same(&x.grad().unwrap(), &expected);
    }
}

#[test]
fn joining_and_reordering() {
    let a = floats(&[1.0, 2.0, 3.0, 4.0], &[2, 2]);
    let b = floats(&[5.0, 6.0], &[2, 1]);
    assert_same(&ops::cat(&[&a, &b], -1).unwrap(), &[1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
    assert_eq!(
        text(ops::cat(&[&a, &b], 0)),
        "cat: tensor 0 has shape (2, 2) and tensor 1 has shape (2, 1): \
         they differ in dimension 1, and may differ only in dimension 0"
    );
    assert!(text(ops::cat(&[], 0)).contains("at least one tensor"));
    assert!(matches!(ops::cat(&[&a], 2), Err(Error::Index(_))));
    assert_eq!(ops::cat(&[&floats(&[], &[0]), &a], 1).unwrap().shape(), [2, 2]);
    assert_same(&ops::stack(&[&a, &a], 2).unwrap(), &[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
    assert_eq!(
        text(ops::stack(&[&a, &b], 0)),
        "stack: tensor 0 has shape (2, 2) and tensor 1 has shape (2, 1): all must have the same shape"
    );
    assert_same(&ops::flip(&a, &[0, 1]).unwrap(), &[4.0, 3.0, 2.0, 1.0]);
    assert!(matches!(ops::flip(&a, &[0, -2]), Err(Error::Value(_))));
    assert_same(&ops::repeat(&b, &[1, 3]).unwrap(), &[5.0, 5.0, 5.0, 6.0, 6.0, 6.0]);
    assert_same(&ops::repeat(&floats(&[1.0, 2.0], &[2]), &[2, 2]).unwrap(), &[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    assert_eq!(ops::repeat(&a, &[0, 2]).unwrap().shape(), [0, 4]);
    assert!(ops::repeat(&a, &[usize::MAX, 2]).is_err() && ops::repeat(&a, &[2]).is_err());
    assert_same(&ops::cumsum(&a, 0).unwrap(), &[1.0, 2.0, 4.0, 6.0]);
    assert_same(&ops::cumsum(&a, 1).unwrap(), &[1.0, 3.0, 3.0, 7.0]);
    assert_same(&ops::triu(&a, 1).unwrap(), &[0.0, 2.0, 0.0, 0.0]);
    assert_same(&ops::tril(&a, 0).unwrap(), &[1.0, 0.0, 3.0, 4.0]);
    assert_eq!(ops::tril(&floats(&[], &[0, 0]), 0).unwrap().shape(), [0, 0]);
}

#[test]
fn counting() {
    let (int, float) = (Scalar::Int, Scalar::Float);
    let range = |start, end, step| arange(start, end, step, None);
    let whole = range(int(0), int(5), int(2)).unwrap();
    assert_eq!(whole.dtype(), DType::I64);
    assert_same(&whole, &[0.0, 2.0, 4.0]);
    let parts = range(int(1), float(0.0), float(-0.25)).unwrap();
    assert_eq!(parts.dtype(), DType::F32);
    assert_same(&parts, &[1.0, 0.75, 0.5, 0.25]);
    assert_eq!(range(int(3), int(3), int(1)).unwrap().numel(), 0);
    assert_same(&range(int((i64::MAX - 1).into()), int(i64::MAX.into()), int(1)).unwrap(), &[i64::MAX as f64]);
    for bad in [
        range(int(0), int(5), int(0)),
        range(int(0), int(5), int(-1)),
        range(float(0.0), float(INF), int(1)),
        range(int(i64::MIN.into()), int(i64::MAX.into()), int(1)),
        range(float(0.0), float(1e300), float(1e-300)),
        arange(int(0), int(2), int(1), Some(DType::Bool)),
    ] {
        assert!(bad.is_err());
    }
    assert_same(&linspace(0.0, 1.0, 5, DType::F32).unwrap(), &[0.0, 0.25, 0.5, 0.75, 1.0]);
    assert_eq!(linspace(0.0, 1.0, 0, DType::F64).unwrap().numel(), 0);
    assert_same(&eye(2, 3, DType::I32).unwrap(), &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(eye(3, 0, DType::F32).unwrap().numel(), 0);
    assert_eq!(full(&[2], Scalar::Bool(true), None).unwrap().dtype(), DType::Bool);
    assert!(full(&[usize::MAX, 3], int(1), None).is_err() && full(&[1 << 50], int(1), None).is_err());
    assert!(from_values(&[1.0], &[2]).is_err());
}

#[test]
fn random_numbers_follow_the_seed() {
    let draw = |generator: &Generator| values(&randn(generator, &[1000], DType::F32).unwrap());
    let (a, b) = (Generator::new(1), Generator::new(1));
    let first = draw(&a);
    assert_eq!(first, draw(&b));
    assert_ne!(first, draw(&a), "the stream moves on");
    a.manual_seed(1);
    assert_eq!(first, draw(&a));
    let state = a.state();
    let next = draw(&a);
    a.set_state(state);
    assert_eq!(next, draw(&a));

    let within = values(&uniform(&a, &[1000], -1.0, 2.0, DType::F64).unwrap());
    assert!(within.iter().all(|x| (-1.0..2.0).contains(x)));
    assert!(values(&randint(&a, -3, 4, &[1000], DType::I32).unwrap()).iter().all(|x| (-3.0..4.0).contains(x)));
    assert!(randint(&a, 4, 4, &[1], DType::I64).is_err() && uniform(&a, &[1], 0.0, 1.0, DType::I64).is_err());
    let mut order = values(&randperm(&a, 100, DType::I64).unwrap());
    order.sort_by(f64::total_cmp);
    assert_eq!(order, (0..100).map(f64::from).collect::<Vec<_>>());
    assert_same(&bernoulli(&a, &floats(&[0.0, 1.0], &[2])).unwrap(), &[0.0, 1.0]);
    assert!(bernoulli(&a, &floats(&[NAN], &[1])).is_err() && bernoulli(&a, &floats(&[1.5], &[1])).is_err());
}
