//! The dashboard as it runs, over the embedded engine with real jobs: a browser uses it, a tester of APIs tries it, and garbage
//! is thrown at it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

mod browser;
#[path = "../../examples/fuzz/check.rs"]
mod check;
mod garbage;
#[path = "../../examples/showcase/history.rs"]
mod history;
#[path = "../../examples/pages/repeat.rs"]
mod repeat;
#[path = "../../examples/fuzz/run.rs"]
mod run;
mod schemathesis;
#[path = "../../examples/showcase/shop.rs"]
mod shop;
mod stage;
#[path = "../../examples/fuzz/throw.rs"]
mod throw;
mod tools;
#[path = "../../examples/fuzz/words.rs"]
mod words;

type Done<T> = Result<T, Box<dyn std::error::Error>>;

/// One kind of the shop's jobs panics on purpose, of which the output says nothing.
fn expect_a_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().ends_with("showcase/shop.rs")) {
                before(panic);
            }
        }));
    });
}
