//! What the foundations cost. Run by hand: `cargo test --release -p dlcore-kernels --test infra_timing -- --ignored
//! --nocapture --test-threads 1`.

use std::time::{Duration, Instant};

use dlcore_kernels::memory::Buffer;
use dlcore_kernels::parallel::{for_each, num_threads, set_num_threads};

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn work_for(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {}
}

/// Time that a region of two tasks takes beyond one task's, when it follows `gap` of serial work.
fn hand_off(gap: Duration) -> f64 {
    let task = Duration::from_micros(20);
    let region = |_| {
        work_for(gap);
        let begin = Instant::now();
        for_each(2, 1_000_000, |_| work_for(task));
        begin.elapsed().as_secs_f64() - task.as_secs_f64()
    };
    median((0..2000).map(region).collect())
}

#[test]
#[ignore = "a measurement"]
fn hand_off_latency() {
    set_num_threads(2);
    for gap in [0, 5, 20, 40, 100, 1000] {
        println!(
            "2-thread region after {gap:4} us of serial work: + {:5.2} us",
            hand_off(Duration::from_micros(gap)) * 1e6
        );
    }
    assert_eq!(num_threads(), 2);
}

#[test]
#[ignore = "a measurement"]
fn allocation() {
    for bytes in [4, 4096, 4100, 400_000, 4_000_000, 64_000_000] {
        // The least of many short rounds: what it costs when nobody else wants the CPU.
        let rounds = 1000;
        let time = |_| {
            let begin = Instant::now();
            for _ in 0..rounds {
                std::hint::black_box(Buffer::uninit(bytes));
            }
            begin.elapsed().as_secs_f64() / f64::from(rounds)
        };
        let least = (0..1000).map(time).fold(f64::INFINITY, f64::min);
        println!("{bytes:9} bytes, allocated and freed: {:6.1} ns", least * 1e9);
    }
}
