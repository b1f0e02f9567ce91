//! What the foundations cost. Run by hand: `cargo test --release -p dlcore-kernels --test infra_timing -- --ignored
//! --nocapture --test-threads 1`.

use std::time::{Duration, Instant};

use dlcore_kernels::memory::{Buffer, set_cache_limit};
use dlcore_kernels::parallel::{for_each, num_threads, set_num_threads};

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn work_for(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {}
}

/// Time of a region of two tasks of `task` each, when it follows `gap` of serial work.
fn region(task: Duration, gap: Duration) -> f64 {
    let time = |_| {
        work_for(gap);
        let begin = Instant::now();
        for_each(2, 1_000_000, |_| work_for(task));
        begin.elapsed().as_secs_f64()
    };
    median((0..1000).map(time).collect())
}

#[test]
#[ignore = "a measurement"]
fn hand_off_latency() {
    set_num_threads(2);
    for gap in [0, 20, 100, 1000] {
        for task in [5, 10, 20, 50] {
            let time = region(Duration::from_micros(task), Duration::from_micros(gap)) * 1e6;
            println!("2 tasks of {task:2} us on 2 threads, after {gap:4} us of serial work: {time:5.1} us");
        }
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

#[test]
#[ignore = "a measurement"]
fn first_touch() {
    let mebibytes = 256u16;
    let bytes = usize::from(mebibytes) << 20;
    let fill = |mut block: Buffer| {
        let begin = Instant::now();
        block.as_mut_slice::<u8>().fill(1);
        begin.elapsed().as_secs_f64()
    };
    set_cache_limit(Some(0));
    let fresh = (0..5).map(|_| fill(Buffer::uninit(bytes))).fold(f64::INFINITY, f64::min);
    set_cache_limit(Some(2 * bytes));
    let kept = (0..5).map(|_| fill(Buffer::uninit(bytes))).fold(f64::INFINITY, f64::min);
    let speed = |seconds| f64::from(mebibytes) / 1024.0 / seconds;
    println!("filling {mebibytes} MiB: {:.1} GiB/s fresh, {:.1} GiB/s from the cache", speed(fresh), speed(kept));
}
