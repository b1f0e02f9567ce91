//! How many threads to use when nobody says: what the environment asks, else what this process may run on.

use std::fmt::Write;

use crate::cgroup;

/// More threads than anyone means; a typing error must not start a million.
pub const MAX_THREADS: usize = 1024;

/// A number of threads and why.
pub(super) struct Limit {
    pub threads: usize,
    pub why: String,
}

pub(super) fn automatic() -> Limit {
    let asked = std::env::var("DLCORE_NUM_THREADS").ok();
    choose(asked.as_deref(), affinity(), cgroup::cpu_quota(&cgroup::read_file))
}

fn choose(asked: Option<&str>, cpus: usize, quota: Option<f64>) -> Limit {
    let asked = asked.map(str::trim).filter(|text| !text.is_empty());
    if let Some(threads) = asked.and_then(|text| text.parse().ok()).filter(|n| (1..=MAX_THREADS).contains(n)) {
        return Limit { threads, why: format!("DLCORE_NUM_THREADS={threads}") };
    }
    let (mut threads, mut why) = (cpus.min(MAX_THREADS), format!("this process may run on {cpus} CPUs"));
    if let Some(quota) = quota {
        threads = threads.min(round_up(quota));
        let _ = write!(why, ", for {quota:.2} CPUs' worth of time (cgroup)");
    }
    if let Some(text) = asked {
        let _ = write!(why, "; DLCORE_NUM_THREADS={text} is not a number from 1 to {MAX_THREADS}");
    }
    Limit { threads, why }
}

/// A quota of 1.5 CPUs keeps two threads busy, if not all the time.
fn round_up(quota: f64) -> usize {
    (1..MAX_THREADS).find(|&n| quota <= f64::from(u32::try_from(n).unwrap_or(u32::MAX))).unwrap_or(MAX_THREADS)
}

/// CPUs that the scheduler may run this process on.
pub(super) fn affinity() -> usize {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: all-zero is a valid (empty) set, and the call writes at most the size it is given.
        let (done, set) = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set), set)
        };
        if done == 0 {
            // SAFETY: reads the set, which the kernel filled.
            if let Ok(count @ 1..) = usize::try_from(unsafe { libc::CPU_COUNT(&set) }) {
                return count;
            }
        }
    }
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_affinity_and_quota() {
        let Limit { threads, why } = choose(Some(" 7 "), 2, Some(1.0));
        assert_eq!((threads, why.as_str()), (7, "DLCORE_NUM_THREADS=7"));
    }

    #[test]
    fn quota_rounds_up_and_never_adds() {
        assert_eq!(choose(None, 8, Some(1.5)).threads, 2);
        assert_eq!(choose(None, 8, Some(0.1)).threads, 1);
        assert_eq!(choose(None, 8, Some(2.0)).threads, 2);
        assert_eq!(choose(None, 2, Some(16.0)).threads, 2);
        assert_eq!(choose(None, 5, None).threads, 5);
        assert_eq!(
            choose(None, 4, Some(1.5)).why,
            "this process may run on 4 CPUs, for 1.50 CPUs' worth of time (cgroup)"
        );
    }

    #[test]
    fn nonsense_is_not_obeyed_and_named() {
        for text in ["0", "-3", "many", "1e3", "100000"] {
            let Limit { threads, why } = choose(Some(text), 4, None);
            assert_eq!(threads, 4);
            assert!(why.ends_with(&format!("DLCORE_NUM_THREADS={text} is not a number from 1 to 1024")), "{why}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn affinity_follows_the_scheduler() {
        let narrowed = std::thread::spawn(|| {
            // SAFETY: the sets are valid, their sizes given; only this thread is narrowed.
            unsafe {
                let mut all: libc::cpu_set_t = std::mem::zeroed();
                libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut all);
                let first = (0..1024).find(|&cpu| libc::CPU_ISSET(cpu, &all)).unwrap();
                let mut one: libc::cpu_set_t = std::mem::zeroed();
                libc::CPU_SET(first, &mut one);
                assert_eq!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const one), 0);
            }
            affinity()
        });
        assert_eq!(narrowed.join().unwrap(), 1);
        assert!(affinity() >= 1);
    }
}
