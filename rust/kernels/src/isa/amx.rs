//! Whether this process may use AMX: Rust knows neither its detection nor its instructions yet.

use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

/// Whether this process may use AMX on bfloat16: the CPU has it, the operating system keeps its registers, and has
/// allowed this process to touch them.
pub(super) fn is_available() -> bool {
    cpu_has_it() && system_keeps_tiles() && request_permission()
}

fn cpu_has_it() -> bool {
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (AMX_BF16 | AMX_TILE) == AMX_BF16 | AMX_TILE
}

/// Whether the system saves tile configuration and tile data (bits 17 and 18 of XCR0) when threads change.
fn system_keeps_tiles() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const TILES: u64 = 0b11 << 17;
    #[target_feature(enable = "xsave")]
    fn xcr0() -> u64 {
        // SAFETY: OSXSAVE says that the instruction exists.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: as above.
    __cpuid(1).ecx & OSXSAVE != 0 && unsafe { xcr0() } & TILES == TILES
}

/// Linux gives a process the room for tile data only when asked (`Documentation/arch/x86/xstate.rst`); threads inherit
/// the permission.
#[cfg(target_os = "linux")]
fn request_permission() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: takes two numbers and changes nothing but the permission.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn request_permission() -> bool {
    // Nobody has run this elsewhere.
    false
}
