//! With `DLCORE_FOLD=1` the linker folds functions whose machine code is equal: many operations are the same for several
//! element types, and a wheel is a thirtieth smaller. Not every linker can, so nobody gets it who does not ask.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DLCORE_FOLD");
    if std::env::var("DLCORE_FOLD").is_ok_and(|value| value == "1") {
        println!("cargo:rustc-link-arg-cdylib=-Wl,--icf=all");
    }
}
