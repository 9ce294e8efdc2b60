//! The functions' build script: links bootstraps at fixed addresses.
#![allow(clippy::print_stdout, reason = "build scripts talk to cargo through stdout")]

fn main() {
    // A position-independent program relocates the addresses in its tables at every start: 13,000 in the smallest
    // function, on some 60 pages that must be copied for it. Without: 0.3 MB less, a quarter fewer page faults, a tenth
    // less time from exec to the first call of the runtime API. The cost: the program's own code is at a fixed address;
    // its libraries, heap and stack still are at random ones.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
    println!("cargo::rerun-if-changed=Cargo.toml");
}
