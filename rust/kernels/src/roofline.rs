//! The limits of this machine, measured: multiply-adds per second and bytes per second, over all threads.
//!
//! A benchmark that divides by these says how much of the machine a kernel uses (Williams et al. 2009, "Roofline").
//! Nothing here is built from the kernels that it judges.

#![expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]

use crate::isa::{Kernel, Simd, dispatch};
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each, num_threads};
use crate::stream;
use std::hint::black_box;
use std::time::Instant;

/// Rounds of which the fastest counts: what slows a round down is somebody else's work.
const ROUNDS: usize = 7;

/// A region of this estimated length uses every thread.
const LONG_NS: usize = 10_000_000;

/// Float32 operations per second, a fused multiply-add being two, of chains that stay in registers.
#[must_use]
pub fn flops() -> f64 {
    const STEPS: usize = 200_000;
    let threads = num_threads();
    let seconds = fastest(|| {
        for_each(threads, LONG_NS, |_| {
            black_box(dispatch(Chains { steps: STEPS }));
        });
    });
    (threads * STEPS * GROUPS * LANES * 2) as f64 / seconds
}

/// Operations per second on bfloat16, a multiply-add being two, of tiles that stay in registers; `None` without AMX.
#[must_use]
pub fn bfloat16_flops() -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    if crate::isa::isa() == crate::isa::Isa::Amx {
        const STEPS: usize = 100_000;
        let threads = num_threads();
        // SAFETY: there is AMX.
        let seconds = fastest(|| for_each(threads, LONG_NS, |_| unsafe { crate::gemm::spin_tiles(STEPS) }));
        return Some((threads * STEPS * crate::gemm::SPIN_FLOPS) as f64 / seconds);
    }
    None
}

/// Bytes per second read from a working set of `bytes` that every thread has its part of.
#[must_use]
pub fn read_bandwidth(bytes: usize) -> f64 {
    let threads = num_threads();
    let words = (bytes / threads / size_of::<u64>()).max(LINE);
    let mut buffer = Buffer::zeroed(threads * words * size_of::<u64>());
    // Pages that nobody wrote to are all the same page of zeros, which the cache holds.
    buffer.as_mut_slice::<u64>().fill(1);
    let data = buffer.as_slice::<u64>();
    let passes = (1_usize << 22).div_ceil(words * threads);
    let seconds = fastest(|| {
        for_each(threads, LONG_NS, |task| {
            for _ in 0..passes {
                black_box(dispatch(Read { data: black_box(&data[task * words..][..words]) }));
            }
        });
    });
    (passes * buffer.len()) as f64 / seconds
}

/// Bytes per second, read and written together, of a copy that streams past the caches. `bytes` counts both sides.
#[must_use]
pub fn copy_bandwidth(bytes: usize) -> f64 {
    let threads = num_threads();
    let lines = (bytes / 2 / threads / LINE).max(LINE);
    let (mut from, mut to) = (Buffer::zeroed(threads * lines * LINE), Buffer::zeroed(threads * lines * LINE));
    from.as_mut_slice::<u8>().fill(1);
    let from = from.as_slice::<u8>();
    let to = Disjoint::new(to.as_mut_slice::<u8>());
    let passes = (1_usize << 22).div_ceil(lines * threads * LINE);
    let seconds = fastest(|| {
        for_each(threads, LONG_NS, |task| {
            let part = task * lines * LINE..(task + 1) * lines * LINE;
            for _ in 0..passes {
                // SAFETY: each task has a part of its own.
                dispatch(Stream { from: &from[part.clone()], to: unsafe { to.slice(part.clone()) } });
            }
        });
    });
    (2 * passes * from.len()) as f64 / seconds
}

fn fastest(mut run: impl FnMut()) -> f64 {
    run();
    let times = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

/// Independent chains side by side, in three groups of four vectors of the widest ISA: more than latency times units
/// (4 x 2 on current CPUs), fewer than there are registers. Long enough loops that the compiler makes vectors of them.
const LANES: usize = 64;
const GROUPS: usize = 3;

struct Chains {
    steps: usize,
}

impl Kernel for Chains {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self) -> f32 {
        let (factor, term) = (black_box(0.999), black_box(1e-3));
        let [mut a, mut b, mut c] = [[1.0_f32; LANES]; GROUPS];
        for _ in 0..self.steps {
            for group in [&mut a, &mut b, &mut c] {
                for x in group {
                    *x = S::fma32(*x, factor, term);
                }
            }
        }
        a.iter().chain(&b).chain(&c).sum()
    }
}

const LINE: usize = 64;

struct Read<'a> {
    data: &'a [u64],
}

impl Kernel for Read<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self) -> u64 {
        let mut lanes = [0_u64; LINE];
        for line in self.data.as_chunks::<LINE>().0 {
            for (lane, word) in lanes.iter_mut().zip(line) {
                *lane |= word;
            }
        }
        lanes.iter().fold(0, |all, lane| all | lane)
    }
}

/// A copy by whole lines; both sides start at one.
struct Stream<'a> {
    from: &'a [u8],
    to: &'a mut [u8],
}

impl Kernel for Stream<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        for (to, from) in self.to.chunks_exact_mut(LINE).zip(self.from.chunks_exact(LINE)) {
            // SAFETY: both are a line long, and buffers are aligned to lines.
            unsafe { stream::store_line::<S>(to.as_mut_ptr(), from.as_ptr()) };
        }
        stream::fence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_that_a_computer_may_have() {
        let (flops, read) = (flops(), read_bandwidth(1 << 20));
        assert!(flops > 1e7 && flops < 1e15, "{flops}");
        assert!(read > 1e7 && read < 1e15, "{read}");
        let copied = copy_bandwidth(1 << 20);
        assert!(copied > 1e7 && copied < 1e15, "{copied}");
    }
}
