//! Regions: every task once, at any thread count, nested, from many threads, through panics and forks.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};

use dlcore_kernels::parallel::{Disjoint, for_each, for_each_init, for_ranges, num_threads, set_num_threads, why};

const LONG: usize = 1_000_000;

/// The number of threads is the process's: tests that set it take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sum whose value depends on how it is split, so that a split by thread count would show.
fn split_sum(values: &[f32]) -> f32 {
    let grain = 1000;
    let mut partial = vec![0.0f32; values.len().div_ceil(grain)];
    let out = Disjoint::new(&mut partial);
    for_ranges(values.len(), grain, 1_000_000, |range| {
        let task = range.start / grain;
        // SAFETY: each task writes its own element.
        let sum = unsafe { out.slice(task..task + 1) };
        sum[0] = values[range].iter().sum();
    });
    partial.iter().sum()
}

fn values() -> Vec<f32> {
    std::iter::successors(Some(1.0f32), |x| Some(x * 1.7 % 3.0 + 0.1)).take(100_003).collect()
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    let _turn = turn();
    let values = values();
    let bits: HashSet<u32> = [1, 2, 3, 7, 2, 1]
        .into_iter()
        .map(|threads| {
            set_num_threads(threads);
            assert_eq!(num_threads(), threads);
            split_sum(&values).to_bits()
        })
        .collect();
    assert_eq!(bits.len(), 1);
}

#[test]
fn a_thread_keeps_what_it_made_for_its_tasks() {
    let _turn = turn();
    for threads in [1, 2, 3, 7] {
        set_num_threads(threads);
        for tasks in [0, 1, 2, 33, 1009] {
            let (made, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
            let init = || {
                made.fetch_add(1, Ordering::Relaxed);
                (std::thread::current().id(), Vec::new())
            };
            for_each_init(tasks, LONG, init, |(thread, own), task| {
                assert_eq!(*thread, std::thread::current().id());
                own.push(task);
                if own.len() == 1 {
                    done.lock().unwrap().push(task);
                }
            });
            let (made, first) = (made.into_inner(), done.into_inner().unwrap());
            assert_eq!(first.len(), made, "one first task for each");
            assert!(made <= threads.min(tasks) && (made > 0) == (tasks > 0), "{made} of {threads} threads");
        }
    }
}

#[test]
fn what_a_thread_made_is_dropped_when_a_task_panics() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let _turn = turn();
    set_num_threads(3);
    let alive = AtomicUsize::new(0);
    for fails_at_once in [true, false] {
        let init = || {
            assert!(!fails_at_once, "on purpose");
            alive.fetch_add(1, Ordering::Relaxed);
            Counted(&alive)
        };
        let region = || for_each_init(100, LONG, init, |_, task| assert!(task != 50, "on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(region)).is_err());
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
    let sum = AtomicUsize::new(0);
    for_each_init(100, LONG, || (), |(), task| _ = sum.fetch_add(task, Ordering::Relaxed));
    assert_eq!(sum.into_inner(), 4950, "the next region works");
}

#[test]
fn every_task_runs_exactly_once() {
    let _turn = turn();
    for threads in [1, 2, 3, 7] {
        set_num_threads(threads);
        for tasks in [0, 1, 2, 3, 7, 33, 1009] {
            let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            for_each(tasks, LONG, |task| {
                counts[task].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }
}

#[test]
fn seven_threads_are_seven_threads() {
    let _turn = turn();
    set_num_threads(7);
    assert_eq!(why(), "set_num_threads(7)");
    for _ in 0..50 {
        let together = Barrier::new(7);
        let seen = Mutex::new(HashSet::new());
        for_each(7, LONG, |_| {
            together.wait();
            seen.lock().unwrap().insert(std::thread::current().id());
        });
        assert_eq!(seen.into_inner().unwrap().len(), 7);
    }
}

#[test]
fn a_region_in_a_region_stays_on_its_thread() {
    let _turn = turn();
    set_num_threads(3);
    let done = AtomicUsize::new(0);
    for_each(6, LONG, |_| {
        let here = std::thread::current().id();
        for_each(10, LONG, |_| {
            assert_eq!(std::thread::current().id(), here);
            done.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(done.into_inner(), 60);
}

#[test]
fn short_regions_stay_on_the_caller() {
    let _turn = turn();
    set_num_threads(7);
    let here = std::thread::current().id();
    for_each(100, 100, |_| assert_eq!(std::thread::current().id(), here));
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_survives() {
    let _turn = turn();
    set_num_threads(3);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    for round in 0..200 {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            for_each(20, LONG, |task| assert_ne!(task, round % 20, "task {task} fails"));
        }));
        let message = *ran.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains(&format!("task {} fails", round % 20)));
    }
    std::panic::set_hook(hook);
    // A panic must not leave the thread marked as inside a region: work is handed out again.
    let together = Barrier::new(3);
    for_each(3, LONG, |_| {
        together.wait();
    });
}

#[test]
fn eight_threads_call_at_once_while_the_number_changes() {
    let _turn = turn();
    set_num_threads(2);
    let values = values();
    let expected = split_sum(&values).to_bits();
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let values = &values;
            scope.spawn(move || {
                for round in 0..50 {
                    if caller == 0 {
                        set_num_threads(1 + round % 4);
                    }
                    assert_eq!(split_sum(values).to_bits(), expected);
                }
            });
        }
    });
}

#[cfg(unix)]
#[test]
fn a_forked_child_computes() {
    let _turn = turn();
    set_num_threads(3);
    let values = values();
    let expected = split_sum(&values).to_bits();
    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        // Regions of other threads are under way whenever the fork happens.
        for _ in 0..2 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    assert_eq!(split_sum(&values).to_bits(), expected);
                }
            });
        }
        let children: Vec<bool> = (0..10).map(|_| in_child(|| split_sum(&values).to_bits() == expected)).collect();
        busy.store(false, Ordering::Relaxed);
        assert_eq!(children, [true; 10]);
    });
}

/// Whether `check` holds in a forked child; false also if the child hangs or dies.
#[cfg(unix)]
fn in_child(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `check` and leaves by `_exit`, never returning into the test harness. glibc keeps malloc
    // usable in the child.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork failed");
        if child == 0 {
            libc::alarm(20);
            let good = catch_unwind(AssertUnwindSafe(check)).unwrap_or(false);
            libc::_exit(i32::from(!good));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}
