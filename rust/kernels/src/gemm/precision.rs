//! How exactly products of float32 are computed: the choice of whoever uses the library.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(target_arch = "x86_64")]
use super::bf16::Unit;
use super::driver::Product;

/// What a product of float32 matrices may cost in accuracy. Where the CPU has no AMX, all are the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Chains of float32 fused multiply-adds, whose bits are those of every machine that has FMA.
    Ieee,
    /// As accurate as those chains: six products of bfloat16 terms where that is faster.
    Highest,
    /// Three products of bfloat16 terms: about 2^-16 of relative error.
    High,
    /// One product of bfloat16: about 2^-8. Subnormal numbers count as zero, and the largest round to infinity.
    Medium,
}

const ALL: [Precision; 4] = [Precision::Ieee, Precision::Highest, Precision::High, Precision::Medium];

static SETTING: AtomicU8 = AtomicU8::new(1);

/// The precision of products that begin from now on, in all threads.
pub fn set_precision(precision: Precision) {
    SETTING.store(precision as u8, Ordering::Relaxed);
}

/// The precision of products of float32 that this thread begins.
#[must_use]
pub fn precision() -> Precision {
    OWN.get().unwrap_or_else(|| ALL[usize::from(SETTING.load(Ordering::Relaxed))])
}

thread_local! {
    static OWN: Cell<Option<Precision>> = const { Cell::new(None) };
}

/// Runs `body`, whose products have `precision` whatever the setting is: those of numbers that are bfloat16 already, say.
pub fn with_precision<R>(precision: Precision, body: impl FnOnce() -> R) -> R {
    struct Before(Option<Precision>);
    impl Drop for Before {
        fn drop(&mut self) {
            OWN.set(self.0);
        }
    }
    let _before = Before(OWN.replace(Some(precision)));
    body()
}

/// The least for which packing terms pays.
#[cfg(target_arch = "x86_64")]
struct Least {
    /// Rows and columns of C.
    tile: usize,
    k: usize,
    /// Multiply-adds.
    work: usize,
}

/// For one, two and three terms.
#[cfg(target_arch = "x86_64")]
const LEAST: [Least; 3] = [
    Least { tile: 24, k: 32, work: 1 << 17 },
    Least { tile: 24, k: 64, work: 1 << 18 },
    Least { tile: 96, k: 96, work: 1 << 25 },
];

/// For three terms and as many rows and columns of C as this: each thread packs one side for itself.
#[cfg(target_arch = "x86_64")]
const SQUARE: Least = Least { tile: 192, k: 96, work: 1 << 23 };

/// For three terms and as many rows of C as this: they are shared out, each packed by the task that uses it.
#[cfg(target_arch = "x86_64")]
const TALL: (usize, Least) = (512, Least { tile: 48, k: 64, work: 1 << 22 });

/// Terms that a number is split into under the setting, if this machine has tiles to multiply them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn terms() -> Option<usize> {
    let terms = match precision() {
        Precision::Ieee => return None,
        Precision::Highest => 3,
        Precision::High => 2,
        Precision::Medium => 1,
    };
    (Unit::available() == Some(Unit::Tiles)).then_some(terms)
}

/// What multiplies a few rows with weights that are packed once, and in how many terms: tiles, or dot products of what is
/// bfloat16 already. The setting alone, which speaks of float32, asks for no dot products.
#[cfg(target_arch = "x86_64")]
pub(crate) fn unit_and_terms() -> Option<(Unit, usize)> {
    match Unit::available()? {
        Unit::Tiles => terms().map(|terms| (Unit::Tiles, terms)),
        Unit::Dots => (OWN.get() == Some(Precision::Medium)).then_some((Unit::Dots, 1)),
    }
}

/// Runs a product in terms, unless the setting, the machine or the shape speak for multiply-adds. Says whether it did.
///
/// # Safety
/// As [`Product::run`].
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn run_in_terms(product: &Product<'_, f32>, serial: bool) -> bool {
    use super::bf16::{Operand, Output, TermProduct};
    let Some(terms) = terms() else { return false };
    let &Product { m, n, k, a, b, c, accumulate, epilogue, stream_b } = product;
    let least = match terms {
        3 if m >= TALL.0 => &TALL.1,
        3 if m.min(n) >= SQUARE.tile => &SQUARE,
        _ => &LEAST[terms - 1],
    };
    let small = m.min(n) < least.tile || k < least.k || m.saturating_mul(n).saturating_mul(k) < least.work;
    if small {
        return false;
    }
    let (a, b, c, unit) = (Operand::Float32(a), Operand::Float32(b), Output::Float32(c), Unit::Tiles);
    // SAFETY: available, and the rest by contract.
    unsafe { TermProduct { m, n, k, a, b, c, accumulate, epilogue, terms, unit, stream_b }.run(serial) };
    true
}

/// Other CPUs have no AMX.
///
/// # Safety
/// As [`Product::run`].
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn run_in_terms(_: &Product<'_, f32>, _: bool) -> bool {
    false
}
