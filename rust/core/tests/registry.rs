//! What every operation in the registry must do, on its own examples: gradients that agree with central differences
//! in float64, first and second; the same values for any strides; an answer or an error, never a panic, for any dtype.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers, made for tests"
)]

use dlcore_core::autograd::engine::{self, Options};
use dlcore_core::ops::registry;
use dlcore_core::ops::sample::{Domain, Example, Input};
use dlcore_core::{Array, DType, Scalar, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A step that balances truncation against rounding of central differences in float64.
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;

/// Numbers in [0, 1), the same on every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / 4_294_967_296.0
    }

    fn floats(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next() * 4.0 - 2.0).collect()
    }

    /// Values that an example's input may take.
    fn fill(&mut self, input: &Input) -> Vec<f64> {
        let count = input.shape.iter().product();
        let mut values: Vec<f64> = (0..count)
            .map(|i: usize| {
                let x = self.next();
                let sign = if self.next() < 0.5 { -1.0 } else { 1.0 };
                match input.domain {
                    Domain::Real => 4.0 * x - 2.0,
                    Domain::Positive => 0.1 + 2.0 * x,
                    Domain::Unit => 0.05 + 0.4 * x,
                    Domain::AboveOne => 1.1 + 2.0 * x,
                    Domain::AwayFromZero => sign * (0.1 + 2.0 * x),
                    Domain::Distinct => i as f64 * 0.03 - 0.5 + 0.01 * x,
                    Domain::Invertible | Domain::PositiveDefinite => dominant(&input.shape, i, x),
                    Domain::Index(n) => (x * n as f64).floor(),
                    Domain::Bool => f64::from(u8::from(x < 0.5)),
                }
            })
            .collect();
        if input.domain == Domain::Distinct {
            for i in (1..count).rev() {
                let j = (self.next() * (i + 1) as f64) as usize;
                values.swap(i, j);
            }
        }
        values
    }
}

/// Element `i` of matrices whose diagonal grows and outweighs the rest; `x` lies between 0 and 1.
fn dominant(shape: &[usize], i: usize, x: f64) -> f64 {
    match *shape {
        [.., m, n] if i / n % m == i % n => x + (2 * (i % n) + m.max(n)) as f64,
        _ => x - 0.5,
    }
}

/// The dtype in which an input is checked.
fn dtype(domain: Domain) -> DType {
    match domain {
        Domain::Index(_) => DType::I64,
        Domain::Bool => DType::Bool,
        _ => DType::F64,
    }
}

fn array(values: &[f64], shape: &[usize], dtype: DType) -> Array {
    Array::from_slice("test", values, shape).unwrap().cast("test", dtype).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.array().cast("test", DType::F64).unwrap().contiguous("test").unwrap().elements::<f64>().to_vec()
}

/// An example with concrete inputs, as a function of all its float elements.
struct Problem<'a> {
    example: &'a Example,
    values: Vec<Vec<f64>>,
    /// Weights of the output's elements, which make the result a number.
    weights: Tensor,
}

impl<'a> Problem<'a> {
    /// `None` where the output is not float64 (a conversion).
    fn new(example: &'a Example, noise: &mut Noise) -> Option<Self> {
        let values = example.inputs.iter().map(|input| noise.fill(input)).collect();
        let mut problem = Self { example, values, weights: Array::zeros("test", &[], DType::F64).unwrap().into() };
        let output = problem.run(&problem.tensors(&problem.values, false));
        if output.dtype() != DType::F64 {
            return None;
        }
        problem.weights = array(&noise.floats(output.numel()), output.shape(), DType::F64).into();
        Some(problem)
    }

    fn run(&self, inputs: &[Tensor]) -> Tensor {
        (self.example.run)(&inputs.iter().collect::<Vec<_>>()).unwrap().swap_remove(0)
    }

    fn tensors(&self, values: &[Vec<f64>], leaves: bool) -> Vec<Tensor> {
        let make = |(input, values): (&Input, &Vec<f64>)| {
            let array = array(values, &input.shape, dtype(input.domain));
            if leaves && array.dtype().is_float() { Tensor::leaf(array).unwrap() } else { Tensor::from(array) }
        };
        self.example.inputs.iter().zip(values).map(make).collect()
    }

    /// The weighted sum of the output.
    fn value(&self, values: &[Vec<f64>]) -> f64 {
        let output = self.run(&self.tensors(values, false));
        self::values(&output).iter().zip(self::values(&self.weights)).map(|(y, w)| y * w).sum()
    }

    /// Gradients of the value with respect to the float inputs, and those inputs.
    fn gradients(&self, values: &[Vec<f64>], create_graph: bool) -> (Vec<Tensor>, Vec<Tensor>) {
        let tensors = self.tensors(values, true);
        let output = self.run(&tensors);
        let leaves: Vec<Tensor> = tensors.into_iter().filter(Tensor::requires_grad).collect();
        let options = Options { create_graph, ..Options::default() };
        let gradients = engine::grad(&[output], &[Some(self.weights.clone())], &leaves, options).unwrap();
        let or_zero = |(gradient, leaf): (Option<Tensor>, &Tensor)| {
            gradient.unwrap_or_else(|| Array::zeros("test", leaf.shape(), DType::F64).unwrap().into())
        };
        (gradients.into_iter().zip(&leaves).map(or_zero).collect(), leaves)
    }

    /// Central differences of `f` over every element of every float input, concatenated.
    fn differences(&self, f: impl Fn(&[Vec<f64>]) -> f64) -> Vec<f64> {
        let mut slopes = Vec::new();
        let mut values = self.values.clone();
        for (i, input) in self.example.inputs.iter().enumerate() {
            if dtype(input.domain) != DType::F64 {
                continue;
            }
            for k in 0..values[i].len() {
                let x = values[i][k];
                values[i][k] = x + STEP;
                let above = f(&values);
                values[i][k] = x - STEP;
                let below = f(&values);
                values[i][k] = x;
                slopes.push((above - below) / (2.0 * STEP));
            }
        }
        slopes
    }
}

fn assert_close(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            g.total_cmp(e).is_eq() || (g - e).abs() <= TOLERANCE * (1.0 + e.abs()),
            "{what}: element {i} is {g}, central differences say {e}"
        );
    }
}

/// Runs `check` on every example of every operation that has gradients.
fn for_each_problem(check: impl Fn(&str, &Problem)) {
    for entry in registry().into_iter().filter(|entry| entry.differentiable) {
        let mut noise = Noise(42);
        for (i, example) in (entry.examples)().iter().enumerate() {
            if let Some(problem) = Problem::new(example, &mut noise) {
                check(&format!("{} (example {i}: {:?} {:?})", entry.name, example.inputs, example.params), &problem);
            }
        }
    }
}

#[test]
fn gradients_agree_with_central_differences() {
    for_each_problem(|what, problem| {
        let (gradients, leaves) = problem.gradients(&problem.values, false);
        for (gradient, leaf) in gradients.iter().zip(&leaves) {
            assert_eq!(gradient.shape(), leaf.shape(), "{what}");
        }
        let got: Vec<f64> = gradients.iter().flat_map(values).collect();
        assert_close(what, &got, &problem.differences(|values| problem.value(values)));
    });
}

#[test]
fn second_derivatives_agree_with_central_differences() {
    for_each_problem(|what, problem| {
        let (gradients, leaves) = problem.gradients(&problem.values, true);
        // A direction turns the gradients into a number, which is differentiated again.
        let mut noise = Noise(7);
        let directions: Vec<Tensor> =
            gradients.iter().map(|g| array(&noise.floats(g.numel()), g.shape(), DType::F64).into()).collect();
        let (outputs, seeds): (Vec<_>, Vec<_>) =
            gradients.into_iter().zip(directions.iter().cloned().map(Some)).filter(|(g, _)| g.requires_grad()).unzip();
        let seconds = engine::grad(&outputs, &seeds, &leaves, Options::default())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let got: Vec<f64> =
            seconds.iter().zip(&leaves).flat_map(|(s, l)| s.as_ref().map_or(vec![0.0; l.numel()], values)).collect();
        let along = |inputs: &[Vec<f64>]| {
            let (gradients, _) = problem.gradients(inputs, false);
            let products = |(g, d)| values(g).into_iter().zip(values(d)).map(|(g, d)| g * d).sum::<f64>();
            gradients.iter().zip(&directions).map(products).sum()
        };
        assert_close(&format!("second derivative of {what}"), &got, &problem.differences(along));
    });
}

#[test]
fn a_recorded_gradient_equals_a_fused_one() {
    for_each_problem(|what, problem| {
        let [fused, recorded] = [false, true].map(|create_graph| problem.gradients(&problem.values, create_graph).0);
        let all = |gradients: &[Tensor]| gradients.iter().flat_map(values).collect::<Vec<_>>();
        assert_close(what, &all(&fused), &all(&recorded));
    });
}

/// The same elements with other strides: every other element of each row, written backwards.
fn scattered(x: &Array) -> Array {
    let Some(&last) = x.shape().last() else { return x.clone() };
    let mut shape = x.dims();
    *shape.last_mut().unwrap() = 2 * last;
    let wide = Array::full("test", &shape, Scalar::Int(1), x.dtype()).unwrap();
    let dim = shape.len() - 1;
    let window = wide.view(wide.layout().slice(dim, (2 * last).saturating_sub(1), -2, last));
    window.write("test", x).unwrap();
    window
}

#[test]
fn values_do_not_depend_on_strides() {
    for entry in registry() {
        let mut noise = Noise(3);
        for (i, example) in (entry.examples)().iter().enumerate() {
            let arrays: Vec<Array> =
                example.inputs.iter().map(|x| array(&noise.fill(x), &x.shape, dtype(x.domain))).collect();
            let run = |arrays: &[Array]| {
                let tensors: Vec<Tensor> = arrays.iter().cloned().map(Tensor::from).collect();
                (example.run)(&tensors.iter().collect::<Vec<_>>()).unwrap()
            };
            let plain = run(&arrays);
            let strided = run(&arrays.iter().map(scattered).collect::<Vec<_>>());
            for (a, b) in plain.iter().zip(&strided) {
                assert_close(&format!("{} (example {i}), strided", entry.name), &values(b), &values(a));
            }
        }
    }
}

#[test]
fn no_dtype_makes_an_operation_panic() {
    for entry in registry() {
        for (i, example) in (entry.examples)().iter().enumerate() {
            for dtype in DType::ALL {
                for leaf in [false, true] {
                    let call = || {
                        let mut noise = Noise(5);
                        let make = |x: &Input| {
                            let array = array(&noise.fill(x), &x.shape, dtype);
                            if leaf && dtype.is_float() { Tensor::leaf(array).unwrap() } else { Tensor::from(array) }
                        };
                        let tensors: Vec<Tensor> = example.inputs.iter().map(make).collect();
                        let Ok(outputs) = (example.run)(&tensors.iter().collect::<Vec<_>>()) else { return };
                        if outputs[0].requires_grad() {
                            let seed = Array::full("test", outputs[0].shape(), Scalar::Int(1), outputs[0].dtype());
                            let seed = Some(seed.unwrap().into());
                            let _ = engine::backward(&outputs[..1], &[seed], Options::default());
                        }
                    };
                    let caught = catch_unwind(AssertUnwindSafe(call));
                    assert!(caught.is_ok(), "{} (example {i}) panicked on {dtype}", entry.name);
                }
            }
        }
    }
}

#[test]
fn names_and_examples_are_distinct_and_present() {
    let mut names: Vec<&str> = registry().iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "two operations share a name");
    assert!(registry().iter().all(|entry| !(entry.examples)().is_empty()), "an operation has no example");
}
