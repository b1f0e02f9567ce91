//! Attention against a float64 reference: forward, and gradients by their formulas.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "references are plain formulas over small numbers"
)]

mod support;

use dlcore_kernels::attention::{
    Attention, Gradients, Heads, Mask, Plane, backward, backward_bfloat16, forward, forward_bfloat16,
};
use dlcore_kernels::gemm::GemmFloat;
use dlcore_kernels::half::Bf16;
use dlcore_kernels::stored::Stored;
use support::{assert_close, assert_same_bits, bits, numbers, widen};

/// The arrays of a problem, each (batch, rows, heads, columns), and a mask (queries, keys) for all heads.
struct Case<T> {
    problem: Attention,
    q: Vec<T>,
    k: Vec<T>,
    v: Vec<T>,
    g: Vec<T>,
    added: Option<Vec<T>>,
    kept: Option<Vec<u8>>,
}

impl<T: GemmFloat> Case<T> {
    fn new(problem: Attention, masked: usize) -> Self {
        let Attention { batch, heads, shared, queries, keys, depth, value_depth, .. } = problem;
        let columns = batch * (heads / shared) * keys;
        let mask = numbers::<T>(queries * keys, 5);
        Self {
            q: numbers(batch * heads * queries * depth, 1),
            k: numbers(columns * depth, 2),
            v: numbers(columns * value_depth, 3),
            g: numbers(batch * heads * queries * value_depth, 4),
            kept: (masked == 1)
                .then(|| mask.iter().enumerate().map(|(i, &x)| u8::from(x > T::ZERO && i / keys != 1)).collect()),
            added: (masked == 2).then_some(mask),
            problem,
        }
    }

    fn mask(&self) -> Mask<'_, T> {
        let strides = [0, 0, self.problem.keys.cast_signed(), 1];
        match (&self.added, &self.kept) {
            (Some(data), _) => Mask::Add(Plane { data, offset: 0, strides }),
            (_, Some(data)) => Mask::Keep(Plane { data, offset: 0, strides }),
            _ => Mask::None,
        }
    }

    /// Result, logarithms and the three gradients.
    fn run(&self) -> [Vec<T>; 5] {
        self.run_with(|_| ())
    }

    /// The same, with gradients of what `change` makes of the result.
    fn run_with(&self, change: impl Fn(&mut [T])) -> [Vec<T>; 5] {
        let p = &self.problem;
        let key_heads = p.heads / p.shared;
        let mut out = vec![T::NAN; self.g.len()];
        let mut logs = vec![T::NAN; p.batch * p.heads * p.queries];
        let q = Heads::side_by_side(&self.q, p.queries, p.heads, p.depth);
        let k = Heads::side_by_side(&self.k, p.keys, key_heads, p.depth);
        let v = Heads::side_by_side(&self.v, p.keys, key_heads, p.value_depth);
        forward(p, q, k, v, self.mask(), &mut out, &mut logs);
        change(&mut out);
        let [mut gq, mut gk, mut gv] = [&self.q, &self.k, &self.v].map(|x| vec![T::NAN; x.len()]);
        let gradients = Gradients { q: &mut gq, k: &mut gk, v: &mut gv };
        let rows = |data| Heads::side_by_side(data, p.queries, p.heads, p.value_depth);
        backward(p, q, k, v, self.mask(), rows(&out), &logs, rows(&self.g), gradients);
        [out, logs, gq, gk, gv]
    }

    fn expected(&self) -> [Vec<f64>; 5] {
        let &Attention { batch, heads, shared, queries, keys, depth, value_depth, scale, causal, .. } = &self.problem;
        let [q, k, v, g] = [&self.q, &self.k, &self.v, &self.g].map(|x| widen(x));
        let [mut out, mut gq, mut gk, mut gv] = [&g, &q, &k, &v].map(|x| vec![0.0; x.len()]);
        let mut logs = Vec::new();
        for b in 0..batch {
            for h in 0..heads {
                for i in 0..queries {
                    let of_query = |d: usize| ((b * queries + i) * heads + h) * d;
                    let of_key = |j: usize, d: usize| ((b * keys + j) * (heads / shared) + h / shared) * d;
                    let dot = |x: &[f64], y: &[f64], d: usize| (0..d).map(|e| x[e] * y[e]).sum::<f64>();
                    let scores: Vec<f64> = (0..keys)
                        .map(|j| {
                            let added = self.added.as_ref().map_or(0.0, |m| m[i * keys + j].to_f64());
                            let kept = self.kept.as_ref().is_none_or(|m| m[i * keys + j] != 0) && (!causal || j <= i);
                            let score = dot(&q[of_query(depth)..], &k[of_key(j, depth)..], depth) * scale + added;
                            if kept { score } else { f64::NEG_INFINITY }
                        })
                        .collect();
                    let total: f64 = scores.iter().map(|x| x.exp()).sum();
                    logs.push(total.ln());
                    let p: Vec<f64> = scores.iter().map(|x| if total > 0.0 { x.exp() / total } else { 0.0 }).collect();
                    let at = of_query(value_depth);
                    let slope = |j: usize| dot(&g[at..], &v[of_key(j, value_depth)..], value_depth);
                    let mean: f64 = (0..keys).map(|j| p[j] * slope(j)).sum();
                    for (j, &share) in p.iter().enumerate() {
                        let s = share * (slope(j) - mean) * scale;
                        for e in 0..value_depth {
                            out[at + e] += share * v[of_key(j, value_depth) + e];
                            gv[of_key(j, value_depth) + e] += share * g[at + e];
                        }
                        for e in 0..depth {
                            gq[of_query(depth) + e] += s * k[of_key(j, depth) + e];
                            gk[of_key(j, depth) + e] += s * q[of_query(depth) + e];
                        }
                    }
                }
            }
        }
        [out, logs, gq, gk, gv]
    }
}

fn sizes(
    [batch, heads, shared]: [usize; 3],
    [queries, keys]: [usize; 2],
    [depth, value_depth]: [usize; 2],
) -> Attention {
    Attention { batch, heads, shared, queries, keys, depth, value_depth, scale: 0.3, causal: false, narrow: false }
}

fn check<T: GemmFloat>(tolerance: f64) {
    let shapes = [
        sizes([1, 1, 1], [1, 1], [1, 1]),
        sizes([2, 2, 1], [5, 7], [3, 2]),
        sizes([2, 4, 2], [7, 9], [4, 5]),
        sizes([1, 3, 3], [60, 231], [16, 8]),
        sizes([1, 1, 1], [130, 500], [8, 8]),
        // Long enough for tiles of AMX, where there are any; the last two have several blocks of queries and keys.
        sizes([1, 4, 2], [70, 215], [40, 24]),
        sizes([2, 1, 1], [33, 200], [64, 64]),
        sizes([1, 1, 1], [600, 300], [16, 17]),
        sizes([1, 3, 3], [129, 530], [20, 40]),
        sizes([1, 2, 1], [4, 3], [0, 3]),
        sizes([1, 2, 1], [4, 3], [3, 0]),
        sizes([1, 2, 1], [4, 0], [3, 2]),
        sizes([1, 2, 1], [0, 4], [3, 2]),
        sizes([0, 2, 1], [3, 4], [3, 2]),
    ];
    for problem in shapes {
        for (causal, masked) in [(false, 0), (true, 0), (false, 1), (true, 2)] {
            let case = Case::<T>::new(Attention { causal, ..problem }, masked);
            for (got, expected) in case.run().iter().zip(case.expected()) {
                assert_close(got, &expected, tolerance);
            }
        }
    }
}

#[test]
fn matches_float64() {
    check::<f32>(2e-5);
    check::<f64>(1e-13);
}

/// Terms of bfloat16 cannot hold such numbers: multiply-adds take over.
#[test]
fn large_and_small_numbers_cost_no_accuracy() {
    for (of_q, of_k, of_v) in [(1e-30, 1e28, 1.0), (1e20, 1e-21, 1e10), (1.0, 0.1, 1e-32), (0.0, 1.0, 1e-20)] {
        let mut case = Case::<f32>::new(sizes([1, 2, 1], [70, 215], [40, 24]), 0);
        let scaled = |numbers: &mut Vec<f32>, factor: f32| numbers.iter_mut().for_each(|x| *x *= factor);
        scaled(&mut case.q, of_q);
        scaled(&mut case.k, of_k);
        scaled(&mut case.v, of_v);
        for (got, expected) in case.run().iter().zip(case.expected()) {
            let largest = expected.iter().fold(1e-300_f64, |x, y| x.max(y.abs()));
            let (got, expected) = (widen(got), expected.iter().map(|x| x / largest).collect::<Vec<_>>());
            let got: Vec<f64> = got.iter().map(|x| x / largest).collect();
            assert_close(&got, &expected, 3e-5);
        }
    }
}

/// Scores that lie far apart, so that most shares are small, subnormal or zero, and one is all there is.
#[test]
fn shares_add_up_to_one_however_far_scores_lie_apart() {
    fn check<T: GemmFloat>(problem: Attention, factor: f64) {
        let mut case = Case::<T>::new(problem, 0);
        for x in case.q.iter_mut().chain(&mut case.k) {
            *x *= T::from_f64(factor);
        }
        case.v.fill(T::ONE);
        case.g.fill(T::ONE);
        let [out, _, _, _, gv] = case.run();
        for (at, x) in out.iter().enumerate() {
            assert!((x.to_f64() - 1.0).abs() < 1e-5, "{problem:?} times {factor}: result {at} is {x:?}");
        }
        let Attention { batch, heads, queries, keys, value_depth, .. } = problem;
        let given = (batch * heads * queries * value_depth) as f64;
        let got: f64 = widen(&gv).iter().sum();
        assert!((got / given - 1.0).abs() < 1e-4, "{problem:?} times {factor}: {keys} keys got {got} of {given}");
    }
    for shape in [sizes([1, 2, 1], [70, 215], [24, 16]), sizes([1, 2, 1], [9, 7], [24, 3])] {
        for factor in [1.0, 3.0, 8.0, 30.0, 1e3] {
            for causal in [false, true] {
                check::<f32>(Attention { causal, ..shape }, factor);
                check::<f64>(Attention { causal, ..shape }, factor);
            }
        }
    }
}

/// Far apart, but not so far that float32 tells nothing about the other shares.
#[test]
fn small_shares_are_as_exact_as_others() {
    let mut case = Case::<f32>::new(sizes([1, 2, 1], [70, 215], [24, 16]), 0);
    for x in case.q.iter_mut().chain(&mut case.k) {
        *x *= 4.0;
    }
    for (got, expected) in case.run().iter().zip(case.expected()) {
        let largest = expected.iter().fold(1.0_f64, |x, y| x.max(y.abs()));
        let got: Vec<f64> = widen(got).iter().map(|x| x / largest).collect();
        let expected: Vec<f64> = expected.iter().map(|x| x / largest).collect();
        assert_close(&got, &expected, 1e-4);
    }
}

#[test]
fn what_is_no_number_stays_where_it_belongs() {
    let mut case = Case::<f32>::new(sizes([1, 2, 1], [70, 215], [40, 24]), 0);
    // A value of the first head, its second column.
    case.v[1] = f32::NAN;
    let [out, ..] = case.run();
    for (at, x) in out.iter().enumerate() {
        assert_eq!(x.is_nan(), at % 48 == 1, "element {at} is {x}");
    }
    let mut case = Case::<f32>::new(sizes([1, 2, 1], [70, 215], [40, 24]), 0);
    // The third query of the second head.
    case.q[5 * 40] = f32::INFINITY;
    let [out, ..] = case.run();
    for (at, x) in out.iter().enumerate() {
        assert_eq!(x.is_nan(), at / 24 == 5, "element {at} is {x}");
    }
}

/// Numbers of bfloat16 are multiplied as they are; what is rounded in between is the shares and their slopes.
#[test]
fn narrow_numbers_are_as_accurate_as_their_results() {
    for shape in [sizes([1, 2, 1], [70, 215], [40, 24]), sizes([2, 4, 2], [64, 64], [32, 32])] {
        for (causal, masked) in [(false, 0), (true, 2)] {
            let mut case = Case::<f32>::new(Attention { narrow: true, causal, ..shape }, masked);
            for numbers in [&mut case.q, &mut case.k, &mut case.v, &mut case.g] {
                for x in numbers {
                    *x = f32::from_bits(x.to_bits() & 0xFFFF_0000);
                }
            }
            for (got, expected) in case.run().iter().zip(case.expected()) {
                let largest = expected.iter().fold(1.0_f64, |x, y| x.max(y.abs()));
                let got: Vec<f64> = widen(got).iter().map(|x| x / largest).collect();
                let expected: Vec<f64> = expected.iter().map(|x| x / largest).collect();
                assert_close(&got, &expected, 8e-3);
            }
        }
    }
}

/// Where tiles take bfloat16 as it is stored, results are those of the same numbers as float32, rounded once.
#[test]
fn bfloat16_as_it_is_stored_gives_the_same_numbers() {
    let shapes = [
        (sizes([2, 4, 2], [64, 64], [32, 32]), 0),
        (sizes([1, 3, 3], [129, 530], [20, 40]), 2),
        (sizes([1, 1, 1], [600, 300], [16, 17]), 1),
        (sizes([3, 8, 1], [70, 300], [24, 16]), 0),
    ];
    for (shape, masked) in shapes {
        for causal in [false, true] {
            let problem = Attention { narrow: true, causal, ..shape };
            if !problem.takes_bfloat16() {
                continue;
            }
            let mut case = Case::<f32>::new(problem, masked);
            for numbers in [&mut case.q, &mut case.k, &mut case.v, &mut case.g] {
                round(numbers);
            }
            let (p, key_heads) = (&case.problem, problem.heads / problem.shared);
            let [q, k, v, g] = [&case.q, &case.k, &case.v, &case.g].map(|x| narrow(x));
            let mut out = vec![Bf16::default(); g.len()];
            let mut logs = vec![f32::NAN; p.batch * p.heads * p.queries];
            let [of_q, of_k, of_v] = [
                Heads::side_by_side(&q, p.queries, p.heads, p.depth),
                Heads::side_by_side(&k, p.keys, key_heads, p.depth),
                Heads::side_by_side(&v, p.keys, key_heads, p.value_depth),
            ];
            forward_bfloat16(p, of_q, of_k, of_v, case.mask(), &mut out, &mut logs);
            let [mut gq, mut gk, mut gv] = [&q, &k, &v].map(|x| vec![Bf16::default(); x.len()]);
            let gradients = Gradients { q: &mut gq, k: &mut gk, v: &mut gv };
            let rows = |data| Heads::side_by_side(data, p.queries, p.heads, p.value_depth);
            backward_bfloat16(p, of_q, of_k, of_v, case.mask(), rows(&out), &logs, rows(&g), gradients);
            let [mut want_out, want_logs, want_q, want_k, want_v] = case.run_with(round);
            round(&mut want_out);
            assert_eq!(bits(&logs), bits(&want_logs), "logarithms of {problem:?}");
            for (name, got, expected) in
                [("out", out, want_out), ("q", gq, want_q), ("k", gk, want_k), ("v", gv, want_v)]
            {
                let got: Vec<u16> = got.iter().map(|x| x.0).collect();
                let expected: Vec<u16> = narrow(&expected).iter().map(|x| x.0).collect();
                assert_eq!(got, expected, "{name} of {problem:?}");
            }
        }
    }
}

fn narrow(numbers: &[f32]) -> Vec<Bf16> {
    numbers.iter().map(|&x| Bf16::store(x)).collect()
}

fn round(numbers: &mut [f32]) {
    for x in numbers {
        *x = Bf16::store(*x).load();
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let tall = sizes([1, 2, 1], [900, 260], [24, 16]);
    for problem in [sizes([1, 1, 1], [301, 700], [24, 16]), sizes([2, 4, 2], [130, 130], [32, 32]), tall] {
        let case = Case::<f32>::new(Attention { causal: true, ..problem }, 2);
        assert_same_bits(|| case.run().map(|x| bits(&x)));
    }
}
