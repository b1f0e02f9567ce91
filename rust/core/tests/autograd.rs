//! The engine: what it walks, what it keeps, what it frees, and what it refuses.

use dlcore_core::autograd::engine::{self, Options};
use dlcore_core::autograd::inplace::{assign, caught_up};
use dlcore_core::autograd::mode;
use dlcore_core::autograd::saved::Overwriting;
use dlcore_core::autograd::tensor::Kind;
use dlcore_core::creation::{from_values, full, ones};
use dlcore_core::{DType, Error, Result, Scalar, Tensor, ops};
use std::sync::Arc;

const RETAIN: Options = Options { retain_graph: true, create_graph: false };
const CREATE: Options = Options { retain_graph: false, create_graph: true };

fn leaf(values: &[f64]) -> Tensor {
    Tensor::leaf(from_values(values, &[values.len()]).unwrap().array().clone()).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.array().contiguous("test").unwrap().elements::<f64>().to_vec()
}

fn total(x: &Tensor) -> Tensor {
    ops::sum(x, &(0..x.rank()).collect::<Vec<_>>(), false).unwrap()
}

fn number(value: f64) -> Tensor {
    full(&[], Scalar::Float(value), Some(DType::F64)).unwrap()
}

fn backward(y: &Tensor, options: Options) -> Result<()> {
    engine::backward(std::slice::from_ref(y), &[], options)
}

fn gradient(x: &Tensor) -> Vec<f64> {
    values(&x.grad().expect("a gradient"))
}

fn message<T>(result: Result<T>) -> String {
    match result {
        Err(Error::Gradient(text)) => text,
        Err(other) => panic!("expected a gradient error, got {other:?}"),
        Ok(_) => panic!("expected a gradient error"),
    }
}

#[test]
fn a_chain_of_100_000_operations_walks_back_and_drops() {
    // On a thread with a small stack, which recursion would overflow.
    let run = || {
        let x = leaf(&[1.0]);
        let one = number(1.0);
        let mut y = x.clone();
        for _ in 0..100_000 {
            y = ops::add(&y, &one).unwrap();
        }
        backward(&total(&y), Options::default()).unwrap();
        assert_eq!(gradient(&x), [1.0]);
        drop(y);
        // Saved tensors own nodes as well.
        let mut y = x.clone();
        for _ in 0..100_000 {
            y = ops::mul(&y, &y).unwrap();
        }
        drop(y);
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_second_backward_needs_retain_graph() {
    let x = leaf(&[2.0, 3.0]);
    let y = total(&ops::mul(&x, &x).unwrap());
    backward(&y, RETAIN).unwrap();
    backward(&y, Options::default()).unwrap();
    assert_eq!(gradient(&x), [8.0, 12.0]);
    assert_eq!(
        message(backward(&y, Options::default())),
        "backward: the graph through mul was walked before and its saved values are freed; \
         pass retain_graph=True to the first backward, or compute the loss again"
    );
}

#[test]
fn grad_walks_and_frees_only_what_leads_to_its_inputs() {
    let (x, w) = (leaf(&[2.0, 3.0]), leaf(&[5.0, 7.0]));
    let apart = ops::mul(&w, &w).unwrap();
    let y = total(&ops::mul(&x, &ops::add(&apart, &x).unwrap()).unwrap());
    let gradients = engine::grad(&[y], &[], std::slice::from_ref(&x), Options::default()).unwrap();
    assert_eq!(values(gradients[0].as_ref().unwrap()), [29.0, 55.0]);
    // The part that leads to `w` alone is still whole.
    backward(&total(&apart), Options::default()).unwrap();
    assert_eq!(gradient(&w), [10.0, 14.0]);
    assert!(x.grad().is_none());
}

#[test]
fn a_nan_takes_the_gradient_of_a_maximum() {
    let (x, y) = (leaf(&[f64::NAN, 1.0, 2.0]), leaf(&[1.0, 1.0, 1.0]));
    backward(&total(&ops::maximum(&x, &y).unwrap()), Options::default()).unwrap();
    assert_eq!(gradient(&x), [1.0, 0.5, 1.0]);
    assert_eq!(gradient(&y), [1.0, 0.5, 0.0]);
}

#[test]
fn create_graph_gives_the_second_and_third_derivative_of_a_cube() {
    let x = leaf(&[2.0, -1.5]);
    let mut y = ops::pow(&x, &number(3.0)).unwrap();
    for expected in [[12.0, 6.75], [12.0, -9.0], [6.0, 6.0]] {
        let gradients = engine::grad(&[total(&y)], &[], std::slice::from_ref(&x), CREATE).unwrap();
        y = gradients[0].clone().unwrap();
        assert_eq!(values(&y), expected);
    }
}

#[test]
fn an_overwritten_saved_tensor_names_who_needs_it_and_who_wrote() {
    let x = leaf(&[2.0, 3.0]);
    let y = ops::mul(&x, &number(2.0)).unwrap();
    let z = ops::mul(&y, &y).unwrap();
    let more = ops::add(&y, &number(1.0)).unwrap();
    assign("add_", &y, &more).unwrap();
    assert_eq!(
        message(backward(&total(&z), Options::default())),
        "mul: the input of shape (2,) that backward needs was overwritten in place by add_ after it was used; \
         write to a clone(), or compute out of place"
    );
    let e = ops::exp(&x).unwrap();
    {
        let _off = mode::Scope::new(false);
        assign("zero_", &e, &number(0.0)).unwrap();
    }
    let text = message(backward(&total(&e), Options::default()));
    assert!(text.starts_with("exp: the output of shape (2,)") && text.contains("by zero_"), "{text}");
}

#[test]
fn a_gradient_that_ends_at_an_operation_says_at_which() {
    let x = leaf(&[2.0, 3.0]);
    let position = ops::argmax(&x, None, false).unwrap();
    let expected = "backward: argmax has no gradient: its output is not a smooth function of its input";
    assert_eq!(message(backward(&position, Options::default())), expected);
    let later = total(&ops::cast(&position, DType::F64).unwrap());
    assert_eq!(message(backward(&later, Options::default())), expected);
    let whole = ops::cast(&x, DType::I64).unwrap();
    assert!(message(backward(&total(&whole), Options::default())).contains("to has no gradient"));
    let constant = from_values(&[1.0], &[]).unwrap();
    assert!(message(backward(&constant, Options::default())).contains("requires_grad=True"));
    assert!(message(Tensor::leaf(ones(&[2], DType::I64).unwrap().array().clone())).contains("only float tensors"));
    let stranger = from_values(&[1.0], &[1]).unwrap();
    assert!(message(engine::grad(&[total(&x)], &[], &[stranger], RETAIN)).contains("input 0 does not require"));
}

#[test]
fn paths_that_meet_add_up() {
    let x = leaf(&[3.0]);
    let y = ops::mul(&x, &x).unwrap();
    // Two ways from y: y * y and 5 y; d/dx (x^4 + 5 x^2) = 4 x^3 + 10 x.
    let z = ops::add(&ops::mul(&y, &y).unwrap(), &ops::mul(&y, &number(5.0)).unwrap()).unwrap();
    backward(&total(&z), Options::default()).unwrap();
    assert_eq!(gradient(&x), [138.0]);
}

#[test]
fn an_input_without_a_part_gets_none() {
    let (x, other) = (leaf(&[3.0]), leaf(&[1.0]));
    let found = engine::grad(&[total(&x)], &[], &[x.clone(), other.clone(), x.clone()], Options::default()).unwrap();
    assert_eq!(found[0].as_ref().map(values), Some(vec![1.0]));
    assert!(found[1].is_none());
    assert_eq!(found[2].as_ref().map(values), Some(vec![1.0]));
    assert!(x.grad().is_none(), "grad() leaves .grad alone");
}

#[test]
fn leaves_that_receive_one_gradient_do_not_share_its_memory() {
    for options in [RETAIN, CREATE] {
        let (a, b) = (leaf(&[1.0, 2.0]), leaf(&[3.0, 4.0]));
        let sum = ops::add(&a, &b).unwrap();
        let seed = from_values(&[1.0, 1.0], &[2]).unwrap();
        engine::backward(std::slice::from_ref(&sum), &[Some(seed.clone())], options).unwrap();
        let (grad_a, grad_b) = (a.grad().unwrap(), b.grad().unwrap());
        assert!(!grad_a.array().shares_storage(grad_b.array()));
        assert!(!grad_a.array().shares_storage(seed.array()) && !grad_b.array().shares_storage(seed.array()));
        // What accumulates into one must not reach the other.
        backward(&total(&a), Options::default()).unwrap();
        assert_eq!((gradient(&a), gradient(&b)), (vec![2.0, 2.0], vec![1.0, 1.0]));
    }
}

#[test]
fn a_broadcast_gradient_is_stored_whole() {
    let x = leaf(&[1.0, 2.0, 3.0]);
    backward(&total(&x), Options::default()).unwrap();
    let held = x.grad().unwrap();
    assert!(held.array().layout().is_contiguous());
    // Accumulation happens in place: whoever holds the gradient sees the sum.
    backward(&total(&x), Options::default()).unwrap();
    assert_eq!(values(&held), [2.0; 3]);
}

#[test]
fn detach_and_no_grad_record_nothing() {
    let x = leaf(&[2.0]);
    let y = ops::mul(&x, &x.detach()).unwrap();
    backward(&total(&y), Options::default()).unwrap();
    assert_eq!(gradient(&x), [2.0]);
    assert!(x.detach().array().shares_storage(x.array()));
    let quiet = {
        let _off = mode::Scope::new(false);
        ops::mul(&x, &x).unwrap()
    };
    assert!(!quiet.requires_grad() && quiet.is_leaf());
    assert!(ops::mul(&x, &x).unwrap().requires_grad(), "recording is back on");
    assert!(message(backward(&total(&quiet), Options::default())).contains("no_grad()"));
}

#[test]
fn in_place_writes_are_recorded_or_refused() {
    let x = leaf(&[2.0, 3.0]);
    assert!(message(assign("add_", &x, &number(1.0))).contains("add_: in-place write to a leaf"));
    {
        let _off = mode::Scope::new(false);
        assert!(assign("add_", &x, &ops::add(&x, &number(1.0)).unwrap()).unwrap().is_none());
    }
    assert_eq!(values(&x), [3.0, 4.0]);

    // A recorded write: the new handle carries the new history.
    let y = ops::mul(&x, &number(2.0)).unwrap();
    let written = assign("mul_", &y, &ops::mul(&y, &x).unwrap()).unwrap().expect("a recorded write");
    assert!(written.array().shares_storage(y.array()));
    let loss = total(&written);
    let error = message(backward(&loss, RETAIN));
    assert!(error.contains("mul: the input") && error.contains("by mul_"), "y itself was saved: {error}");

    let y = ops::mul(&x, &number(2.0)).unwrap();
    let written = assign("add_", &y, &ops::add(&y, &x).unwrap()).unwrap().expect("a recorded write");
    backward(&total(&written), Options::default()).unwrap();
    assert_eq!(gradient(&x), [3.0, 3.0]);

    // What is computed to be written keeps copies of what it overwrites: (2x)² has the derivative 8x.
    let y = ops::mul(&x, &number(2.0)).unwrap();
    let value = {
        let _copying = Overwriting::new(&y);
        ops::mul(&y, &y).unwrap()
    };
    let written = assign("mul_", &y, &value).unwrap().expect("a recorded write");
    let found = engine::grad(&[total(&written)], &[], std::slice::from_ref(&x), Options::default()).unwrap();
    assert_eq!(found[0].as_ref().map(values), Some(vec![24.0, 32.0]));

    // A value that broadcasts and has another dtype.
    let b = Tensor::leaf(full(&[1], Scalar::Float(5.0), Some(DType::F32)).unwrap().array().clone()).unwrap();
    let y = ops::mul(&x, &number(2.0)).unwrap();
    let written = assign("copy_", &y, &ops::mul(&b, &b).unwrap()).unwrap().expect("a recorded write");
    assert_eq!(values(&written), [25.0, 25.0]);
    backward(&total(&written), Options::default()).unwrap();
    assert_eq!(b.grad().unwrap().array().elements::<f32>(), [20.0]);
}

#[test]
fn a_recorded_write_reaches_all_who_see_the_memory() {
    let x = leaf(&[3.0, 4.0]);
    let gradient = |y: &Tensor| {
        let found = engine::grad(&[total(y)], &[], std::slice::from_ref(&x), RETAIN).unwrap();
        values(found[0].as_ref().unwrap())
    };
    let y = ops::mul(&x, &number(2.0)).unwrap();
    let view = ops::slice(&y, 0, 0, 1, 1).unwrap();
    let written = assign("add_", &y, &ops::add(&y, &x).unwrap()).unwrap().expect("a recorded write");
    assert!(view.is_behind() && y.is_behind() && !written.is_behind());
    let view = caught_up(&view);
    assert_eq!((gradient(&view), gradient(&written)), (vec![3.0, 0.0], vec![3.0, 3.0]));

    // To the view, and a view of the view.
    let corner = ops::reshape(&view, &[]).unwrap();
    let value = {
        let _copying = Overwriting::new(&view);
        ops::mul(&view, &view).unwrap()
    };
    let view = assign("mul_", &view, &value).unwrap().expect("a recorded write");
    assert_eq!(gradient(&view), [54.0, 0.0]);
    assert_eq!(gradient(&caught_up(&corner)), [54.0, 0.0]);
    assert_eq!(gradient(&caught_up(&written)), [54.0, 3.0]);
    assert_eq!(values(&caught_up(&written)), [81.0, 12.0]);

    // One that lies in another order.
    let y = ops::mul(&leaf(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), &number(1.0)).unwrap();
    let turned = ops::transpose(&ops::reshape(&y, &[2, 3]).unwrap(), 0, 1).unwrap().detach();
    let row = ops::slice(&turned, 0, 1, 1, 1).unwrap();
    let first = ops::reshape(&ops::slice(&x, 0, 0, 1, 1).unwrap(), &[]).unwrap();
    let row = assign("copy_", &row, &first).unwrap().expect("a recorded write");
    assert_eq!((gradient(&row), gradient(&caught_up(&turned))), (vec![2.0, 0.0], vec![2.0, 0.0]));
    assert!(!y.is_behind(), "what was detached is another tensor in the same memory");
}

#[test]
fn views_that_know_no_gradient_are_not_written() {
    let x = leaf(&[3.0, 4.0]);
    let part = |y: &Tensor| ops::slice(y, 0, 0, 1, 1).unwrap();
    assert!(message(assign("zero_", &part(&x), &number(0.0))).contains("zero_: in-place write to a leaf"));
    let y = ops::mul(&x, &number(2.0)).unwrap();
    let view = {
        let _off = mode::Scope::new(false);
        part(&y)
    };
    assert!(message(assign("zero_", &view, &number(0.0))).contains("made where nothing was recorded"));
    let custom = y.viewed_as(y.array().clone(), y.tracking().clone(), Kind::Custom);
    assert!(message(assign("zero_", &part(&custom), &number(0.0))).contains("a function of the user's"));
    // Nor do they give a gradient that is not theirs any more.
    assign("mul_", &y, &ops::mul(&y, &number(2.0)).unwrap()).unwrap().expect("a recorded write");
    let error = message(backward(&total(&caught_up(&custom)), Options::default()));
    assert!(error.contains("mul: the memory of this view was written in place by mul_"), "{error}");
}

#[test]
fn what_is_written_through_views_goes_with_the_last_who_sees_it() {
    let x = leaf(&[3.0, 4.0]);
    let y = ops::mul(&x, &number(2.0)).unwrap();
    // Saved by the graph that the write records.
    let square = ops::mul(&y, &y).unwrap();
    let view = ops::slice(&y, 0, 0, 1, 1).unwrap();
    let written = assign("copy_", &view, &ops::slice(&square, 0, 1, 1, 1).unwrap()).unwrap().expect("a recorded write");
    let node = Arc::downgrade(caught_up(&y).node().expect("a recorded write"));
    drop((y, square, view));
    assert!(node.upgrade().is_some());
    drop(written);
    assert!(node.upgrade().is_none());
}

#[test]
fn seeds_must_fit() {
    let x = leaf(&[2.0, 3.0]);
    let y = ops::mul(&x, &x).unwrap();
    assert!(message(backward(&y, RETAIN)).contains("only a one-element tensor starts a backward by itself"));
    let wrong_shape = engine::backward(std::slice::from_ref(&y), &[Some(number(1.0))], RETAIN);
    assert!(matches!(wrong_shape, Err(Error::Shape(text)) if text.contains("()") && text.contains("(2,)")));
    // One of another dtype is converted.
    engine::backward(std::slice::from_ref(&y), &[Some(ones(&[2], DType::F32).unwrap())], RETAIN).unwrap();
    assert_eq!(x.grad().unwrap().array().elements::<f64>(), [4.0, 6.0]);
}

#[test]
fn conversions_carry_gradients_back_in_the_leafs_dtype() {
    let x = Tensor::leaf(from_values(&[1.5f32, 2.5], &[2]).unwrap().array().clone()).unwrap();
    let y = ops::mul(&x, &from_values(&[2.0f64, 4.0], &[2]).unwrap()).unwrap();
    assert_eq!(y.dtype(), DType::F64);
    backward(&total(&y), Options::default()).unwrap();
    assert_eq!(x.grad().unwrap().array().elements::<f32>(), [2.0, 4.0]);
}

#[test]
fn threads_differentiate_independently() {
    let weights = leaf(&[1.0, 2.0, 3.0]);
    let run = |k: u8| {
        let x = leaf(&[f64::from(k); 3]);
        let y = total(&ops::mul(&ops::mul(&x, &x).unwrap(), &weights.detach()).unwrap());
        backward(&y, Options::default()).unwrap();
        gradient(&x)
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..8).map(|k| scope.spawn(move || run(k))).collect();
        for (k, handle) in (0..8).map(f64::from).zip(handles) {
            assert_eq!(handle.join().unwrap(), [2.0 * k, 4.0 * k, 6.0 * k]);
        }
    });
}
