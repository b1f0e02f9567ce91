//! Indexed reads and additions against plain loops.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::many_single_char_names,
    clippy::needless_for_each,
    reason = "references are plain formulas over small numbers"
)]

mod support;

use dlcore_kernels::gather::{
    BadIndex, count_nonzero, first_bad_index, gather, index_add, nonzero, normalize_indices, one_hot, put, put_add,
    scatter_add, take,
};
use dlcore_kernels::layout::Strided;
use dlcore_kernels::slices::{index_select, index_sum};
use support::{assert_close, assert_same_bits, bits, numbers, widen};

fn ids(len: usize, extent: usize, seed: u64) -> Vec<i64> {
    numbers::<f64>(len, seed)
        .iter()
        .map(|x| (((x + 2.0) / 4.0 * extent as f64) as i64).min(extent as i64 - 1))
        .collect()
}

#[test]
fn indices_count_from_either_end() {
    let mut out = [0; 4];
    assert_eq!(normalize_indices(&[0, 2, -1, -3], 3, &mut out), Ok(()));
    assert_eq!(out, [0, 2, 2, 0]);
    let bad = |position, value| Err(BadIndex { position, value });
    assert_eq!(normalize_indices(&[0, 3], 3, &mut out[..2]), bad(1, 3));
    assert_eq!(normalize_indices(&[-4], 3, &mut out[..1]), bad(0, -4));
    assert_eq!(normalize_indices(&[i64::MIN], 3, &mut out[..1]), bad(0, i64::MIN));
    assert_eq!(normalize_indices(&[i64::MAX], 3, &mut out[..1]), bad(0, i64::MAX));
    assert_eq!(normalize_indices(&[0], 0, &mut out[..1]), bad(0, 0));
    assert_eq!(normalize_indices(&[], 0, &mut []), Ok(()));
    assert_eq!(first_bad_index(&[0, 2, -1], 3), Some(BadIndex { position: 2, value: -1 }));
    assert_eq!(first_bad_index(&[0, 2], 3), None);
}

#[test]
#[should_panic(expected = "outside")]
fn index_sum_rejects_ids_beyond_the_end() {
    index_sum(&[1.0f32], 3, 1, &[3], &mut [0.0; 3]);
}

#[test]
fn index_select_and_its_adjoint_match_plain_loops() {
    for (outer, extent, inner, count) in [
        (1, 7, 5, 11),
        (3, 4, 1, 9),
        (2, 3, 4, 0),
        (1, 1, 1, 1),
        (0, 3, 2, 4),
        (2, 3, 0, 4),
        (1, 50, 33, 20_000),
        (3, 9, 2, 9_000),
        // Results that go past the caches, in slices that begin anywhere in a line.
        (1, 6_000, 200, 6_100),
        (2, 3_001, 201, 2_700),
    ] {
        let source = numbers::<f64>(outer * extent * inner, 1);
        let ids = ids(count, extent, 2);
        let mut picked = vec![f64::NAN; outer * count * inner];
        index_select(&source, extent, inner, &ids, &mut picked);
        let g = numbers::<f64>(picked.len(), 3);
        let mut sums = vec![1.0; source.len()];
        index_add(&g, extent, inner, &ids, &mut sums);
        let mut fresh = vec![f64::NAN; source.len()];
        index_sum(&g, extent, inner, &ids, &mut fresh);
        let (mut expected, mut expected_fresh) = (vec![1.0; source.len()], vec![0.0; source.len()]);
        for block in 0..outer {
            for (n, &id) in ids.iter().enumerate() {
                for i in 0..inner {
                    let from = (block * extent + usize::try_from(id).unwrap()) * inner + i;
                    let to = (block * count + n) * inner + i;
                    assert_eq!(picked[to], source[from]);
                    expected[from] += g[to];
                    expected_fresh[from] += g[to];
                }
            }
        }
        assert_eq!(sums, expected, "sources add in their order");
        assert_eq!(fresh, expected_fresh, "sources add in their order");
    }
}

#[test]
#[should_panic(expected = "outside")]
fn index_add_rejects_negative_ids() {
    index_add(&[1.0f32], 3, 1, &[-1], &mut [0.0; 3]);
}

fn coordinates(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &extent in shape {
        all = all.iter().flat_map(|at: &Vec<usize>| (0..extent).map(move |i| [&at[..], &[i]].concat())).collect();
    }
    all
}

fn offset(window: &Strided<'_>, at: &[usize]) -> usize {
    let steps = at.iter().zip(window.strides).map(|(&i, &s)| i.cast_signed() * s).sum();
    window.offset.strict_add_signed(steps)
}

fn row_major(shape: &[usize]) -> Vec<isize> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>().cast_signed()).collect()
}

#[test]
fn gather_and_scatter_add_match_plain_loops() {
    let cases: [(&[usize], &[usize], usize); 8] = [
        (&[5], &[9], 0),
        (&[4, 6], &[3, 8], 1),
        (&[4, 6], &[7, 5], 0),
        (&[3, 4, 5], &[3, 2, 5], 1),
        (&[3, 4, 5], &[2, 4, 9], 2),
        (&[3, 4, 5], &[6, 1, 3], 0),
        (&[3, 4], &[0, 4], 1),
        (&[60, 70], &[55, 301], 1),
    ];
    for (shape, index_shape, dim) in cases {
        let strides = row_major(shape);
        let numel: usize = shape.iter().product();
        let count: usize = index_shape.iter().product();
        // The source runs backwards along its last axis, the index forwards along its first.
        let mut flipped = strides.clone();
        *flipped.last_mut().unwrap() = -1;
        let window = Strided { shape, strides: &flipped, offset: shape.last().unwrap() - 1 };
        let source = numbers::<f32>(numel, 1);
        let mut index_strides = vec![1];
        for &extent in &index_shape[..index_shape.len() - 1] {
            index_strides.push(index_strides.last().unwrap() * extent.cast_signed());
        }
        let index = ids(count.max(1), shape[dim], 2);
        let index_window = Strided { shape: index_shape, strides: &index_strides, offset: 0 };
        let mut out = vec![f32::NAN; count];
        gather((&source, window), dim, (&index, index_window), &mut out);
        let values = numbers::<f32>(count.max(1), 3);
        let values_strides = row_major(index_shape);
        let values_window = Strided { shape: index_shape, strides: &values_strides, offset: 0 };
        let mut sums = vec![0.5; numel];
        scatter_add((&values, values_window), dim, (&index, index_window), (&mut sums, shape));
        let contiguous = Strided { shape, strides: &strides, offset: 0 };
        let mut expected = vec![0.5; numel];
        for (n, at) in coordinates(index_shape).into_iter().enumerate() {
            let mut target = at.clone();
            target[dim] = usize::try_from(index[offset(&index_window, &at)]).unwrap();
            assert_eq!(out[n], source[offset(&window, &target)]);
            expected[offset(&contiguous, &target)] += values[n];
        }
        assert_eq!(bits(&sums), bits(&expected));
    }
}

#[test]
fn flat_offsets() {
    let source = [10i64, 11, 12, 13];
    let mut out = [0; 3];
    take(&source, &[3, 0, 3], &mut out);
    assert_eq!(out, [13, 10, 13]);
    let mut target = [0.0f32; 4];
    put(&[1.0, 2.0, 3.0], &[1, 3, 1], &mut target);
    assert_eq!(target, [0.0, 3.0, 0.0, 2.0]);
    put_add(&[1.0, 2.0, 3.0], &[1, 0, 1], &mut target);
    assert_eq!(target, [2.0, 7.0, 0.0, 2.0]);
    take::<u8>(&[], &[], &mut []);
}

/// Coordinates of what is not zero, a row each.
fn rows(mask: &[u8], shape: &[usize]) -> Vec<i64> {
    let counts = count_nonzero(mask);
    let mut out = vec![-1; counts.iter().sum::<usize>() * shape.len()];
    nonzero(mask, shape, &counts, &mut out);
    out
}

#[test]
fn masks_and_one_hot() {
    assert_eq!(rows(&[0, 1, 2, 0, 255], &[5]), [1, 2, 4]);
    assert!(rows(&[], &[0]).is_empty());
    assert!(rows(&[], &[3, 0]).is_empty());
    let mask: Vec<u8> = ids(100_003, 3, 4).iter().map(|&id| u8::from(id == 1)).collect();
    let expected: Vec<i64> = mask.iter().zip(0..).filter(|(m, _)| **m != 0).map(|(_, at)| at).collect();
    assert_same_bits(|| rows(&mask, &[100_003]));
    assert_eq!(rows(&mask, &[100_003]), expected);
    for shape in [&[100, 1000][..], &[50_000, 2], &[10, 100, 100], &[100, 1, 1, 1000], &[10, 10, 10, 10, 10]] {
        let coordinates = |at: &i64| {
            let mut at = *at;
            let mut row: Vec<i64> = shape.iter().rev().map(|&n| (at % n as i64, at /= n as i64).0).collect();
            row.reverse();
            row
        };
        let expected: Vec<i64> = expected.iter().filter(|&&at| at < 100_000).flat_map(coordinates).collect();
        assert_eq!(rows(&mask[..100_000], shape), expected, "{shape:?}");
    }
    let mut out = [7; 6];
    one_hot(&[2, 0], 3, &mut out);
    assert_eq!(out, [0, 0, 1, 1, 0, 0]);
    one_hot(&[], 3, &mut []);
}

#[test]
fn thread_counts_give_the_same_bits() {
    let (extent, inner, count) = (97, 65, 5003);
    let ids = ids(count, extent, 1);
    let g = numbers::<f32>(count * inner, 2);
    assert_same_bits(|| {
        let mut sums = vec![0.0; extent * inner];
        index_add(&g, extent, inner, &ids, &mut sums);
        let shape = [count, inner];
        let strides = row_major(&shape);
        let window = Strided { shape: &shape, strides: &strides, offset: 0 };
        let index: Vec<i64> = (0..count * inner).map(|n| ids[n % count]).collect();
        let mut scattered = vec![0.0; count * inner];
        scatter_add((&g, window), 0, (&index, window), (&mut scattered, &shape));
        let mut fresh = vec![f32::NAN; 33_001 * inner];
        index_sum(&g, 33_001, inner, &ids, &mut fresh);
        (bits(&sums), bits(&scattered), bits(&fresh))
    });
    let mut sums = vec![0.0f32; extent * inner];
    index_add(&g, extent, inner, &ids, &mut sums);
    let total: f64 = widen(&g).iter().sum();
    assert_close(&[widen(&sums).iter().sum::<f64>()], &[total], 1e-4);
}

#[test]
fn the_first_of_many_indices_that_is_outside_is_found() {
    let mut ids: Vec<i64> = (0..5000).map(|i| i % 7 - 3).collect();
    let mut out = vec![0; ids.len()];
    assert_eq!(normalize_indices(&ids, 7, &mut out), Ok(()));
    assert!(out.iter().zip(&ids).all(|(&out, &id)| out == id.rem_euclid(7)));
    (ids[4321], ids[4900]) = (-8, 7);
    let bad = BadIndex { position: 4321, value: -8 };
    assert_eq!(normalize_indices(&ids, 7, &mut out), Err(bad));
    assert_eq!(first_bad_index(&vec![6; 5000], 7), None);
    assert_eq!(first_bad_index(&[vec![6; 4000], vec![7, -1]].concat(), 7), Some(BadIndex { position: 4000, value: 7 }));
}
