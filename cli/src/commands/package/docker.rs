//! `lamp package docker`.

use clap::Args;

use super::plain;
use crate::{error::Error, output};

/// Print a Dockerfile
///
/// The image holds this program, linked statically, certificates, and nothing else: no shell, no package manager. It
/// runs as a user without root rights, and its root file system may be read-only.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp package docker -- --health 0.0.0.0:8080 > Dockerfile")]
pub(super) struct Docker {
    /// The package whose binary `lamp` it builds
    #[arg(long, value_name = "NAME", default_value = "app")]
    package: String,
    /// The arguments of `lamp work`
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Docker {
    pub(super) fn run(self) -> Result<(), Error> {
        let packages = [self.package];
        let package = &plain(&packages)?[0];
        let arguments = plain(&self.arguments)?;
        let command: Vec<_> = ["work".to_owned()].iter().chain(arguments).map(|one| format!("{one:?}")).collect();
        output::print(|out| out.write_all(dockerfile(package, &command.join(", ")).as_bytes()))
    }
}

/// Alpine's compiler links everything into the program, so the image needs no other file but certificates.
fn dockerfile(package: &str, command: &str) -> String {
    format!(
        "# syntax=docker/dockerfile:1\n\
         FROM rust:1-alpine AS build\n\
         RUN apk add --no-cache build-base ca-certificates\n\
         WORKDIR /build\n\
         COPY . .\n\
         RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \\\n    \
         cargo build --release --locked --package {package} --bin lamp && cp target/release/lamp /lamp\n\
         \n\
         FROM scratch\n\
         COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt\n\
         COPY --from=build /lamp /lamp\n\
         USER 65532:65532\n\
         ENTRYPOINT [\"/lamp\"]\n\
         CMD [{command}]\n"
    )
}
