//! Distributions whose numbers take as many words as it happens: each element has a stream of its own, named by the
//! counter it would have in the draw, whose upper half counts the words that the element took before.

use super::{Generator, RandomFloat, Source, low, normal, philox, unit64};
use crate::parallel::{Disjoint, for_ranges};
use std::f64::consts::TAU;
use std::sync::OnceLock;

/// Elements in one task.
const GRAIN: usize = 1024;

/// The words of one element, two counters' worth of 64 bits at a time.
struct Words {
    seed: u64,
    counter: u64,
    taken: u64,
    left: Option<u64>,
}

impl Words {
    fn next(&mut self) -> u64 {
        if let Some(word) = self.left.take() {
            return word;
        }
        // Draws with a fixed number of words have zero in the upper half.
        self.taken += 1;
        let counter = [low(self.counter), low(self.counter >> 32), low(self.taken), low(self.taken >> 32)];
        let [a, b, c, d] =
            philox(counter.map(|word| [word]), [low(self.seed), low(self.seed >> 32)]).map(|[word]| word);
        self.left = Some(u64::from(c) << 32 | u64::from(d));
        u64::from(a) << 32 | u64::from(b)
    }

    /// Uniform on (0, 1].
    fn unit(&mut self) -> f64 {
        1.0 - unit64(self.next())
    }

    /// Standard normal, from strips of one area that cover the density: few numbers fall into the part of a strip where
    /// it must be computed (Marsaglia and Tsang, "The ziggurat method for generating random variables", 2000, in the form
    /// of Doornik, 2005).
    fn gauss(&mut self) -> f64 {
        let edges = strips();
        loop {
            let word = self.next();
            // The strip is named by bits that the number is not made of.
            let (strip, x) = (usize::from(low_byte(word) % STRIPS), 2.0 * unit64(word) - 1.0);
            let x = x * edges[strip];
            if x.abs() < edges[strip + 1] {
                return x;
            }
            if strip == 0 {
                return self.beyond(LAST_EDGE).copysign(x);
            }
            let density = |edge: f64| (-0.5 * (edge * edge - x * x)).exp();
            let [below, above] = [density(edges[strip]), density(edges[strip + 1])];
            if above + self.unit() * (below - above) < 1.0 {
                return x;
            }
        }
    }

    /// Standard normal, above `least`, which is far out.
    fn beyond(&mut self, least: f64) -> f64 {
        loop {
            let (further, log) = (-self.unit().ln() / least, self.unit().ln());
            if -2.0 * log >= further * further {
                return least + further;
            }
        }
    }
}

/// Strips below the density of the normal distribution.
const STRIPS: u8 = 128;
/// Where the tail begins, which is as large as a strip, and how large that is.
const LAST_EDGE: f64 = 3.442_619_855_899;
const STRIP_AREA: f64 = 9.912_563_035_262_17e-3;

/// How far each strip reaches, from the longest on; the first is as long as if it held the tail as well.
fn strips() -> &'static [f64; STRIPS as usize + 1] {
    static EDGES: OnceLock<[f64; STRIPS as usize + 1]> = OnceLock::new();
    EDGES.get_or_init(|| {
        let density = |x: f64| (-0.5 * x * x).exp();
        let mut edges = [0.0; STRIPS as usize + 1];
        (edges[0], edges[1]) = (STRIP_AREA / density(LAST_EDGE), LAST_EDGE);
        for strip in 2..usize::from(STRIPS) {
            let longer = edges[strip - 1];
            edges[strip] = (-2.0 * (STRIP_AREA / longer + density(longer)).ln()).sqrt();
        }
        edges
    })
}

fn low_byte(word: u64) -> u8 {
    word.to_le_bytes()[0]
}

/// Changes each element by what `draw` makes of its index and its words.
fn each<T: Send>(source: &mut impl Source, out: &mut [T], draw: impl Fn(usize, &mut T, &mut Words) + Sync) {
    let Generator { seed, offset } = source.reserve(out.len() as u64);
    let (len, out) = (out.len(), Disjoint::new(out));
    for_ranges(len, GRAIN, 50_000, |range| {
        // SAFETY: ranges are disjoint.
        let out = unsafe { out.slice(range.clone()) };
        for (i, out) in range.zip(out) {
            let mut words = Words { seed, counter: offset.wrapping_add(i as u64), taken: 0, left: None };
            draw(i, out, &mut words);
        }
    });
}

/// Fills `out` with numbers of the gamma distribution of scale 1 and the given shapes, which must not be negative
/// (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000).
///
/// # Panics
/// If lengths differ.
pub fn standard_gamma(source: &mut impl Source, shapes: &[f64], out: &mut [f64]) {
    assert_eq!(shapes.len(), out.len(), "operands differ in length");
    each(source, out, |i, out, words| {
        let shape = shapes[i];
        *out = if shape < 1.0 {
            // Of a shape higher by one, times a power of a uniform number.
            let power = words.unit().powf(1.0 / shape);
            gamma_from_one(shape + 1.0, words) * power
        } else {
            gamma_from_one(shape, words)
        };
    });
}

fn gamma_from_one(shape: f64, words: &mut Words) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = words.gauss();
        let v = (1.0 + c * x).powi(3);
        if !shape.is_finite() {
            return d * v;
        }
        if v > 0.0 {
            let unit = words.unit();
            // The first bound lies below the second, and is found without a logarithm.
            if unit < 1.0 - 0.0331 * (x * x) * (x * x) || unit.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

/// Fills `out` with counts of the Poisson distribution of the given rates, which must not be negative: products of
/// uniform numbers for low rates, otherwise a transformed rejection (Hoermann, "The transformed rejection method for
/// generating Poisson random variables", 1993).
///
/// # Panics
/// If lengths differ.
pub fn poisson(source: &mut impl Source, rates: &[f64], out: &mut [f64]) {
    assert_eq!(rates.len(), out.len(), "operands differ in length");
    each(source, out, |i, out, words| {
        let rate = rates[i];
        if rate >= 10.0 {
            *out = poisson_by_rejection(rate, words);
            return;
        }
        let (end, mut product) = ((-rate).exp(), words.unit());
        *out = 0.0;
        while product > end {
            product *= words.unit();
            *out += 1.0;
        }
    });
}

#[allow(clippy::many_single_char_names, reason = "the paper's")]
fn poisson_by_rejection(rate: f64, words: &mut Words) -> f64 {
    let root = rate.sqrt();
    let b = 0.931 + 2.53 * root;
    let a = -0.059 + 0.024_83 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let reach = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = words.unit() - 0.5;
        let v = words.unit();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + rate + 0.43).floor();
        if us >= 0.07 && v <= reach {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        if (v * inverse_alpha / (a / (us * us) + b)).ln() <= k * rate.ln() - rate - ln_factorial(k) {
            return k;
        }
    }
}

/// Fills `out` with standard normal numbers between `low` and `high` (Robert, "Simulation of truncated normal variables",
/// 1995).
pub fn truncated_normal<T: RandomFloat>(source: &mut impl Source, low: f64, high: f64, out: &mut [T]) {
    let mirrored = high < 0.0;
    let [low, high] = if mirrored { [-high, -low] } else { [low, high] };
    // Where the tail is wider than where its density falls off, the proposals are exponential.
    let slope = f64::midpoint(low, (low * low + 4.0).sqrt());
    let tail = low > 0.0 && (high - low) * slope > 2.0;
    let wide = low <= 0.0 && high - low > TAU.sqrt();
    // Where the density is highest.
    let top = low.max(0.0);
    let is_within = |x: f64| (low..=high).contains(&x) || low.is_nan() || high.is_nan();
    if wide {
        // All at once; those outside are then drawn again.
        normal(source, T::ZERO, T::ONE, out);
    }
    each(source, out, |_, out, words| {
        if wide && is_within(out.to_f64()) {
            return;
        }
        let x = loop {
            let (x, log_density) = if wide {
                (words.gauss(), 0.0)
            } else if tail {
                let x = low - words.unit().ln() / slope;
                (x, -0.5 * (x - slope) * (x - slope))
            } else {
                let x = low + (high - low) * words.unit();
                (x, 0.5 * (top * top - x * x))
            };
            if is_within(x) && (wide || words.unit().ln() <= log_density || log_density.is_nan()) {
                break x;
            }
        };
        *out = T::from_f64(if mirrored { -x } else { x });
    });
}

/// `ln(k!)`: Stirling's series, from where it is exact to float64.
fn ln_factorial(k: f64) -> f64 {
    if k < 16.0 {
        let mut product = 1.0;
        let mut factor = 2.0;
        while factor <= k {
            product *= factor;
            factor += 1.0;
        }
        return f64::ln(product);
    }
    let x = k + 1.0;
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / x;
    (x - 0.5) * x.ln() - x + 0.5 * TAU.ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn mean_and_variance(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn gamma_has_its_mean_and_variance() {
        for shape in [0.1, 0.5, 1.0, 3.0, 50.0] {
            let mut out = vec![0.0; 200_000];
            standard_gamma(&mut Generator::new(5), &vec![shape; out.len()], &mut out);
            let (mean, variance) = mean_and_variance(&out);
            assert!((mean - shape).abs() < 0.02 * shape.max(0.5), "{shape}: {mean}");
            assert!((variance - shape).abs() < 0.05 * shape.max(0.5), "{shape}: {variance}");
            assert!(out.iter().all(|&x| x >= 0.0));
        }
    }

    #[test]
    fn poisson_has_its_mean_and_variance() {
        for rate in [0.0, 0.3, 5.0, 10.0, 40.0, 1e6] {
            let mut out = vec![0.0; 200_000];
            poisson(&mut Generator::new(5), &vec![rate; out.len()], &mut out);
            let (mean, variance) = mean_and_variance(&out);
            assert!((mean - rate).abs() <= 0.01 * rate, "{rate}: {mean}");
            assert!((variance - rate).abs() <= 0.03 * rate, "{rate}: {variance}");
            assert!(out.iter().all(|&k| k >= 0.0 && k.fract() == 0.0));
        }
    }

    #[test]
    fn poisson_has_its_probabilities_on_both_sides_of_the_change_of_method() {
        for rate in [9.5f64, 10.5] {
            let mut out = vec![0.0; 400_000];
            poisson(&mut Generator::new(9), &vec![rate; out.len()], &mut out);
            for k in 0..30 {
                let k = f64::from(k);
                let expected = (k * rate.ln() - rate - ln_factorial(k)).exp();
                #[expect(clippy::cast_precision_loss, reason = "a count")]
                let got = out.iter().filter(|&&x| (x - k).abs() < 0.5).count() as f64 / out.len() as f64;
                assert!((got - expected).abs() < 0.0025, "P({k}) at {rate}: {got}, not {expected}");
            }
        }
    }

    #[test]
    fn truncated_normal_numbers_have_their_mean_and_stay_within_their_bounds() {
        // Means of the standard normal distribution on the interval, to five digits.
        let cases = [
            (-2.0, 2.0, 0.0),
            (-1.0, 3.0, 0.28279),
            (0.5, 1.0, 0.73454),
            (3.0, 50.0, 3.28310),
            (-9.0, -5.0, -5.18650),
            (-0.5, 0.25, -0.11925),
        ];
        for (low, high, expected) in cases {
            let mut out = vec![0.0f64; 200_000];
            truncated_normal(&mut Generator::new(5), low, high, &mut out);
            assert!(out.iter().all(|x| (low..=high).contains(x)), "{low} {high}");
            let (mean, _) = mean_and_variance(&out);
            assert!((mean - expected).abs() < 0.01, "{low} {high}: {mean}");
        }
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn normal_numbers_have_their_shares() {
        let mut out = vec![0.0; 1_000_000];
        each(&mut Generator::new(3), &mut out, |_, out, words| *out = words.gauss());
        let (mean, variance) = mean_and_variance(&out);
        assert!(mean.abs() < 0.004 && (variance - 1.0).abs() < 0.006, "{mean} {variance}");
        // The standard normal distribution function.
        let expected = [
            (-3.6, 0.000_159),
            (-3.0, 0.001_350),
            (-1.0, 0.158_655),
            (0.1, 0.539_828),
            (0.5, 0.691_462),
            (2.0, 0.977_250),
            (3.5, 0.999_767),
        ];
        for (bound, share) in expected {
            let found = out.iter().filter(|&&x| x < bound).count() as f64 / out.len() as f64;
            let spread = (share * (1.0 - share) / out.len() as f64).sqrt();
            assert!((found - share).abs() < 4.5 * spread, "P(x < {bound}) is {share}: {found}");
        }
    }

    #[test]
    fn an_element_depends_on_its_place_alone() {
        let (mut long, mut short) = (vec![0.0; 5000], vec![0.0; 3]);
        standard_gamma(&mut Generator::new(1), &vec![0.7; 5000], &mut long);
        standard_gamma(&mut Generator::new(1), &[0.7; 3], &mut short);
        assert_eq!(long[..3], short);
    }

    #[test]
    fn nan_ends() {
        let mut out = [0.0; 2];
        standard_gamma(&mut Generator::new(1), &[f64::NAN, f64::INFINITY], &mut out);
        poisson(&mut Generator::new(1), &[f64::NAN, 1.0], &mut out);
        truncated_normal::<f64>(&mut Generator::new(1), f64::NAN, 1.0, &mut out);
    }
}
