//! Speed of attention, printed as milliseconds and GFLOP/s of the products that the definition has: the best of many
//! runs. An argument picks the labels that contain it.
#![allow(clippy::cast_precision_loss, clippy::many_single_char_names, reason = "counts of operations, usual names")]

use std::time::Instant;

use dlcore_kernels::attention::{Attention, Gradients, Heads, Mask, backward, forward};

fn main() {
    let gpt = Attention {
        batch: 8,
        heads: 12,
        shared: 1,
        queries: 512,
        keys: 512,
        depth: 64,
        value_depth: 64,
        scale: 0.125,
        causal: false,
        narrow: false,
    };
    report("8x12 of 512", &gpt);
    report("the same, causal", &Attention { causal: true, ..gpt });
    report("1x1 of 10000", &Attention { batch: 1, heads: 1, queries: 10_000, keys: 10_000, ..gpt });
    let small = Attention { batch: 12, heads: 4, queries: 64, keys: 64, depth: 32, value_depth: 32, ..gpt };
    report("12x4 of 64", &small);
    report("12x4, causal", &Attention { causal: true, ..small });
    report("64x2 of 24", &Attention { batch: 64, heads: 2, queries: 24, keys: 24, ..small });
    report("16x6 of 100", &Attention { batch: 16, heads: 6, queries: 100, keys: 100, ..small });
    report("decoding", &Attention { batch: 1, queries: 1, keys: 1024, ..gpt });
}

fn report(label: &str, p: &Attention) {
    if std::env::args().skip(1).find(|x| !x.starts_with('-')).is_some_and(|wanted| !label.contains(&wanted)) {
        return;
    }
    let numbers = |len: usize| -> Vec<f32> { (0..13u8).cycle().take(len).map(|i| f32::from(i) / 6.0 - 1.0).collect() };
    let rows = p.batch * p.heads * p.queries;
    let [q, k, v, g] = [p.queries, p.keys, p.keys, p.queries].map(|n| numbers(p.batch * p.heads * n * p.depth));
    let (mut y, mut logs) = (g.clone(), vec![0.0; rows]);
    let (mut gq, mut gk, mut gv) = (q.clone(), k.clone(), v.clone());
    let heads = |data, n| Heads::side_by_side(data, n, p.heads, p.depth);
    let (q, k, v) = (heads(&q, p.queries), heads(&k, p.keys), heads(&v, p.keys));
    let ahead = best(|| forward(p, q, k, v, Mask::None, &mut y, &mut logs));
    let back = best(|| {
        let gradients = Gradients { q: &mut gq, k: &mut gk, v: &mut gv };
        backward(p, q, k, v, Mask::None, heads(&y, p.queries), &logs, heads(&g, p.queries), gradients);
    });
    let flops = (2 * rows * p.keys * p.depth / if p.causal { 2 } else { 1 }) as f64;
    print!("{label:>18}");
    for (products, seconds) in [(2.0, ahead), (5.0, back)] {
        print!(" {:>9.3} ms {:>6.1} GF/s", seconds * 1e3, products * flops / seconds / 1e9);
    }
    println!();
}

fn best(mut run: impl FnMut()) -> f64 {
    let (mut best, started) = (f64::INFINITY, Instant::now());
    while started.elapsed().as_millis() < 500 {
        let now = Instant::now();
        run();
        best = best.min(now.elapsed().as_secs_f64());
    }
    best
}
