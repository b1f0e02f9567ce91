//! Planes at other sizes: each result is a weighted sum over a run of rows and one of columns, which [`Taps`] list.
//!
//! What two passes make is made by blocks of rows, so that what the first leaves to the second stays in cache, and in
//! the order that takes fewer steps: columns first where there will be more of them, rows first where there will be fewer.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::parallel::{Disjoint, for_each_init};
use crate::stored::Stored;

/// Results of a block, about.
const BLOCK: usize = 1 << 14;
/// Rows of a block at least, if there are as many: neighbouring blocks read some rows twice.
const ROWS: usize = 32;
/// Steps of a nanosecond, about.
const STEPS_PER_NS: usize = 2;
/// Steps along a row are that much slower than those of rows.
const ALONG: usize = 4;
/// Rows that are added at once.
const ABREAST: usize = 4;
/// Results that are made side by side, and elements that they may be spread over.
const LANES: usize = 16;
const WINDOW: usize = 64;
/// Runs that are as long are summed one by one.
const LONG: usize = 16;

/// For each result along a dimension the run of elements that it is made of, and their weights. Neither beginnings nor
/// ends of runs go back.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    inputs: usize,
    firsts: Vec<usize>,
    /// Where the weights of each result begin, and where they end.
    bounds: Vec<usize>,
    weights: Vec<f64>,
}

impl Taps {
    /// Of no results from `inputs` elements.
    #[must_use]
    pub fn new(inputs: usize) -> Self {
        Self { inputs, firsts: Vec::new(), bounds: vec![0], weights: Vec::new() }
    }

    /// One more result, from the elements that begin at `first`.
    ///
    /// # Panics
    /// If there are fewer elements, or the run begins or ends before the last one does.
    pub fn push(&mut self, first: usize, weights: impl IntoIterator<Item = f64>) {
        let last = self.firsts.last().map_or((0, 0), |_| self.run(self.outputs() - 1));
        self.firsts.push(first);
        self.weights.extend(weights);
        self.bounds.push(self.weights.len());
        let (begin, end) = self.run(self.outputs() - 1);
        assert!(begin >= last.0 && end >= last.1 && end <= self.inputs, "a run in order, of elements that there are");
    }

    /// How many results there are.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.firsts.len()
    }

    /// The adjoint map: what each element gives to the results.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut transposed = Self::new(self.outputs());
        let (mut begin, mut end) = (0, 0);
        for input in 0..self.inputs {
            while end < self.outputs() && self.firsts[end] <= input {
                end += 1;
            }
            while begin < end && self.run(begin).1 <= input {
                begin += 1;
            }
            transposed.push(begin, (begin..end).map(|n| self.weights[self.bounds[n] + input - self.firsts[n]]));
        }
        transposed
    }

    /// The first element of a result and what lies behind its last.
    fn run(&self, result: usize) -> (usize, usize) {
        (self.firsts[result], self.firsts[result] + self.bounds[result + 1] - self.bounds[result])
    }
}

/// [`Taps`] with weights of the elements' type, and stretches of results whose runs are equally long.
struct Map<T> {
    firsts: Vec<usize>,
    bounds: Vec<usize>,
    weights: Vec<T>,
    stretches: Vec<Stretch<T>>,
}

struct Stretch<T> {
    results: Range<usize>,
    /// Length of their runs.
    len: usize,
    /// Of short runs the weights, of all first elements, of all second ones, and so on.
    weights: Vec<T>,
}

impl<T: Float> Map<T> {
    fn new(taps: &Taps) -> Self {
        let mut stretches: Vec<Stretch<T>> = Vec::new();
        let Taps { firsts, bounds, .. } = taps.clone();
        let weights: Vec<T> = taps.weights.iter().map(|&w| T::from_f64(w)).collect();
        for result in 0..firsts.len() {
            let len = bounds[result + 1] - bounds[result];
            match stretches.last_mut() {
                Some(stretch) if stretch.len == len => stretch.results.end += 1,
                _ => stretches.push(Stretch { results: result..result + 1, len, weights: Vec::new() }),
            }
        }
        for Stretch { results, len, weights: by_place } in &mut stretches {
            if *len < LONG {
                let of_stretch = &weights[bounds[results.start]..bounds[results.end]];
                *by_place = (0..*len).flat_map(|k| of_stretch.iter().skip(k).step_by(*len)).copied().collect();
            }
        }
        Self { firsts, bounds, weights, stretches }
    }

    fn outputs(&self) -> usize {
        self.firsts.len()
    }

    fn of(&self, result: usize) -> (usize, &[T]) {
        (self.firsts[result], &self.weights[self.bounds[result]..self.bounds[result + 1]])
    }

    /// The elements that some results are made of.
    fn inputs(&self, results: &Range<usize>) -> Range<usize> {
        let last = results.end - 1;
        self.firsts[results.start]..self.firsts[last] + self.bounds[last + 1] - self.bounds[last]
    }
}

/// How planes are resampled: extents before and after, and which pass comes first.
struct Plan<T> {
    rows: Option<Map<T>>,
    columns: Option<Map<T>>,
    input: [usize; 2],
    output: [usize; 2],
    rows_first: bool,
    /// Estimated steps for a plane.
    steps: usize,
}

impl<T: Float> Plan<T> {
    fn new([rows, columns]: [Option<&Taps>; 2], input: [usize; 2]) -> Self {
        let [rows, columns] = [rows, columns].map(|taps| taps.map(Map::new));
        let after = |map: &Option<Map<T>>, n| map.as_ref().map_or(n, Map::outputs);
        let output = [after(&rows, input[0]), after(&columns, input[1])];
        let steps = |map: &Option<Map<T>>, cost| map.as_ref().map_or(0, |map| map.weights.len() * cost);
        let (of_rows, of_columns) = (steps(&rows, 1), steps(&columns, ALONG));
        let first = of_rows * input[1] + output[0] * of_columns;
        let last = input[0] * of_columns + of_rows * output[1];
        let rows_first = columns.is_none() || rows.is_some() && first <= last;
        Self { rows, columns, input, output, rows_first, steps: first.min(last) }
    }

    /// The rows of the input that some rows of the result are made of.
    fn sources(&self, results: &Range<usize>) -> Range<usize> {
        self.rows.as_ref().map_or_else(|| results.clone(), |rows| rows.inputs(results))
    }

    /// Elements that are kept between the passes, for rows of the result that are made of `sources` rows of the input.
    fn room(&self, sources: usize) -> usize {
        match (&self.rows, &self.columns) {
            (Some(_), Some(_)) if self.rows_first => self.input[1],
            (Some(_), Some(_)) => sources * self.output[1],
            _ => 0,
        }
    }
}

/// Planes of `input` rows and columns, of which `taps` make new rows and columns, or leave them.
///
/// # Panics
/// If lengths do not match.
pub fn resample<T: Float, K: Stored<Value = T>>(
    x: &[K],
    planes: usize,
    input: [usize; 2],
    taps: [Option<&Taps>; 2],
    y: &mut [K],
) {
    assert!(taps.iter().zip(input).all(|(taps, n)| taps.is_none_or(|taps| taps.inputs == n)), "taps of other extents");
    let plan = Plan::<T>::new(taps, input);
    let (in_len, out_len) = (input[0] * input[1], plan.output[0] * plan.output[1]);
    assert!(x.len() == planes * in_len && y.len() == planes * out_len, "lengths do not match the shapes");
    if x.is_empty() || y.is_empty() {
        // Sums over nothing.
        return y.fill(K::store(T::ZERO));
    }
    let block = (BLOCK / plan.output[1]).max(ROWS).min(plan.output[0]);
    let blocks = plan.output[0].div_ceil(block);
    // Small planes make one task together.
    let at_once = (BLOCK / (block * plan.output[1] + in_len / blocks)).max(1);
    let cost = plan.steps.saturating_add(out_len).saturating_mul(planes) / STEPS_PER_NS;
    let y = Disjoint::new(y);
    for_each_init(
        (planes * blocks).div_ceil(at_once),
        cost,
        || (Vec::new(), Vec::new(), Vec::new()),
        |(between, x_room, y_room), task| {
            for part in task * at_once..((task + 1) * at_once).min(planes * blocks) {
                let (plane, first) = (part / blocks, part % blocks * block);
                let results = first..(first + block).min(plan.output[0]);
                let sources = plan.sources(&results);
                let start = plane * out_len + results.start * plan.output[1];
                // SAFETY: blocks of results are disjoint.
                let y = unsafe { y.slice(start..start + results.len() * plan.output[1]) };
                let x = &x[plane * in_len..][sources.start * input[1]..sources.end * input[1]];
                between.resize(between.len().max(plan.room(sources.len())), T::ZERO);
                let x = K::load_slice(x, wide_room::<T, K>(x_room, x.len()));
                let y_room = wide_room::<T, K>(y_room, y.len());
                let between = between.as_mut_slice();
                K::store_slice(y, y_room, |y| dispatch(Block { plan: &plan, x, sources, results, between, y }));
            }
        },
    );
}

/// Room for the values of as many elements, where they are stored narrower.
fn wide_room<T: Float, K: Stored<Value = T>>(room: &mut Vec<MaybeUninit<T>>, len: usize) -> &mut [MaybeUninit<T>] {
    if !K::NARROW {
        return &mut [];
    }
    room.resize(room.len().max(len), MaybeUninit::uninit());
    &mut room[..len]
}

/// The rows `results` of a plane, from the rows `sources`.
struct Block<'a, T> {
    plan: &'a Plan<T>,
    x: &'a [T],
    sources: Range<usize>,
    results: Range<usize>,
    between: &'a mut [T],
    y: &'a mut [T],
}

impl<T: Float> Kernel for Block<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { plan, x, sources, results, between, y } = self;
        let (width, out_width) = (plan.input[1], plan.output[1]);
        let of_row = |map: &'_ Map<T>, row: usize| map.firsts[row] - sources.start;
        match (&plan.rows, &plan.columns) {
            (Some(rows), Some(columns)) if plan.rows_first => {
                for (row, y) in results.zip(y.chunks_exact_mut(out_width)) {
                    add_rows::<T, S>(x, width, of_row(rows, row), rows.of(row).1, &mut between[..width]);
                    along_row::<T, S>(&between[..width], columns, y);
                }
            }
            (Some(rows), Some(columns)) => {
                for (x, row) in x.chunks_exact(width).zip(between.chunks_exact_mut(out_width)) {
                    along_row::<T, S>(x, columns, row);
                }
                for (row, y) in results.zip(y.chunks_exact_mut(out_width)) {
                    add_rows::<T, S>(between, out_width, of_row(rows, row), rows.of(row).1, y);
                }
            }
            (Some(rows), None) => {
                for (row, y) in results.zip(y.chunks_exact_mut(out_width)) {
                    add_rows::<T, S>(x, width, of_row(rows, row), rows.of(row).1, y);
                }
            }
            (None, Some(columns)) => {
                for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(out_width)) {
                    along_row::<T, S>(x, columns, y);
                }
            }
            (None, None) => y.copy_from_slice(x),
        }
    }
}

/// The weighted sum of the rows from `first` on.
#[inline(always)]
fn add_rows<T: Float, S: Simd>(x: &[T], width: usize, first: usize, weights: &[T], y: &mut [T]) {
    if weights.is_empty() {
        y.fill(T::ZERO);
    }
    for (nth, weights) in weights.chunks(ABREAST).enumerate() {
        let x = &x[(first + nth * ABREAST) * width..][..weights.len() * width];
        match *weights {
            [first, second, third, fourth] => add_some::<T, S, 4>(x, [first, second, third, fourth], nth == 0, y),
            [first, second, third] => add_some::<T, S, 3>(x, [first, second, third], nth == 0, y),
            [first, second] => add_some::<T, S, 2>(x, [first, second], nth == 0, y),
            [first] => add_some::<T, S, 1>(x, [first], nth == 0, y),
            _ => {}
        }
    }
}

/// `N` rows to the sum, or to nothing.
#[inline(always)]
fn add_some<T: Float, S: Simd, const N: usize>(x: &[T], weights: [T; N], is_first: bool, y: &mut [T]) {
    let width = y.len();
    let mut rows: [&[T]; N] = [&[]; N];
    for (row, of_row) in rows.iter_mut().enumerate() {
        *of_row = &x[row * width..][..width];
    }
    for (i, y) in y.iter_mut().enumerate() {
        let mut sum = if is_first { rows[0][i] * weights[0] } else { rows[0][i].fma::<S>(weights[0], *y) };
        for row in 1..N {
            sum = rows[row][i].fma::<S>(weights[row], sum);
        }
        *y = sum;
    }
}

/// The weighted sums of the runs of a row.
#[inline(always)]
fn along_row<T: Float, S: Simd>(x: &[T], map: &Map<T>, y: &mut [T]) {
    for Stretch { results, len, weights } in &map.stretches {
        let (firsts, y) = (&map.firsts[results.clone()], &mut y[results.clone()]);
        match *len {
            0 => y.fill(T::ZERO),
            1 => short_runs::<T, S, 1>(x, firsts, weights, y),
            2 => short_runs::<T, S, 2>(x, firsts, weights, y),
            3 => short_runs::<T, S, 3>(x, firsts, weights, y),
            4 => short_runs::<T, S, 4>(x, firsts, weights, y),
            len if len < LONG => {
                for (nth, (y, &first)) in y.iter_mut().zip(firsts).enumerate() {
                    let weights = &map.weights[map.bounds[results.start + nth]..][..len];
                    let mut sum = T::ZERO;
                    for (&x, &weight) in x[first..first + len].iter().zip(weights) {
                        sum = x.fma::<S>(weight, sum);
                    }
                    *y = sum;
                }
            }
            len => {
                for (nth, (y, &first)) in y.iter_mut().zip(firsts).enumerate() {
                    let weights = &map.weights[map.bounds[results.start + nth]..][..len];
                    let [sum] = lanes::sums(&x[first..first + len], weights, |x, weight| [x * weight]);
                    *y = T::from_f64(sum);
                }
            }
        }
    }
}

/// Runs of `N` elements; of neighbours that lie near each other as many results at once as a vector has lanes.
#[inline(always)]
fn short_runs<T: Float, S: Simd, const N: usize>(x: &[T], firsts: &[usize], weights: &[T], y: &mut [T]) {
    let mut of_place: [&[T]; N] = [&[]; N];
    for (place, weights) in of_place.iter_mut().zip(weights.chunks_exact(y.len())) {
        *place = weights;
    }
    for (nth, (y, firsts)) in y.chunks_mut(LANES).zip(firsts.chunks(LANES)).enumerate() {
        let base = firsts[0];
        let near = firsts.len() == LANES && firsts[LANES - 1] + N - base <= WINDOW;
        if let (true, Some(window)) = (near, x[base..].first_chunk::<WINDOW>()) {
            let mut sums = [T::ZERO; LANES];
            for place in 0..N {
                let weights = &of_place[place][nth * LANES..][..LANES];
                for lane in 0..LANES {
                    let x = window[(firsts[lane] - base + place) % WINDOW];
                    sums[lane] = if place == 0 { x * weights[lane] } else { x.fma::<S>(weights[lane], sums[lane]) };
                }
            }
            y.copy_from_slice(&sums);
            continue;
        }
        for (lane, (y, &first)) in y.iter_mut().zip(firsts).enumerate() {
            let run = x[first..].first_chunk::<N>().expect("as many elements");
            let mut sum = run[0] * of_place[0][nth * LANES + lane];
            for place in 1..N {
                sum = run[place].fma::<S>(of_place[place][nth * LANES + lane], sum);
            }
            *y = sum;
        }
    }
}
