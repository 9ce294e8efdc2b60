//! The functions' build script: links bootstraps at fixed addresses.
#![allow(clippy::print_stdout, reason = "cargo is spoken to by that")]

fn main() {
    // A position-independent program has each of its tables' addresses written at every start: of the least there is,
    // 13,000 of them, on some 60 pages that must be copied for it. Without: 0.3 MB less, a quarter fewer page faults, a
    // tenth less time from exec to the first call of the runtime API. What it gives up is that the program's own code
    // lies at a random address; its libraries, heap and stack still do.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
    println!("cargo::rerun-if-changed=Cargo.toml");
}
