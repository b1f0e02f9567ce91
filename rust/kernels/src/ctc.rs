//! Connectionist temporal classification (Graves et al., 2006): the probability of a sequence of labels summed over all
//! ways to spread it over more frames, with blanks between. In logarithms, as it soon underflows; a sequence is a task.
//!
//! States are the labels with blanks around each. A path starts in one of the first two, goes in each frame from a state
//! to itself, to the next, or past a blank between two labels that differ, and ends in one of the last two. Frames follow
//! each other; the states of one are computed side by side.

use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// Estimated cost of a state in a frame, in nanoseconds.
const STATE_NS: usize = 4;
/// States beyond each end of a row, which nothing reaches, so that those within all have the same neighbours.
const EDGE: usize = 2;

/// How many frames a sequence has, and how many labels.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// Frames; those behind them do not count.
    pub frames: usize,
    /// Labels.
    pub labels: usize,
}

/// Sequences of log-probabilities and of labels.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a, T> {
    /// Of (frames, sequences, classes), row-major.
    pub log_probs: &'a [T],
    /// The number of classes.
    pub classes: usize,
    /// The labels, one sequence after the other.
    pub labels: &'a [i64],
    /// Of each sequence.
    pub lengths: &'a [Lengths],
    /// The class that stands for no label.
    pub blank: usize,
}

impl<T: Float> Sequences<'_, T> {
    /// Runs `task` on each sequence.
    fn for_each(&self, task: impl Fn(usize, &Lattice<'_, T>) + Sync) {
        let count = self.lengths.len();
        assert!(
            self.blank < self.classes && self.labels.iter().all(|&y| label(y) < self.classes),
            "labels are classes"
        );
        let starts: Vec<usize> = self
            .lengths
            .iter()
            .scan(0, |next, lengths| {
                let start = *next;
                *next += lengths.labels;
                Some(start)
            })
            .collect();
        let steps = self.log_probs.len().checked_div(count * self.classes).unwrap_or(0);
        for_each(count, steps.saturating_mul((2 * self.labels.len() + count) * STATE_NS), |n| {
            let Lengths { frames, labels } = self.lengths[n];
            assert!(frames <= steps, "more frames than there are");
            let labels = &self.labels[starts[n]..][..labels];
            let width = 2 * labels.len() + 1;
            let mut states = vec![self.blank; width];
            let mut skips = vec![T::LOWEST; width + EDGE];
            for (i, &y) in labels.iter().enumerate() {
                states[2 * i + 1] = label(y);
                if i > 0 && labels[i - 1] != y {
                    skips[2 * i + 1] = T::ZERO;
                }
            }
            task(n, &Lattice { all: self, n, frames, states, skips });
        });
    }
}

fn label(y: i64) -> usize {
    usize::try_from(y).unwrap_or(usize::MAX)
}

/// The states of one sequence in its frames.
struct Lattice<'a, T> {
    all: &'a Sequences<'a, T>,
    n: usize,
    frames: usize,
    /// The class of each state.
    states: Vec<usize>,
    /// Zero where a state is reached past the one before, else minus infinity.
    skips: Vec<T>,
}

impl<T: Float> Lattice<'_, T> {
    /// The elements of the classes in frame `t`.
    #[inline(always)]
    fn classes(&self, t: usize) -> std::ops::Range<usize> {
        let start = (t * self.all.lengths.len() + self.n) * self.all.classes;
        start..start + self.all.classes
    }

    /// The log-probability of each state's class in frame `t`.
    #[inline(always)]
    fn emit(&self, t: usize, out: &mut [T]) {
        let classes = &self.all.log_probs[self.classes(t)];
        for (out, &state) in out.iter_mut().zip(&self.states) {
            *out = classes[state];
        }
    }

    /// Room for a row of states in each frame.
    fn room(&self) -> Vec<T> {
        vec![T::LOWEST; self.frames * (EDGE + self.states.len())]
    }
}

/// `log(exp(a) + exp(b) + exp(c))`.
#[inline(always)]
fn log_sum<T: Float, S: Simd>(a: T, b: T, c: T) -> T {
    let largest = if a > b { a } else { b };
    let largest = if largest > c { largest } else { c };
    let shift = if largest == T::LOWEST { T::ZERO } else { largest };
    let each = |x: T| (x - shift).exp_nonpositive::<S>();
    (each(a) + each(b) + each(c)).log::<S>() + shift
}

/// Minus the log-probability of the labels; of every state in every frame, behind `EDGE` others, that of the paths to it.
struct Forward<'a, 'b, T> {
    lattice: &'a Lattice<'b, T>,
    reached: &'a mut [T],
}

impl<T: Float> Kernel for Forward<'_, '_, T> {
    type Output = T;
    #[inline(always)]
    fn run<S: Simd>(self) -> T {
        let Self { lattice, reached } = self;
        let width = lattice.states.len();
        let mut rows = reached.chunks_exact_mut(EDGE + width);
        let Some(mut before) = rows.next() else {
            return if width == 1 { T::ZERO } else { T::HIGHEST };
        };
        lattice.emit(0, &mut before[EDGE..]);
        before[(EDGE + 2).min(EDGE + width)..].fill(T::LOWEST);
        for (t, row) in rows.enumerate() {
            lattice.emit(t + 1, &mut row[EDGE..]);
            let from = before[EDGE..].iter().zip(&before[EDGE - 1..]).zip(before.iter().zip(&lattice.skips));
            for (out, ((&stay, &step), (&skip, &open))) in row[EDGE..].iter_mut().zip(from) {
                *out += log_sum::<T, S>(stay, step, skip + open);
            }
            before = row;
        }
        let before_last = before[EDGE + width - 2];
        -log_sum::<T, S>(before[EDGE + width - 1], before_last, T::LOWEST)
    }
}

/// Writes the gradient of the classes in each frame: minus `grad` times the probability of paths through them.
struct Backward<'a, 'b, T> {
    lattice: &'a Lattice<'b, T>,
    reached: &'a [T],
    loss: T,
    grad: T,
    /// The gradient of all sequences.
    out: &'a Disjoint<'a, T>,
}

impl<T: Float> Kernel for Backward<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { lattice, reached, loss, grad, out } = self;
        let width = lattice.states.len();
        // Of the paths from each state: without and with what it emits itself.
        let (mut after, mut from) = (vec![T::LOWEST; width], vec![T::LOWEST; width + EDGE]);
        after[width.saturating_sub(2)..].fill(T::ZERO);
        for (t, reached) in reached.chunks_exact(EDGE + width).enumerate().rev() {
            if t + 1 < lattice.frames {
                let to = from.iter().zip(&from[1..]).zip(from[EDGE..].iter().zip(&lattice.skips[EDGE..]));
                for (out, ((&stay, &step), (&skip, &open))) in after.iter_mut().zip(to) {
                    *out = log_sum::<T, S>(stay, step, skip + open);
                }
            }
            lattice.emit(t, &mut from);
            for (from, &after) in from.iter_mut().zip(&after) {
                *from += after;
            }
            // SAFETY: each task has a sequence of its own.
            let classes = unsafe { out.slice(lattice.classes(t)) };
            classes.fill(T::ZERO);
            let mut shares = [T::ZERO; 64];
            for ((states, reached), after) in
                lattice.states.chunks(64).zip(reached[EDGE..].chunks(64)).zip(after.chunks(64))
            {
                for ((share, &reached), &after) in shares.iter_mut().zip(reached).zip(after) {
                    *share = (reached + after + loss).exp::<S>() * grad;
                }
                for (&share, &state) in shares.iter().zip(states) {
                    classes[state] -= share;
                }
            }
        }
    }
}

/// Minus the log-probability of the labels of each sequence; infinity where its frames cannot hold them.
///
/// # Panics
/// If a label is no class or a length is not there.
pub fn losses<T: Float>(sequences: &Sequences<'_, T>, out: &mut [T]) {
    assert_eq!(out.len(), sequences.lengths.len(), "one loss a sequence");
    let out = Disjoint::new(out);
    sequences.for_each(|n, lattice| {
        // SAFETY: each task has an element of its own.
        let out = unsafe { out.slice(n..n + 1) };
        out[0] = dispatch(Forward { lattice, reached: &mut lattice.room() });
    });
}

/// The gradient of [`losses`] by the log-probabilities, from that of each loss: zero for what frames cannot hold.
///
/// # Panics
/// As [`losses`].
pub fn gradient<T: Float>(sequences: &Sequences<'_, T>, grad: &[T], out: &mut [T]) {
    assert_eq!(out.len(), sequences.log_probs.len(), "one gradient a log-probability");
    assert_eq!(grad.len(), sequences.lengths.len(), "one gradient a sequence");
    let steps = out.len().checked_div(grad.len() * sequences.classes).unwrap_or(0);
    let out = Disjoint::new(out);
    sequences.for_each(|n, lattice| {
        let mut reached = lattice.room();
        let loss = dispatch(Forward { lattice, reached: &mut reached });
        let held = if loss == T::HIGHEST { 0 } else { lattice.frames };
        if held > 0 {
            dispatch(Backward { lattice, reached: &reached, loss, grad: grad[n], out: &out });
        }
        for t in held..steps {
            // SAFETY: each task has a sequence of its own.
            unsafe { out.slice(lattice.classes(t)) }.fill(T::ZERO);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every path, one by one.
    fn by_paths(sequences: &Sequences<'_, f64>, n: usize, labels: &[i64]) -> f64 {
        let (count, classes, frames) = (sequences.lengths.len(), sequences.classes, sequences.lengths[n].frames);
        let mut total = 0.0;
        for path in 0..classes.pow(u32::try_from(frames).unwrap()) {
            let at = |t: u32| path / classes.pow(t) % classes;
            let steps = || 0..u32::try_from(frames).unwrap();
            let merged: Vec<i64> = steps()
                .filter(|&t| at(t) != sequences.blank && (t == 0 || at(t) != at(t - 1)))
                .map(|t| i64::try_from(at(t)).unwrap())
                .collect();
            if merged == labels {
                total +=
                    steps().map(|t| sequences.log_probs[(t as usize * count + n) * classes + at(t)]).sum::<f64>().exp();
            }
        }
        -total.ln()
    }

    #[test]
    fn all_paths_are_summed() {
        let log_probs: Vec<f64> = (0..5 * 4 * 3).map(|i| -0.2 - f64::from(i * 7 % 11) / 5.0).collect();
        let labels = [0, 2, 2, 2, 0, 2];
        let lengths = [(5, 2), (4, 2), (2, 0), (1, 2)].map(|(frames, labels)| Lengths { frames, labels });
        let mut sequences =
            Sequences { log_probs: &log_probs, classes: 3, labels: &labels, lengths: &lengths, blank: 1 };
        let loss = |sequences: &Sequences<'_, f64>| {
            let mut found = [0.0; 4];
            losses(sequences, &mut found);
            found
        };
        let found = loss(&sequences);
        for (n, labels) in [&labels[..2], &labels[2..4], &[], &labels[4..]].into_iter().enumerate() {
            let expected = by_paths(&sequences, n, labels);
            assert!(found[n].to_bits() == expected.to_bits() || (found[n] - expected).abs() < 1e-12, "{n}: {found:?}");
        }
        let weights = [1.0, -2.0, 0.5, 3.0];
        let mut slopes = vec![f64::NAN; log_probs.len()];
        gradient(&sequences, &weights, &mut slopes);
        for (i, &slope) in slopes.iter().enumerate() {
            let moved = |by: f64| -> Vec<f64> {
                log_probs.iter().enumerate().map(|(j, x)| if i == j { x + by } else { *x }).collect()
            };
            let (above, below) = (moved(1e-5), moved(-1e-5));
            let weighted = |log_probs| {
                let found = loss(&Sequences { log_probs, ..sequences });
                found.iter().zip(weights).filter(|(x, _)| x.is_finite()).map(|(x, weight)| x * weight).sum::<f64>()
            };
            let expected = (weighted(&above) - weighted(&below)) / 2e-5;
            assert!((slope - expected).abs() < 1e-8, "{i}: {slope} is not {expected}");
        }
        sequences.lengths = &[Lengths { frames: 0, labels: 0 }, Lengths { frames: 0, labels: 1 }];
        let mut found = [0.0; 2];
        losses(&sequences, &mut found);
        assert_eq!(found.map(f64::to_bits), [0.0, f64::INFINITY].map(f64::to_bits));
    }
}
