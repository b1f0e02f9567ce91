//! Folds functions whose machine code is equal, where the linker is the one that Rust brings along: many operations are
//! the same for several element types, and a wheel is a thirtieth smaller.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |key: &str| std::env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    let lld = [target("OS"), target("ARCH"), target("ENV")] == ["linux", "x86_64", "gnu"];
    let other = std::env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    if lld && !other && std::env::var("RUSTC_LINKER").is_err() {
        println!("cargo:rustc-link-arg-cdylib=-Wl,--icf=all");
    }
}
