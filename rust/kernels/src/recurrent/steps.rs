//! Which rows are those of which step.

use super::Layer;

/// The rows of a step: `rows` sequences from the first on, at `first` of all rows.
pub(super) struct Step {
    first: usize,
    rows: usize,
}

/// The steps in the order in which they are taken.
pub(super) fn steps(layer: &Layer<'_>) -> Vec<Step> {
    let mut first = 0;
    let mut steps: Vec<Step> = layer
        .sizes
        .iter()
        .map(|&rows| {
            first += rows;
            Step { first: first - rows, rows }
        })
        .collect();
    if layer.reverse {
        steps.reverse();
    }
    steps
}

impl Step {
    /// Where the sequences `first..end` begin and how many of them there are at this step.
    pub(super) fn part(&self, first: usize, end: usize) -> Option<(usize, usize)> {
        let rows = self.rows.min(end).checked_sub(first).filter(|&rows| rows > 0)?;
        Some((self.first + first, rows))
    }
}

/// The rows of the step before, and what sequences began with that it did not have.
#[derive(Clone, Copy)]
pub(super) struct Before<'a, T> {
    rows: &'a [T],
    initial: &'a [T],
    width: usize,
}

impl<'a, T> Before<'a, T> {
    /// `initial` begins with the sequence that `rows` begin with.
    pub(super) fn new(rows: &'a [T], initial: &'a [T], width: usize) -> Self {
        Self { rows, initial, width }
    }

    pub(super) fn row(&self, row: usize) -> &'a [T] {
        let at = row * self.width;
        &(if at < self.rows.len() { self.rows } else { self.initial })[at..at + self.width]
    }
}
