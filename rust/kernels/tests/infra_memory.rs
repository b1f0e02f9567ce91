//! The allocator: aligned, counted, bounded, flat, whole after a fork, and never an abort.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dlcore_kernels::memory::{
    ALIGN, Buffer, OutOfMemory, Stats, empty_cache, limit, reset_peak, set_cache_limit, set_limit, stats, why,
};

const LIMIT: usize = 64 << 20;

/// The counters are the process's: tests take turns, and each begins and ends with empty caches.
struct Turn(#[expect(dead_code, reason = "held for its drop")] MutexGuard<'static, ()>);

fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    set_cache_limit(Some(LIMIT));
    set_limit(None);
    empty_cache();
    Turn(turn)
}

impl Drop for Turn {
    fn drop(&mut self) {
        empty_cache();
        // Reports the end of this thread's cache too, which dies at some later time.
        let _ = stats();
    }
}

/// Sizes from 1 byte to 4 MiB, as many of each magnitude.
fn random_sizes() -> impl Iterator<Item = usize> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let magnitude = 1usize << (state % 22);
        Some(magnitude + (state >> 32) as usize % magnitude)
    })
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn blocks_are_aligned_and_their_own() {
    let _turn = turn();
    let mut blocks: Vec<Buffer> = random_sizes().take(300).map(Buffer::uninit).collect();
    let marks = || (0..=u8::MAX).cycle();
    for (block, mark) in blocks.iter_mut().zip(marks()) {
        assert!(block.as_ptr().addr().is_multiple_of(ALIGN));
        block.as_mut_slice::<u8>().fill(mark);
    }
    for (block, mark) in blocks.iter().zip(marks()) {
        assert!(block.as_slice::<u8>().iter().all(|&byte| byte == mark));
    }
}

#[test]
fn no_bytes_need_no_block() {
    let _turn = turn();
    let before = stats();
    let mut none = Buffer::uninit(0);
    assert!(none.is_empty() && none.as_slice::<f64>().is_empty() && none.as_mut_slice::<f32>().is_empty());
    assert!(none.as_ptr().addr().is_multiple_of(ALIGN) && !none.as_ptr().is_null());
    assert_eq!(stats(), before);
}

#[test]
fn zeroed_is_zero_even_when_reused() {
    let _turn = turn();
    for bytes in [1, 64, 4096, 5000, 3 << 20, 9 << 20] {
        for _ in 0..3 {
            let mut block = Buffer::zeroed(bytes);
            assert!(block.as_slice::<u8>().iter().all(|&byte| byte == 0), "{bytes} bytes");
            block.as_mut_slice::<u8>().fill(7);
        }
    }
}

#[test]
fn counters_add_up() {
    let _turn = turn();
    let Stats { live_bytes, allocations, cache_hits, cached_bytes, .. } = stats();
    assert_eq!(cached_bytes, 0);
    let small = Buffer::uninit(100);
    let large = Buffer::uninit(1 << 20);
    let full = (1 << 20) + 128;
    let held = stats();
    assert_eq!((held.live_bytes - live_bytes, held.allocations - allocations), (full, 2));
    assert_eq!((held.cached_bytes, held.cache_hits), (0, cache_hits));
    assert!(held.peak_bytes >= held.live_bytes);
    drop((small, large));
    let freed = stats();
    assert_eq!((freed.live_bytes, freed.cached_bytes), (live_bytes, full));
    let again = (Buffer::uninit(127), Buffer::uninit(1 << 20));
    let reused = stats();
    assert_eq!((reused.live_bytes - live_bytes, reused.cached_bytes), (full, 0));
    assert_eq!((reused.allocations - allocations, reused.cache_hits - cache_hits), (4, 2));
    drop(again);
    empty_cache();
    assert_eq!(stats().cached_bytes, 0);
}

#[test]
fn the_cache_stays_below_its_limit() {
    let _turn = turn();
    for limit in [LIMIT, 1 << 20, 10_000] {
        set_cache_limit(Some(limit));
        drop(random_sizes().take(200).map(Buffer::uninit).collect::<Vec<_>>());
        let Stats { cached_bytes, cache_limit, .. } = stats();
        // Besides the shared cache, this thread keeps up to 1 MiB of small blocks.
        assert!(cached_bytes <= limit + (1 << 20) && cache_limit == limit, "{cached_bytes} of {limit}");
    }
    set_cache_limit(Some(0));
    drop(random_sizes().take(200).map(Buffer::uninit).collect::<Vec<_>>());
    assert_eq!(stats().cached_bytes, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_random_sizes_leave_memory_flat() {
    let _turn = turn();
    let before = stats().live_bytes;
    let mut held: Vec<Buffer> = Vec::new();
    let mut churn = |rounds: usize| {
        for (i, bytes) in random_sizes().enumerate().take(rounds) {
            let mut block = Buffer::uninit(bytes);
            block.as_mut_slice::<u8>().iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            if held.len() < 16 { held.push(block) } else { held[i % 16] = block }
        }
        resident_bytes()
    };
    let (warm, end) = (churn(2_000), churn(10_000));
    assert!(end < warm + LIMIT, "from {warm} to {end} bytes");
    drop(held);
    empty_cache();
    assert_eq!((stats().live_bytes, stats().cached_bytes), (before, 0));
    assert!(resident_bytes() < warm, "{} bytes stay", resident_bytes());
}

#[test]
fn what_cannot_be_had_is_an_error() {
    let _turn = turn();
    for bytes in [usize::MAX, isize::MAX.unsigned_abs(), isize::MAX.unsigned_abs() + 1, 1 << 50] {
        let error = Buffer::try_uninit(bytes).err().expect("more than any machine has");
        assert_eq!(error.bytes, bytes);
        assert!(error.to_string().starts_with("cannot allocate "), "{error}");
        assert!(Buffer::try_zeroed(bytes).is_err());
    }
    assert_eq!(Buffer::uninit(16).len(), 16);
}

#[test]
fn a_program_keeps_to_its_own_limit() {
    let _turn = turn();
    let before = stats().live_bytes;
    set_limit(Some(before + (8 << 20)));
    assert_eq!(limit(), Some(before + (8 << 20)));
    let held = Buffer::uninit(4 << 20);
    let refused = Buffer::try_uninit(5 << 20).err().expect("more than is left");
    let left = OutOfMemory { bytes: 5 << 20, available: Some(4 << 20), limit: limit() };
    assert_eq!(refused, left);
    // What is kept for reuse is given up for a block of another size.
    drop(held);
    assert_eq!(stats().cached_bytes, 4 << 20);
    let held = Buffer::uninit(5 << 20);
    assert_eq!(stats().cached_bytes, 0);
    // A lower limit takes nothing away, but keeps nothing either.
    set_limit(Some(1));
    assert!(Buffer::try_uninit(1).is_err());
    drop(held);
    set_limit(None);
    assert_eq!((limit(), Buffer::uninit(9 << 20).len()), (None, 9 << 20));
}

#[test]
fn eight_threads_keep_to_the_limit_but_for_a_block_each() {
    let _turn = turn();
    let most = stats().live_bytes + (16 << 20);
    set_limit(Some(most));
    reset_peak();
    let refused: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let blocks: Vec<_> = (0..8).map(|_| Buffer::try_uninit(1 << 20)).collect();
                    blocks.iter().filter(|block| block.is_err()).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    set_limit(None);
    let peak = stats().peak_bytes;
    assert!(peak <= most + (8 << 20), "{peak} of {most}");
    assert!(refused <= 64);
}

#[test]
fn the_peak_is_counted_anew() {
    let _turn = turn();
    drop(Buffer::uninit(32 << 20));
    assert!(stats().peak_bytes >= 32 << 20);
    reset_peak();
    assert_eq!(stats().peak_bytes, stats().live_bytes);
    drop(Buffer::uninit(1 << 20));
    assert_eq!(stats().peak_bytes, stats().live_bytes + (1 << 20));
}

#[test]
fn a_kernel_without_working_memory_unwinds_with_the_reason() {
    let _turn = turn();
    let payload = std::panic::catch_unwind(|| Buffer::uninit(1 << 50)).err().expect("more than any machine has");
    assert_eq!(payload.downcast::<OutOfMemory>().unwrap().bytes, 1 << 50);
}

#[cfg(target_os = "linux")]
#[test]
fn more_than_is_free_is_refused_before_it_kills() {
    let _turn = turn();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10;
    let mut held = Vec::new();
    // Untouched, so that only the promise counts: the sum of all blocks must stay below what there is.
    while let Ok(block) = Buffer::try_uninit(total / 8) {
        held.push(block);
        assert!(held.len() < 100, "promised more than {} GiB", total >> 30);
    }
    assert!(!held.is_empty());
}

#[test]
fn threads_give_their_caches_back() {
    let _turn = turn();
    let before = stats();
    let blocks: Vec<Buffer> = std::thread::spawn(|| {
        drop((0..100).map(|_| Buffer::uninit(64)).collect::<Vec<_>>());
        (0..50).map(|_| Buffer::uninit(64)).collect()
    })
    .join()
    .unwrap();
    // Joined or not, a thread's destructors may still run.
    let settled = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        let now = stats();
        now.live_bytes == before.live_bytes + 50 * 64 && now.cached_bytes == before.cached_bytes
    });
    assert!(settled, "{:?} then {:?}", before, stats());
    drop(blocks);
    assert_eq!(stats().live_bytes, before.live_bytes);
}

#[test]
fn a_block_may_outlive_its_threads_cache() {
    use std::cell::RefCell;
    thread_local! {
        static LAST: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
    }
    let _turn = turn();
    let before = stats().live_bytes;
    // Destructors run in the reverse order of first use, so the thread's cache dies before these blocks.
    let thread = std::thread::spawn(|| {
        LAST.with_borrow_mut(|last| last.extend([1, 5000, 3 << 20].map(Buffer::uninit)));
    });
    thread.join().unwrap();
    let settled = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        stats().live_bytes == before
    });
    assert!(settled);
}

#[test]
fn the_limit_explains_itself() {
    let _turn = turn();
    set_cache_limit(Some(12_345 << 10));
    assert_eq!(why(), "set_cache_limit(12.0 MiB)");
    set_cache_limit(None);
    assert!(!why().starts_with("set_cache_limit"), "{}", why());
}

#[test]
fn eight_threads_share_the_allocator() {
    let _turn = turn();
    let before = stats().live_bytes;
    std::thread::scope(|scope| {
        for mark in 0..8u8 {
            scope.spawn(move || {
                for bytes in random_sizes().take(100) {
                    let mut block = Buffer::uninit(bytes);
                    block.as_mut_slice::<u8>().fill(mark);
                    std::thread::yield_now();
                    assert!(block.as_slice::<u8>().iter().all(|&byte| byte == mark));
                }
            });
        }
    });
    let settled = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        stats().live_bytes == before
    });
    assert!(settled);
}

#[cfg(unix)]
#[test]
fn a_forked_child_allocates() {
    let _turn = turn();
    let busy = std::sync::atomic::AtomicBool::new(true);
    let ordering = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        // Other threads hold the cache's lock most of the time.
        for _ in 0..2 {
            scope.spawn(|| {
                while busy.load(ordering) {
                    drop(Buffer::uninit(100_000));
                }
            });
        }
        let children: Vec<i32> = (0..10).map(|_| exit_of_child()).collect();
        busy.store(false, ordering);
        assert_eq!(children, [0; 10]);
    });
}

/// The status of a forked child that allocates; not 0 if it hangs or dies.
#[cfg(unix)]
fn exit_of_child() -> i32 {
    // SAFETY: the child only allocates and leaves by `_exit`, never returning into the test harness; the C library
    // keeps its own allocator usable in the child.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork failed");
        if child == 0 {
            libc::alarm(20);
            for bytes in random_sizes().take(60) {
                drop(Buffer::zeroed(bytes));
            }
            empty_cache();
            libc::_exit(i32::from(stats().cached_bytes != 0));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        status
    }
}
