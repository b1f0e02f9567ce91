//! Which instruction set this process uses, and how one kernel body is compiled for each.
//!
//! A kernel is a struct that implements [`Kernel`]; [`dispatch`] runs it inside a function that has the target
//! features of the chosen ISA, so that plain loops in `run` are vectorised for it. `run` and all that it calls must be
//! `#[inline(always)]`, and `dispatch` belongs *inside* each parallel task: features do not cross a closure boundary.

#[cfg(target_arch = "x86_64")]
mod amx;

use std::sync::OnceLock;

/// Instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What every CPU of the target architecture has.
    Portable,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 with BF16, and AMX tiles of bfloat16.
    Amx,
    /// 64-bit Arm with NEON.
    Neon,
}

impl Isa {
    const ALL: [Self; 5] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx, Self::Neon];

    /// The name that `DLCORE_ISA` knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
            Self::Neon => "neon",
        }
    }
}

/// Scalar arithmetic whose meaning depends on the ISA; inside vectorised loops it becomes vector code.
pub trait Simd: Copy + 'static {
    /// The ISA that this type stands for.
    const ISA: Isa;
    /// `a * b + c`, fused into one rounding where the ISA has FMA (all but `Portable`).
    fn fma32(a: f32, b: f32, c: f32) -> f32;
    /// `a * b + c` in float64, fused likewise.
    fn fma64(a: f64, b: f64, c: f64) -> f64;
}

macro_rules! simd_isa {
    ($name:ident, $isa:expr, $doc:literal, $fma:expr) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Simd for $name {
            const ISA: Isa = $isa;
            #[inline(always)]
            fn fma32(a: f32, b: f32, c: f32) -> f32 {
                if $fma { a.mul_add(b, c) } else { a * b + c }
            }
            #[inline(always)]
            fn fma64(a: f64, b: f64, c: f64) -> f64 {
                if $fma { a.mul_add(b, c) } else { a * b + c }
            }
        }
    };
}
simd_isa!(Portable, Isa::Portable, "No assumption beyond the target's baseline.", false);
simd_isa!(Avx2, Isa::Avx2, "AVX2, FMA and F16C.", true);
simd_isa!(Avx512, Isa::Avx512, "AVX-512 F, BW, DQ, VL.", true);
simd_isa!(Neon, Isa::Neon, "NEON.", true);

/// A kernel body that is generic over the ISA.
pub trait Kernel {
    /// What the body returns.
    type Output;
    /// The body. Must be `#[inline(always)]`.
    fn run<S: Simd>(self) -> Self::Output;
}

/// Runs `kernel` compiled for the ISA in use.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    match isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `isa()` returns these only after CPUID reported the features. AMX is for products alone.
        Isa::Avx512 | Isa::Amx => unsafe { run_avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `isa()` returns Avx2 only after CPUID reported these features.
        Isa::Avx2 => unsafe { run_avx2(kernel) },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => run_baseline::<Neon, K>(kernel),
        _ => run_baseline::<Portable, K>(kernel),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,f16c")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2,f16c")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

/// Needs no feature, so it could be inlined; apart, it is compiled once and not in every copy of `dispatch`.
#[inline(never)]
fn run_baseline<S: Simd, K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<S>()
}

/// An ISA and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The ISA in use.
    pub isa: Isa,
    /// One line for people.
    pub reason: String,
}

/// The ISA in use: the best that this CPU has, or the one that `DLCORE_ISA` (portable, avx2, avx512, amx, neon) names.
#[must_use]
#[inline]
pub fn isa() -> Isa {
    choice().isa
}

/// The ISA in use and why. A `DLCORE_ISA` that cannot be had is not obeyed, and the reason says so.
#[must_use]
#[inline]
pub fn choice() -> &'static Choice {
    static CHOICE: OnceLock<Choice> = OnceLock::new();
    CHOICE.get_or_init(|| choose(available(), std::env::var("DLCORE_ISA").ok().as_deref()))
}

/// One line for people: the ISA, why, and what else this CPU has that kernels care about.
#[must_use]
pub fn describe() -> String {
    let Choice { isa, reason } = choice();
    format!("{} ({reason}; CPU features: {})", isa.name(), features().join(" "))
}

fn choose(available: &[Isa], asked: Option<&str>) -> Choice {
    let names = |isas: &[Isa]| isas.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", ");
    let best = *available.last().expect("every CPU runs the portable kernels");
    let have = format!("the best of {} that this CPU runs", names(available));
    let Some(asked) = asked.map(str::trim).filter(|name| !name.is_empty()) else {
        return Choice { isa: best, reason: have };
    };
    match Isa::ALL.into_iter().find(|isa| isa.name().eq_ignore_ascii_case(asked)) {
        Some(isa) if available.contains(&isa) => Choice { isa, reason: format!("DLCORE_ISA={asked} asked for it") },
        Some(_) => Choice { isa: best, reason: format!("{have}; DLCORE_ISA={asked} is not among them") },
        None => Choice { isa: best, reason: format!("{have}; DLCORE_ISA={asked} is none of {}", names(&Isa::ALL)) },
    }
}

/// The ISAs that this CPU runs, best last.
fn available() -> &'static [Isa] {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("f16c");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let amx = is_x86_feature_detected!("avx512bf16") && amx::is_available();
        match (avx2, avx512, amx) {
            (true, true, true) => &[Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Amx],
            (true, true, false) => &[Isa::Portable, Isa::Avx2, Isa::Avx512],
            (true, false, _) => &[Isa::Portable, Isa::Avx2],
            (false, ..) => &[Isa::Portable],
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        &[Isa::Portable, Isa::Neon]
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        &[Isa::Portable]
    }
}

/// Features of this CPU, by the names that the compiler gives them.
fn features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! detected {
            ($($name:tt)*) => { [$((is_x86_feature_detected!($name), $name)),*] };
        }
        let known = detected!["avx2" "fma" "bmi2" "avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vnni"
            "avx512bf16" "avx512fp16"];
        known.into_iter().filter_map(|(has, name)| has.then_some(name)).collect()
    }
    #[cfg(target_arch = "aarch64")]
    {
        vec!["neon"]
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}

/// Brings the cache line at `place` near; a hint, so any address will do.
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint: nothing is read or written; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Brings the cache line at `place` near, for a store; a hint, so any address will do.
#[inline(always)]
pub(crate) fn prefetch_to_write<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint: nothing is read or written.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

    #[test]
    fn the_best_unless_asked() {
        assert_eq!(choose(&X86, None).isa, Isa::Avx512);
        assert_eq!(choose(&X86, Some(" ")).isa, Isa::Avx512);
        let asked = choose(&X86, Some("AVX2"));
        assert_eq!((asked.isa, asked.reason.as_str()), (Isa::Avx2, "DLCORE_ISA=AVX2 asked for it"));
        assert_eq!(choose(&X86, Some("portable")).isa, Isa::Portable);
    }

    #[test]
    fn what_cannot_be_had_falls_back_and_says_so() {
        let absent = choose(&X86[..2], Some("avx512"));
        assert_eq!(absent.isa, Isa::Avx2);
        assert_eq!(absent.reason, "the best of portable, avx2 that this CPU runs; DLCORE_ISA=avx512 is not among them");
        assert_eq!(choose(&[Isa::Portable, Isa::Neon], Some("avx2")).isa, Isa::Neon);
        let unknown = choose(&X86, Some("sse9"));
        assert_eq!(unknown.isa, Isa::Avx512);
        assert!(unknown.reason.ends_with("DLCORE_ISA=sse9 is none of portable, avx2, avx512, amx, neon"));
    }

    #[test]
    fn dispatch_runs_the_chosen_isa() {
        struct Which;
        impl Kernel for Which {
            type Output = Isa;
            #[inline(always)]
            fn run<S: Simd>(self) -> Isa {
                S::ISA
            }
        }
        let vectors = if isa() == Isa::Amx { Isa::Avx512 } else { isa() };
        assert_eq!(dispatch(Which), vectors);
        assert!(describe().starts_with(isa().name()));
    }
}
