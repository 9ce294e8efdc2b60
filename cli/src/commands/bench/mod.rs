//! `lamp bench`.

mod embedded;
mod startup;

use std::{
    ffi::OsString,
    process::{self, Command},
};

use clap::{Args, Subcommand};

use crate::{catalog::Catalog, error::Error, output};

/// Measure the embedded engine on this machine, beside the machine's own yardstick.
///
/// Every figure comes with its ratio to bare SQLite (one row a transaction, same disk, same pragmas), which runs before
/// and after it, since machines are noisy. It is measured with the settings that users get, in a release build: from a
/// debug build the command starts itself anew by cargo.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    embedded: embedded::Embedded,
}

#[derive(Debug, Subcommand)]
enum What {
    Startup(startup::Startup),
}

impl Bench {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        if cfg!(debug_assertions) {
            return in_release();
        }
        match self.what {
            Some(What::Startup(startup)) => startup.run(catalog),
            None => self.embedded.run(),
        }
    }
}

/// Goes on as a release build, which cargo makes first.
fn in_release() -> Result<(), Error> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    output::hint("figures come from a release build; building one first may take some minutes");
    let ended = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--manifest-path", manifest, "--bin", "lamp", "--"])
        .args(std::env::args_os().skip(1))
        .status();
    match ended {
        Ok(status) => process::exit(status.code().unwrap_or(1)),
        Err(error) => Err(Error::failed(format_args!(
            "this is a debug build and cargo cannot be started ({}); \
             run `cargo run --release -p lamplighter-app -- bench` in the repository",
            crate::error::reason(&error)
        ))),
    }
}
