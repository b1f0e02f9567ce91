//! Optimiser steps against `PyTorch`'s single-tensor formulas in float64.

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

use dlcore_kernels::element::Float;
use dlcore_kernels::optim::{
    Adadelta, Adagrad, Adam, Adamax, Asgd, Item, Lion, NAdam, Optimiser, RAdam, RmsProp, Rprop, Sgd, scale_all,
    total_norm,
};
use support::{assert_close, assert_same_bits, bits, numbers, widen};

const LENGTHS: [usize; 6] = [0, 1, 63, 64, 200, 40_003];

fn tensors<T: Float>(seed: u64) -> Vec<Vec<T>> {
    LENGTHS.iter().zip(seed..).map(|(&len, seed)| numbers(len, seed)).collect()
}

fn zeros<T: Float>() -> Vec<Vec<T>> {
    LENGTHS.iter().map(|&len| vec![T::ZERO; len]).collect()
}

fn wide<T: Float>(list: &[Vec<T>]) -> Vec<f64> {
    list.iter().flat_map(|values| widen(values)).collect()
}

fn items<'a, T, const K: usize>(grads: &'a [Vec<T>], state: [&'a mut Vec<Vec<T>>; K]) -> Vec<Item<'a, T, K>> {
    let mut columns = state.map(|list| list.iter_mut());
    let item = |grad: &'a Vec<T>| Item { grad, state: columns.each_mut().map(|c| &mut c.next().unwrap()[..]) };
    grads.iter().map(item).collect()
}

fn check_sgd<T: Float>(with: Sgd, tolerance: f64) {
    let (mut params, mut velocity) = (tensors::<T>(1), tensors::<T>(90));
    let (mut p, mut v) = (wide(&params), vec![0.0; wide(&params).len()]);
    for step in 0..4 {
        let grads = tensors::<T>(10 + step);
        let with = Sgd { first: step == 0, ..with };
        if with.momentum == 0.0 {
            with.step(&mut items(&grads, [&mut params]));
        } else {
            with.step(&mut items(&grads, [&mut params, &mut velocity]));
        }
        for ((p, v), g) in p.iter_mut().zip(&mut v).zip(wide(&grads)) {
            let mut g = if with.maximize { -g } else { g } + with.weight_decay * *p;
            if with.momentum != 0.0 {
                *v = if step == 0 { g } else { with.momentum * *v + (1.0 - with.dampening) * g };
                g = if with.nesterov { g + with.momentum * *v } else { *v };
            }
            *p -= with.lr * g;
        }
    }
    assert_close(&params.concat(), &p, tolerance);
    if with.momentum != 0.0 {
        assert_close(&velocity.concat(), &v, tolerance);
    }
}

#[test]
fn sgd_matches_pytorch() {
    let plain = Sgd {
        lr: 0.1,
        momentum: 0.0,
        dampening: 0.0,
        weight_decay: 0.0,
        nesterov: false,
        maximize: false,
        first: true,
    };
    for with in [
        plain,
        Sgd { weight_decay: 0.01, maximize: true, ..plain },
        Sgd { momentum: 0.9, ..plain },
        Sgd { momentum: 0.9, dampening: 0.3, weight_decay: 0.1, ..plain },
        Sgd { momentum: 0.5, nesterov: true, weight_decay: 0.1, maximize: true, ..plain },
    ] {
        check_sgd::<f32>(with, 1e-6);
        check_sgd::<f64>(with, 1e-14);
    }
}

fn check_adam<T: Float>(with: Adam, amsgrad: bool, tolerance: f64) {
    let (mut params, mut first, mut second, mut most) = (tensors::<T>(1), zeros::<T>(), zeros::<T>(), zeros::<T>());
    let mut p = wide(&params);
    let (mut m, mut v, mut top) = (vec![0.0; p.len()], vec![0.0; p.len()], vec![0.0f64; p.len()]);
    for step in 1..=4 {
        let mut grads = tensors::<T>(10 + step);
        for grad in &mut grads {
            grad.iter_mut().for_each(|g| *g *= T::from_f64(1.0 / step as f64));
        }
        let with = Adam { step, ..with };
        if amsgrad {
            with.step(&mut items(&grads, [&mut params, &mut first, &mut second, &mut most]));
        } else {
            with.step(&mut items(&grads, [&mut params, &mut first, &mut second]));
        }
        let steps = i32::try_from(step).unwrap();
        let (c1, c2) = (1.0 - with.betas.0.powi(steps), 1.0 - with.betas.1.powi(steps));
        for (at, g) in wide(&grads).into_iter().enumerate() {
            let mut g = if with.maximize { -g } else { g };
            if with.decoupled {
                p[at] *= 1.0 - with.lr * with.weight_decay;
            } else {
                g += with.weight_decay * p[at];
            }
            m[at] += (1.0 - with.betas.0) * (g - m[at]);
            v[at] = with.betas.1 * v[at] + (1.0 - with.betas.1) * g * g;
            top[at] = top[at].max(v[at]);
            let used = if amsgrad { top[at] } else { v[at] };
            p[at] -= with.lr / c1 * m[at] / (used.sqrt() / c2.sqrt() + with.eps);
        }
    }
    assert_close(&params.concat(), &p, tolerance);
    assert_close(&first.concat(), &m, tolerance);
    assert_close(&second.concat(), &v, tolerance);
    if amsgrad {
        assert_close(&most.concat(), &top, tolerance);
    }
}

const ADAM: Adam =
    Adam { lr: 0.01, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decoupled: false, maximize: false, step: 1 };

#[test]
fn adam_matches_pytorch() {
    for with in [
        ADAM,
        Adam { weight_decay: 0.1, ..ADAM },
        Adam { weight_decay: 0.1, decoupled: true, maximize: true, eps: 1e-3, ..ADAM },
    ] {
        for amsgrad in [false, true] {
            check_adam::<f32>(with, amsgrad, 2e-6);
            check_adam::<f64>(with, amsgrad, 1e-13);
        }
    }
    // The first step moves each parameter by the learning rate against the gradient's sign.
    let (mut p, mut m, mut v) = ([1.0f64, 2.0], [0.0; 2], [0.0; 2]);
    ADAM.step(&mut [Item { grad: &[0.5, -3.0], state: [&mut p, &mut m, &mut v] }]);
    assert_close(&p, &[0.99, 2.01], 1e-9);
}

#[test]
fn infinite_parameters_stay_without_weight_decay() {
    let mut p = [f32::INFINITY, 1.0];
    let with = Sgd {
        lr: 1.0,
        momentum: 0.0,
        dampening: 0.0,
        weight_decay: 0.0,
        nesterov: false,
        maximize: false,
        first: true,
    };
    with.step(&mut [Item { grad: &[1.0, f32::NAN], state: [&mut p] }]);
    assert!(p[0] == f32::INFINITY && p[1].is_nan());
    Optimiser::<1>::step::<f32>(with, &mut []);
}

#[test]
fn norms_of_lists() {
    let grads = tensors::<f32>(3);
    let list: Vec<&[f32]> = grads.iter().map(|g| &g[..]).collect();
    let all = wide(&grads);
    for p in [1.0, 2.0, 3.0] {
        let expected = all.iter().map(|x| x.abs().powf(p)).sum::<f64>().powf(1.0 / p);
        assert_close(&[total_norm(&list, p)], &[expected], 1e-12);
    }
    assert_close(&[total_norm(&list, f64::INFINITY)], &[all.iter().fold(0.0, |a: f64, b| a.max(b.abs()))], 0.0);
    assert_eq!(total_norm::<f32>(&[], 2.0), 0.0);
    assert_eq!(total_norm(&[&[3e30f32, 4e30][..]], 2.0) as f32, 5e30);
    for p in [1.0, 2.0, f64::INFINITY] {
        assert!(total_norm(&[&[1.0, f32::NAN, 2.0][..], &[5.0]], p).is_nan());
    }
    let mut scaled = grads.clone();
    scale_all(&mut scaled.iter_mut().map(|g| &mut g[..]).collect::<Vec<_>>(), 0.5);
    assert_close(&scaled.concat(), &all.iter().map(|x| x / 2.0).collect::<Vec<_>>(), 0.0);
}

#[test]
fn thread_counts_give_the_same_bits() {
    assert_same_bits(|| {
        let grads = tensors::<f32>(5);
        let (mut p, mut m, mut v) = (tensors::<f32>(1), zeros(), zeros());
        ADAM.step(&mut items(&grads, [&mut p, &mut m, &mut v]));
        let list: Vec<&[f32]> = grads.iter().map(|g| &g[..]).collect();
        (bits(&p.concat()), total_norm(&list, 2.0).to_bits())
    });
    let (lr, eps, weight_decay, maximize, betas) = (0.1, 1e-8, 0.1, false, (0.9, 0.999));
    same_bits::<2>(Sgd { lr, momentum: 0.9, dampening: 0.0, weight_decay, nesterov: true, maximize, first: false });
    same_bits::<4>(RmsProp { lr, alpha: 0.9, eps, weight_decay, momentum: 0.9, centered: true, maximize });
    same_bits::<2>(Adagrad { lr, lr_decay: 0.1, eps, weight_decay, maximize, step: 3 });
    same_bits::<3>(Adadelta { lr, rho: 0.9, eps, weight_decay, maximize });
    same_bits::<3>(Adamax { lr, betas, eps, weight_decay, maximize, step: 3 });
    same_bits::<3>(NAdam::new(ADAM, 4e-3, 1.0));
    same_bits::<3>(RAdam { adam: Adam { step: 9, ..ADAM } });
    same_bits::<3>(Rprop { etas: (0.5, 1.2), sizes: (1e-6, 50.0), maximize });
    same_bits::<2>(Asgd { eta: lr, mu: 0.5, lambd: 0.1, weight_decay, maximize });
    same_bits::<2>(Lion { lr, betas, weight_decay, maximize });
}

fn same_bits<const K: usize>(with: impl Optimiser<K>) {
    assert_same_bits(|| {
        let grads = tensors::<f32>(5);
        let mut state: [Vec<Vec<f32>>; K] = std::array::from_fn(|k| tensors(1 + 30 * u64::try_from(k).unwrap()));
        for values in state[1..].iter_mut().flatten().flatten() {
            *values = values.abs() + 1.0; // mean squares and sizes are positive
        }
        with.step(&mut items(&grads, state.each_mut()));
        state.iter().map(|list| bits(&list.concat())).collect::<Vec<_>>()
    });
}

#[test]
fn rprop_turns_back_with_half_the_step() {
    let (mut param, mut before, mut size) = ([1.0f64, 1.0, 1.0], [2.0, -2.0, 0.0], [0.5, 0.5, 0.5]);
    let with = Rprop { etas: (0.5, 1.2), sizes: (0.0, 1.0), maximize: false };
    with.step(&mut [Item { grad: &[1.0, 1.0, -1.0], state: [&mut param, &mut before, &mut size] }]);
    assert_close(&param, &[0.4, 1.0, 1.5], 1e-15);
    assert_close(&before, &[1.0, 0.0, -1.0], 0.0);
    assert_close(&size, &[0.6, 0.25, 0.5], 1e-15);
}
