//! Which instruction set this process uses, and how one kernel body is compiled for each.
//!
//! A kernel is a struct that implements [`Kernel`]; [`dispatch`] runs it inside a function that has the target
//! features of the chosen ISA, so that plain loops in `run` are vectorised for it. `run` and all that it calls must be
//! `#[inline(always)]`, and `dispatch` belongs *inside* each parallel task: features do not cross a closure boundary.

use std::sync::OnceLock;

/// Instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What every CPU of the target architecture has.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
    /// 64-bit Arm with NEON.
    Neon,
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
simd_isa!(Avx2, Isa::Avx2, "AVX2 and FMA.", true);
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
        // SAFETY: `isa()` returns Avx512 only after CPUID reported these features.
        Isa::Avx512 => unsafe { run_avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `isa()` returns Avx2 only after CPUID reported these features.
        Isa::Avx2 => unsafe { run_avx2(kernel) },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => kernel.run::<Neon>(),
        _ => kernel.run::<Portable>(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

/// The ISA in use: the best that this CPU has, or a lower one that `DLCORE_ISA` (portable, avx2, avx512, neon) names.
#[must_use]
pub fn isa() -> Isa {
    static CHOICE: OnceLock<Isa> = OnceLock::new();
    *CHOICE.get_or_init(|| {
        let best = best();
        match std::env::var("DLCORE_ISA").as_deref() {
            Ok("portable") => Isa::Portable,
            Ok("avx2") if best >= Isa::Avx2 => Isa::Avx2,
            _ => best,
        }
    })
}

fn best() -> Isa {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi2")
        {
            return Isa::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("bmi2") {
            return Isa::Avx2;
        }
        Isa::Portable
    }
    #[cfg(target_arch = "aarch64")]
    {
        Isa::Neon
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Isa::Portable
    }
}
