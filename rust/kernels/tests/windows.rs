//! Maps, copies and reductions over random windows (strided, negative, broadcast, empty) against plain loops.

#![allow(clippy::float_cmp, reason = "exact numbers")]

use std::collections::HashSet;

use dlcore_kernels::copy;
use dlcore_kernels::element::Element;
use dlcore_kernels::layout::Strided;
use dlcore_kernels::map::{self, Binary, Compare, FloatTest, Unary};
use dlcore_kernels::memory::Buffer;
use dlcore_kernels::reduce::{self, Extreme, Split};
use dlcore_kernels::stored::Stored;

/// Small random numbers, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn value(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(4001)).expect("small")) / 1000.0 - 2.0
    }

    fn values<T: Element>(&mut self, len: usize) -> Vec<T> {
        (0..len).map(|_| T::from_f64(self.value() * if T::IS_FLOAT { 1.0 } else { 50.0 })).collect()
    }
}

/// A window that owns its description.
#[derive(Clone, Debug)]
struct Window {
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: usize,
    len: usize,
}

impl Window {
    fn contiguous(shape: &[usize]) -> Self {
        Self::random(shape, &mut Random(0), false, false)
    }

    /// A window over memory in which its dimensions lie in random order, with gaps, some reversed; with `broadcast`,
    /// some of stride zero.
    fn random(shape: &[usize], random: &mut Random, shuffle: bool, broadcast: bool) -> Self {
        let mut order: Vec<usize> = (0..shape.len()).rev().collect();
        if shuffle {
            for i in (1..order.len()).rev() {
                order.swap(i, random.below(i + 1));
            }
        }
        let mut strides = vec![0isize; shape.len()];
        let (mut step, mut offset) = (1, 0);
        for dim in order {
            let extent = shape[dim].max(1);
            if broadcast && random.below(3) == 0 {
                continue;
            }
            let gap = if shuffle { 1 + random.below(2) } else { 1 };
            let stride = (step * gap).cast_signed();
            let reversed = shuffle && random.below(3) == 0;
            strides[dim] = if reversed { -stride } else { stride };
            offset += if reversed { (extent - 1) * step * gap } else { 0 };
            step *= extent * gap;
        }
        let before = if shuffle { random.below(5) } else { 0 };
        Self { shape: shape.to_vec(), strides, offset: offset + before, len: step + before }
    }

    fn strided(&self) -> Strided<'_> {
        Strided { shape: &self.shape, strides: &self.strides, offset: self.offset }
    }

    /// Positions of all elements in row-major order.
    fn positions(&self) -> Vec<usize> {
        let mut found = vec![self.offset.cast_signed()];
        for (&extent, &stride) in self.shape.iter().zip(&self.strides) {
            found = found.iter().flat_map(|at| (0..extent.cast_signed()).map(move |i| at + i * stride)).collect();
        }
        found.into_iter().map(isize::cast_unsigned).collect()
    }

    fn read<T: Element>(&self, data: &[T]) -> Vec<T> {
        self.positions().into_iter().map(|at| data[at]).collect()
    }
}

const SHAPES: [&[usize]; 17] = [
    &[],
    &[0],
    &[1],
    &[7],
    &[33],
    &[2, 3],
    &[3, 0, 2],
    &[1, 5, 1],
    &[64, 10],
    &[3, 1031],
    &[257, 129],
    &[5, 7, 11],
    &[2, 3, 4, 5],
    &[3, 2, 1, 2, 3],
    &[70_001],
    &[300, 150],
    &[9, 130, 33],
];

/// Runs `body` for every shape with windows of every kind.
fn for_windows(mut body: impl FnMut(&mut Random, &Window, &Window)) {
    let mut random = Random(7);
    for shape in SHAPES {
        for (shuffle, broadcast) in [(false, false), (true, false), (false, true), (true, true)] {
            let a = Window::random(shape, &mut random, shuffle, broadcast);
            let b = Window::random(shape, &mut random, broadcast, shuffle);
            body(&mut random, &a, &b);
        }
    }
}

fn same<T: Element>(got: &[T], want: &[T], what: &dyn std::fmt::Debug) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(g == w || (g.is_nan() && w.is_nan()), "{what:?}: element {i} is {g:?}, not {w:?}");
    }
}

fn arithmetic<T: Element>() {
    for_windows(|random, wa, wb| {
        let (a, b): (Vec<T>, Vec<T>) = (random.values(wa.len), random.values(wb.len));
        let (x, y) = (wa.read(&a), wb.read(&b));
        let mut dst = vec![T::ONE; x.len()];
        map::unary(Unary::Neg, &a, wa.strided(), &mut dst);
        same(&dst, &x.iter().map(|x| x.wrapping_neg()).collect::<Vec<T>>(), &("neg", wa));
        map::binary(Binary::Sub, &a, wa.strided(), &b, wb.strided(), &mut dst);
        let want: Vec<T> = x.iter().zip(&y).map(|(x, &y)| x.wrapping_sub(y)).collect();
        same(&dst, &want, &("sub", wa, wb));
        map::binary(Binary::Maximum, &a, wa.strided(), &b, wb.strided(), &mut dst);
        let want: Vec<T> = x.iter().zip(&y).map(|(&x, &y)| if x > y { x } else { y }).collect();
        same(&dst, &want, &("maximum", wa, wb));
        let mut sum = x.clone();
        map::add_assign(&mut sum, &b, wb.strided());
        same(&sum, &x.iter().zip(&y).map(|(x, &y)| x.wrapping_add(y)).collect::<Vec<T>>(), &("add_assign", wb));
        let mut less = vec![9; x.len()];
        map::compare(Compare::Lt, &a, wa.strided(), &b, wb.strided(), &mut less);
        same(&less, &x.iter().zip(&y).map(|(x, y)| u8::from(x < y)).collect::<Vec<u8>>(), &("lt", wa, wb));
        let condition: Vec<u8> = (0..wb.len).map(|i| u8::from(i % 3 == 0)).collect();
        map::select((&condition, wb.strided()), (&a, wa.strided()), (&b, wb.strided()), &mut dst);
        let want =
            wb.read(&condition).into_iter().zip(x.iter().zip(&y)).map(|(c, (&x, &y))| if c == 0 { y } else { x });
        same(&dst, &want.collect::<Vec<T>>(), &("select", wa, wb));
        let (low, high) = (T::from_f64(1.0), T::from_f64(20.0));
        map::clamp(Some(low), Some(high), &a, wa.strided(), &mut dst);
        let limit = |&x: &T| {
            if x < low {
                low
            } else if x > high {
                high
            } else {
                x
            }
        };
        same(&dst, &x.iter().map(limit).collect::<Vec<T>>(), &("clamp", wa));
    });
}

#[test]
fn maps_of_every_type() {
    arithmetic::<f32>();
    arithmetic::<f64>();
    arithmetic::<i64>();
    arithmetic::<i32>();
    arithmetic::<u8>();
}

#[test]
fn axpy_is_fused_multiply_and_add() {
    for_windows(|random, wa, _| {
        let a: Vec<f64> = random.values(wa.len);
        let x = wa.read(&a);
        let mut y = vec![1.0; x.len()];
        map::axpy(&mut y, 0.5, &a, wa.strided());
        same(&y, &x.iter().map(|x| x.mul_add(0.5, 1.0)).collect::<Vec<f64>>(), &wa);
    });
}

fn copies<T: Element>() {
    for_windows(|random, wa, wb| {
        let a: Vec<T> = random.values(wa.len);
        let x = wa.read(&a);
        let mut dst = vec![T::ONE; x.len()];
        copy::copy(&a, wa.strided(), &mut dst);
        same(&dst, &x, &wa);
        // A destination with zero strides has no defined contents.
        if wb.positions().iter().collect::<HashSet<_>>().len() == x.len() {
            let mut target = Buffer::zeroed(wb.len * size_of::<T>());
            target.as_mut_slice().copy_from_slice(&random.values::<T>(wb.len));
            let mut want = target.as_slice::<T>().to_vec();
            for (at, &x) in wb.positions().into_iter().zip(&x) {
                want[at] = x;
            }
            copy::copy_into(&a, wa.strided(), &target, wb.strided());
            same(target.as_slice(), &want, &(wa, wb));
        }
    });
}

#[test]
fn copies_of_every_type() {
    copies::<f32>();
    copies::<f64>();
    copies::<u8>();
}

#[test]
fn overlapping_copies_read_before_they_write() {
    let shifted = |by: usize, to: usize| {
        let mut buffer = Buffer::uninit(100 * 4);
        copy::arange(0, 1, buffer.as_mut_slice::<i32>());
        let window = |offset| Strided { shape: &[90], strides: &[1], offset };
        copy::copy_into(buffer.as_slice::<i32>(), window(by), &buffer, window(to));
        let want: Vec<i32> = (0..90).map(|i| i + i32::try_from(by).expect("small")).collect();
        assert_eq!(&buffer.as_slice::<i32>()[to..to + 90], want);
    };
    shifted(0, 1);
    shifted(10, 3);
    let mut buffer = Buffer::uninit(9 * 8);
    copy::arange(0.0, 1.0, buffer.as_mut_slice::<f64>());
    let transposed = Strided { shape: &[3, 3], strides: &[1, 3], offset: 0 };
    copy::copy_into(buffer.as_slice::<f64>(), transposed, &buffer, Window::contiguous(&[3, 3]).strided());
    assert_eq!(buffer.as_slice::<f64>(), [0.0, 3.0, 6.0, 1.0, 4.0, 7.0, 2.0, 5.0, 8.0]);
}

#[test]
fn casts_truncate_and_wrap() {
    let flat = |len: usize| Window::contiguous(&[len]);
    let mut bytes = [0u8; 5];
    copy::cast(&[-1.5f32, 300.0, f32::NAN, 2.9, 255.0], flat(5).strided(), &mut bytes);
    assert_eq!(bytes, [255, 44, 0, 2, 255]);
    let mut ints = [0i32; 3];
    copy::cast(&[i64::MAX, -1, 1 << 33], flat(3).strided(), &mut ints);
    assert_eq!(ints, [-1, -1, 0]);
    let mut floats = [0f32; 2];
    copy::cast(&[16_777_217i64, -3], flat(2).strided(), &mut floats);
    assert_eq!(floats, [16_777_216.0, -3.0]);
    let mut truths = [7u8; 4];
    map::to_bool(&[0.0f32, -0.0, f32::NAN, 0.5], flat(4).strided(), &mut truths);
    assert_eq!(truths, [0, 0, 1, 1]);
}

#[test]
fn formulas_of_the_index() {
    let mut range = [0i64; 4];
    copy::arange(5, -2, &mut range);
    assert_eq!(range, [5, 3, 1, -1]);
    let mut floats = [0f32; 3];
    copy::arange(0.1, 0.1, &mut floats);
    assert_eq!(floats, [0.1, 0.2, 0.3]);
    let mut line = [0f64; 5];
    copy::linspace(-1.0, 1.0, &mut line);
    assert_eq!(line, [-1.0, -0.5, 0.0, 0.5, 1.0]);
    let mut one = [0f64; 1];
    copy::linspace(3.0, 4.0, &mut one);
    assert_eq!(one, [3.0]);
    let mut eye = [9u8; 6];
    copy::eye(3, &mut eye);
    assert_eq!(eye, [1, 0, 0, 0, 1, 0]);
    copy::eye(0, &mut [0u8; 0]);
}

#[test]
fn nan_rules_of_maps() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let pair = |op, a: f32, b: f32| {
        let mut dst = [0f32];
        let one = Strided { shape: &[], strides: &[], offset: 0 };
        map::binary(op, &[a], one, &[b], one, &mut dst);
        dst[0]
    };
    for op in [Binary::Maximum, Binary::Minimum] {
        assert!(pair(op, nan, 1.0).is_nan() && pair(op, 1.0, nan).is_nan());
    }
    assert_eq!((pair(Binary::Remainder, -7.0, 3.0), pair(Binary::Remainder, 7.0, -3.0)), (2.0, -2.0));
    assert_eq!((pair(Binary::FloorDivide, -7.0, 2.0), pair(Binary::FloorDivide, 1.0, 0.0)), (-4.0, inf));
    assert!(pair(Binary::Remainder, 1.0, 0.0).is_nan());
    let x = [nan, inf, -inf, -0.0, 2.5, -3.5];
    let layout = Strided { shape: &[6], strides: &[1], offset: 0 };
    let mut y = [0f32; 6];
    map::unary(Unary::Relu, &x, layout, &mut y);
    assert!(y[0].is_nan());
    assert_eq!(y[1..], [inf, 0.0, 0.0, 2.5, 0.0]);
    map::unary(Unary::Sign, &x, layout, &mut y);
    assert_eq!(y, [0.0, 1.0, -1.0, 0.0, 1.0, -1.0]);
    map::clamp(Some(-1.0), None, &x, layout, &mut y);
    assert!(y[0].is_nan());
    assert_eq!(y[1..], [inf, -1.0, 0.0, 2.5, -1.0]);
    map::float_unary(map::FloatUnary::Round, &x, layout, &mut y);
    assert_eq!(y[3..], [-0.0, 2.0, -4.0]);
    let mut truths = [0u8; 6];
    map::float_test(FloatTest::IsNan, &x, layout, &mut truths);
    assert_eq!(truths, [1, 0, 0, 0, 0, 0]);
    map::float_test(FloatTest::IsInf, &x, layout, &mut truths);
    assert_eq!(truths, [0, 1, 1, 0, 0, 0]);
    map::float_test(FloatTest::IsFinite, &x, layout, &mut truths);
    assert_eq!(truths, [0, 0, 0, 1, 1, 1]);
}

#[test]
fn integers_never_panic() {
    let a = [i64::MIN, i64::MIN, 7, -7, 7, -7, 5];
    let b = [-1, 0, 2, 2, -2, -2, 0];
    let layout = Strided { shape: &[7], strides: &[1], offset: 0 };
    let apply = |op| {
        let mut dst = [0i64; 7];
        map::binary(op, &a, layout, &b, layout, &mut dst);
        dst
    };
    assert_eq!(apply(Binary::Div), [i64::MIN, 0, 3, -3, -3, 3, 0]);
    assert_eq!(apply(Binary::FloorDivide), [i64::MIN, 0, 3, -4, -4, 3, 0]);
    assert_eq!(apply(Binary::Remainder), [0, 0, 1, 1, -1, -1, 0]);
    assert_eq!(apply(Binary::Mul), [i64::MIN, 0, 14, -14, -14, 14, 0]);
    assert_eq!(apply(Binary::Pow), [0, 1, 49, 49, 0, 0, 1]);
    let mut dst = [0i64; 7];
    map::unary(Unary::Abs, &a, layout, &mut dst);
    assert_eq!(dst, [i64::MIN, i64::MIN, 7, 7, 7, 7, 5]);
    let one = Strided { shape: &[], strides: &[], offset: 0 };
    let mut byte = [0u8];
    map::binary(Binary::FloorDivide, &[200u8], one, &[7], one, &mut byte);
    assert_eq!(byte, [28]);
}

/// Splits a window at its dimensions in `mask`: those are reduced.
struct Parts {
    kept: Vec<usize>,
    kept_strides: Vec<isize>,
    reduced: Vec<usize>,
    reduced_strides: Vec<isize>,
    offset: usize,
}

impl Parts {
    fn new(window: &Window, mask: usize) -> Self {
        let dims = |reduced: bool| (0..window.shape.len()).filter(move |dim| (mask >> dim & 1 == 1) == reduced);
        Self {
            kept: dims(false).map(|dim| window.shape[dim]).collect(),
            kept_strides: dims(false).map(|dim| window.strides[dim]).collect(),
            reduced: dims(true).map(|dim| window.shape[dim]).collect(),
            reduced_strides: dims(true).map(|dim| window.strides[dim]).collect(),
            offset: window.offset,
        }
    }

    fn split(&self) -> Split<'_> {
        Split {
            kept: &self.kept,
            kept_strides: &self.kept_strides,
            reduced: &self.reduced,
            reduced_strides: &self.reduced_strides,
            offset: self.offset,
        }
    }

    /// The elements of each output.
    fn groups<T: Element>(&self, data: &[T]) -> Vec<Vec<T>> {
        let kept = Window { shape: self.kept.clone(), strides: self.kept_strides.clone(), offset: self.offset, len: 0 };
        let group =
            |offset| Window { shape: self.reduced.clone(), strides: self.reduced_strides.clone(), offset, len: 0 };
        kept.positions().into_iter().map(|at| group(at).read(data)).collect()
    }
}

/// Runs `body` for every window and every set of reduced dimensions.
fn for_reductions<T: Element>(mut body: impl FnMut(&[T], &Parts, Vec<Vec<T>>)) {
    for_windows(|random, window, _| {
        let data: Vec<T> = random.values(window.len);
        for mask in 0..1 << window.shape.len() {
            let parts = Parts::new(window, mask);
            let groups = parts.groups(&data);
            body(&data, &parts, groups);
        }
    });
}

fn first_extreme<T: Element>(group: &[T], beats: impl Fn(T, T) -> bool) -> i64 {
    let best = (1..group.len()).fold(0, |best, i| if beats(group[i], group[best]) { i } else { best });
    i64::try_from(best).expect("small")
}

fn exact_reductions<T: Element>() {
    for_reductions::<T>(|data, parts, groups| {
        let split = parts.split();
        let mut dst = vec![T::ONE; groups.len()];
        let mut positions = vec![-1; groups.len()];
        if split.count() > 0 {
            reduce::extreme(Extreme::Max, data, split, &mut dst);
            let max = |group: &Vec<T>| group.iter().fold(T::LOWEST, |a, &b| if b > a { b } else { a });
            same(&dst, &groups.iter().map(max).collect::<Vec<T>>(), &split);
            reduce::extreme(Extreme::Min, data, split, &mut dst);
            let min = |group: &Vec<T>| group.iter().fold(T::HIGHEST, |a, &b| if b < a { b } else { a });
            same(&dst, &groups.iter().map(min).collect::<Vec<T>>(), &split);
            reduce::argmax(data, split, &mut positions);
            let want = groups.iter().map(|group| first_extreme(group, |a, b| a > b)).collect::<Vec<i64>>();
            same(&positions, &want, &split);
            reduce::argmin(data, split, &mut positions);
            let want = groups.iter().map(|group| first_extreme(group, |a, b| a < b)).collect::<Vec<i64>>();
            same(&positions, &want, &split);
        }
        let mut truths = vec![9; groups.len()];
        reduce::truth(false, data, split, &mut truths);
        let any = |group: &Vec<T>| u8::from(group.iter().any(|&x| x != T::ZERO));
        same(&truths, &groups.iter().map(any).collect::<Vec<u8>>(), &split);
        reduce::truth(true, data, split, &mut truths);
        let all = |group: &Vec<T>| u8::from(group.iter().all(|&x| x != T::ZERO));
        same(&truths, &groups.iter().map(all).collect::<Vec<u8>>(), &split);
        reduce::sum_i64(data, split, &mut positions);
        let sum = |group: &Vec<T>| group.iter().map(|x| x.to_i64()).sum();
        same(&positions, &groups.iter().map(sum).collect::<Vec<i64>>(), &split);
    });
}

#[test]
fn extremes_truths_and_counts() {
    exact_reductions::<f32>();
    exact_reductions::<i64>();
    exact_reductions::<u8>();
}

#[test]
fn sums_products_and_logsumexp_match_float64() {
    for_reductions::<f32>(|data, parts, groups| {
        let split = parts.split();
        let mut dst = vec![1f32; groups.len()];
        let check = |what: &str, dst: &[f32], want: &dyn Fn(&[f64]) -> f64, scale: &dyn Fn(&[f64]) -> f64| {
            for (got, group) in dst.iter().zip(&groups) {
                let wide: Vec<f64> = group.iter().map(|&x| f64::from(x)).collect();
                let (want, bound) = (want(&wide), 1e-6 * scale(&wide) + 1e-30);
                assert!((f64::from(*got) - want).abs() <= bound, "{what} {split:?}: {got} for {want}");
            }
        };
        let size = |x: &[f64]| x.iter().map(|x| x.abs()).sum::<f64>();
        reduce::sum(data, split, &mut dst);
        check("sum", &dst, &|x| x.iter().sum(), &size);
        if split.count() > 0 {
            reduce::mean(data, split, &mut dst);
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let count = split.count() as f64;
            check("mean", &dst, &|x| x.iter().sum::<f64>() / count, &|x| size(x) / count);
            reduce::logsumexp(data, split, &mut dst);
            check("logsumexp", &dst, &|x| x.iter().map(|x| x.exp()).sum::<f64>().ln(), &|_| 4.0);
        }
        if split.count() < 100 {
            reduce::product(data, split, &mut dst);
            check("product", &dst, &|x| x.iter().product(), &|x| 6.0 * x.iter().product::<f64>().abs());
        }
    });
}

#[test]
fn sums_are_as_accurate_as_pairwise() {
    let len = 1 << 22;
    let data = vec![0.1f32; len];
    let whole = Split { kept: &[], kept_strides: &[], reduced: &[len], reduced_strides: &[1], offset: 0 };
    let mut sum = [0f32];
    reduce::sum(&data, whole, &mut sum);
    let want = f64::from(0.1f32) * 4_194_304.0;
    assert!((f64::from(sum[0]) / want - 1.0).abs() < 3e-7, "{sum:?} for {want}");
    let rows = len / 16;
    let columns = Split { kept: &[16], kept_strides: &[1], reduced: &[rows], reduced_strides: &[16], offset: 0 };
    let mut sums = [0f32; 16];
    reduce::sum(&data, columns, &mut sums);
    assert!(sums.iter().all(|&sum| (f64::from(sum) * 16.0 / want - 1.0).abs() < 3e-7), "{sums:?} for {want}");
}

#[test]
fn reductions_of_nothing_and_of_nan() {
    let nothing = Split { kept: &[2], kept_strides: &[1], reduced: &[0], reduced_strides: &[1], offset: 0 };
    let mut dst = [9f32; 2];
    reduce::sum::<f32>(&[], nothing, &mut dst);
    assert_eq!(dst, [0.0, 0.0]);
    reduce::product(&[], nothing, &mut dst);
    assert_eq!(dst, [1.0, 1.0]);
    reduce::mean::<f32>(&[], nothing, &mut dst);
    assert!(dst.iter().all(|x| x.is_nan()));
    reduce::logsumexp(&[], nothing, &mut dst);
    assert_eq!(dst, [f32::NEG_INFINITY; 2]);
    assert!(std::panic::catch_unwind(|| reduce::extreme(Extreme::Max, &[] as &[f32], nothing, &mut [0.0; 2])).is_err());

    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for len in [1, 5, 33, 3000] {
        let mut data = vec![1f32; len];
        data[len / 2] = nan;
        data[len - 1] = if len > 1 { inf } else { nan };
        let whole = Split { kept: &[], kept_strides: &[], reduced: &[len], reduced_strides: &[1], offset: 0 };
        let (mut value, mut position) = ([0f32], [0i64]);
        for which in [Extreme::Max, Extreme::Min] {
            reduce::extreme(which, &data, whole, &mut value);
            assert!(value[0].is_nan(), "{which:?} of {len}");
        }
        for of in [reduce::sum::<f32>, reduce::product::<f32>] {
            of(&data, whole, &mut value);
            assert!(value[0].is_nan(), "of {len}");
        }
        reduce::logsumexp(&data, whole, &mut value);
        assert!(value[0].is_nan());
        let first = i64::try_from(len / 2).expect("small");
        reduce::argmax(&data, whole, &mut position);
        assert_eq!(position, [first]);
        reduce::argmin(&data, whole, &mut position);
        assert_eq!(position, [first]);
        let infinite = vec![-inf; len];
        reduce::logsumexp(&infinite, whole, &mut value);
        assert_eq!(value, [-inf]);
        reduce::argmax(&infinite, whole, &mut position);
        assert_eq!(position, [0]);
    }
}

#[test]
fn small_integers_are_summed_without_overflow() {
    fn check<K: Stored>(most: K, least: K) {
        let (rows, columns) = (70_001, 3);
        let data: Vec<K> = (0..rows * columns).map(|i| if i % columns == 0 { most } else { least }).collect();
        let (most, least) = (most.load().to_i64() * 70_001, least.load().to_i64() * 70_001);
        let all = Split { kept: &[], kept_strides: &[], reduced: &[rows * columns], reduced_strides: &[1], offset: 0 };
        let mut sum = [0];
        reduce::sum_i64(&data, all, &mut sum);
        assert_eq!(sum, [most + 2 * least]);
        let by_column =
            Split { kept: &[columns], kept_strides: &[1], reduced: &[rows], reduced_strides: &[3], offset: 0 };
        let mut sums = [0; 3];
        reduce::sum_i64(&data, by_column, &mut sums);
        assert_eq!(sums, [most, least, least]);
    }
    check(i8::MAX, i8::MIN);
    check(i16::MAX, i16::MIN);
    check(u16::MAX, 1);
    check(u32::MAX, 1);
}
