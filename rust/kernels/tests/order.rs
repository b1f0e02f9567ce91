//! Running sums and products, sorting, and the largest few, against their definitions.

#[allow(unused)]
mod support;

use dlcore_kernels::element::Element;
use dlcore_kernels::scan::{Scan, scan};
use dlcore_kernels::sort::{sort, topk};
use support::{assert_close, assert_same_bits, bits, numbers, widen};

#[test]
fn running_sums_and_products_of_any_shape() {
    let long = 3 * (1 << 17) + 77;
    for (outer, rows, columns) in
        [(1, 1, 1), (3, 15, 1), (2, 16, 1), (5, 1000, 1), (2, long, 1), (2, 3, 5), (1, 700, 1300), (2, 1100, 2050)]
    {
        let data: Vec<f32> = numbers(outer * rows * columns, 3);
        for op in [Scan::Sum, Scan::Product] {
            let mut wide: Vec<f64> = data.iter().map(|&x| f64::from(x)).collect();
            for matrix in wide.chunks_mut(rows * columns) {
                for i in columns..matrix.len() {
                    let before = matrix[i - columns];
                    matrix[i] = if op == Scan::Sum { before + matrix[i] } else { before * matrix[i] };
                }
            }
            let mut out = vec![0f32; data.len()];
            scan(op, &data, rows, columns, &mut out);
            // The rounding of a product is relative to it, and stays in all that follow.
            assert_close(&out, &wide, if op == Scan::Sum { 2e-6 } else { 1e-4 });
        }
        let whole: Vec<i64> = data.iter().map(|&x| (x * 100.0).to_i64()).collect();
        let mut out = vec![0; whole.len()];
        scan(Scan::Sum, &whole, rows, columns, &mut out);
        for (at, &sum) in out.iter().enumerate() {
            let before = if at % (rows * columns) < columns { 0 } else { out[at - columns] };
            assert_eq!(sum, before + whole[at]);
        }
    }
    scan::<f32>(Scan::Sum, &[], 0, 3, &mut []);
}

#[test]
fn running_sums_do_not_drift() {
    let data = vec![0.1f32; 1 << 22];
    let mut out = vec![0f32; data.len()];
    scan(Scan::Sum, &data, data.len(), 1, &mut out);
    let want = 0.1f32.to_f64() * 4_194_304.0;
    assert!((out[out.len() - 1].to_f64() / want - 1.0).abs() < 1e-7);
}

#[test]
fn products_are_taken_in_order() {
    for len in [5, 100, 300_000] {
        let mut data = vec![3e38f32; len];
        data[1] = 0.0;
        let mut out = vec![1f32; len];
        scan(Scan::Product, &data, len, 1, &mut out);
        assert_eq!((bits(&out[..1]), widen(&out[1..])), (bits(&data[..1]), vec![0.0; len - 1]));
    }
}

/// Orders as the kernels do: NaN above all, zeros equal.
fn compare<T: Element>(a: T, b: T) -> std::cmp::Ordering {
    a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal))
}

/// Positions of a line in order, equals in theirs.
fn order<T: Element>(line: &[T], descending: bool) -> Vec<usize> {
    let mut at: Vec<usize> = (0..line.len()).collect();
    at.sort_by(|&a, &b| if descending { compare(line[b], line[a]) } else { compare(line[a], line[b]) });
    at
}

fn check<T: Element>(data: &[T], n: usize) {
    for descending in [false, true] {
        let (mut values, mut positions) = (data.to_vec(), vec![-1; data.len()]);
        sort(data, n, descending, &mut values, &mut positions);
        for ((line, values), positions) in data.chunks(n).zip(values.chunks(n)).zip(positions.chunks(n)) {
            let want = order(line, descending);
            assert!(positions.iter().zip(&want).all(|(&at, &want)| usize::try_from(at) == Ok(want)), "lines of {n}");
            let sorted: Vec<T> = want.iter().map(|&at| line[at]).collect();
            assert_eq!(bits(values), bits(&sorted));
        }
        for k in [1, 3, 10, 33, n / 2, n].into_iter().filter(|&k| 0 < k && k <= n) {
            let count = data.len() / n * k;
            let (mut values, mut positions) = (vec![T::ZERO; count], vec![-1; count]);
            topk(data, n, k, descending, &mut values, &mut positions);
            for ((line, values), positions) in data.chunks(n).zip(values.chunks(k)).zip(positions.chunks(k)) {
                let want = order(line, descending);
                assert!(positions.iter().zip(&want).all(|(&at, &want)| usize::try_from(at) == Ok(want)), "{k} of {n}");
                let sorted: Vec<T> = want[..k].iter().map(|&at| line[at]).collect();
                assert_eq!(bits(values), bits(&sorted));
            }
        }
    }
}

#[test]
fn sorts_and_selects_stably() {
    for n in [1, 2, 63, 192, 193, 1024, 5000, 70_000, 140_001] {
        let lines = if n < 2000 { 5 } else { 1 };
        let data: Vec<f32> = numbers(lines * n, n as u64);
        check(&data, n);
        check(&numbers::<f64>(lines * n, 2), n);
        // Many equals.
        let few: Vec<i64> = data.iter().map(|&x| (x * 3.0).to_i64()).collect();
        check(&few, n);
        check(&few.iter().map(|&x| x.to_i32()).collect::<Vec<i32>>(), n);
        check(&few.iter().map(|&x| x.to_u8()).collect::<Vec<u8>>(), n);
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-40, -1e-40, -f32::NAN, 1.0, -1.0];
        check(&special.iter().copied().cycle().take(n).collect::<Vec<f32>>(), n);
        let mut nan = vec![f32::NAN; n];
        check(&nan, n);
        nan[n / 2] = 2.0;
        check(&nan, n);
        check(&vec![f32::NEG_INFINITY; n], n);
    }
    sort::<f32>(&[], 0, false, &mut [], &mut []);
    topk::<f32>(&[1.0], 1, 0, true, &mut [], &mut []);
}

#[test]
fn long_lines_of_any_distribution() {
    let line: Vec<f32> = (0..150_007).map(|i| f32::from_f64(f64::from(i))).collect();
    let n = line.len();
    let noise: Vec<f32> = numbers(n, 7);
    let of = |value: &dyn Fn(usize) -> f32| -> Vec<f32> { (0..n).map(value).collect() };
    let scale = |i: usize| if i.is_multiple_of(1000) { 1e30 } else { 1e-3 };
    for data in [
        line.clone(),
        of(&|i| -line[i]),
        of(&|i| (line[i] / 7e4).floor()),
        // A narrow range, and a few far off.
        of(&|i| 1.0 + noise[i] * scale(i)),
        // Half of them equal, and what a sample of every so many misses.
        of(&|i| if i % 2 == 0 { 0.25 } else { noise[i] }),
        of(&|i| if i % 37 == 0 { noise[i] } else { 5.0 + noise[i] * 1e-6 }),
        of(&|i| (noise[i] * 80.0).exp()),
    ] {
        check(&data, n);
        check(&data.iter().map(|&x| x.to_f64()).collect::<Vec<f64>>(), n);
    }
    // Both ends of a type.
    check(&noise.iter().map(|&x| (x * 3.0).to_i64().wrapping_mul(i64::MAX / 3)).collect::<Vec<i64>>(), n);
    check(&noise.iter().map(|&x| x.to_bits().into()).collect::<Vec<u64>>(), n);
}

#[test]
fn threads_do_not_change_an_order() {
    let data: Vec<f32> = numbers::<f32>(5 * (1 << 16) + 3, 1).iter().map(|x| (x * 1e4).round()).collect();
    assert_same_bits(|| {
        let (mut values, mut positions) = (data.clone(), vec![0; data.len()]);
        sort(&data, data.len(), false, &mut values, &mut positions);
        (bits(&values), positions)
    });
}

#[test]
fn threads_do_not_change_what_is_carried() {
    let data: Vec<f32> = numbers(5 * (1 << 16) + 3, 1);
    assert_same_bits(|| {
        let mut out = vec![0f32; data.len()];
        scan(Scan::Sum, &data, data.len(), 1, &mut out);
        bits(&out)
    });
}

/// No sum overflows but those that were asked for.
#[test]
fn running_sums_of_huge_numbers_are_finite() {
    let mut x = vec![0.0_f64; 200_000];
    (x[100_000], x[100_001], x[100_002]) = (-1.7e308, 1.7e308, 1.7e308);
    let mut sums = vec![0.0; x.len()];
    scan(Scan::Sum, &x, x.len(), 1, &mut sums);
    assert!(sums[..100_000].iter().all(|&sum| sum == 0.0));
    assert!(sums[100_000] < 0.0 && sums[100_001] == 0.0);
    assert!(sums[100_002..].iter().all(|&sum| (sum - 1.7e308).abs() < 1e294));
}
