//! `lamp package`: the files that a platform needs to run the workers.

mod docker;
mod systemd;
mod webjob;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{catalog::Catalog, error::Error};

/// Write the files that a platform needs to run this program as a worker
///
/// Arguments after `--` are passed to `lamp work` there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lamp package systemd -- --stack shop > /etc/systemd/system/shop-workers.service\n  \
    lamp package docker -- --health 0.0.0.0:8080 > Dockerfile\n  \
    lamp package webjob --continuous -- --db /home/data/jobs.db\n  \
    lamp package webjob --triggered '0 3 * * *' -- --db /home/data/jobs.db")]
pub(crate) struct Package {
    #[command(subcommand)]
    platform: Platform,
}

#[derive(Debug, Subcommand)]
enum Platform {
    Systemd(systemd::Systemd),
    Docker(docker::Docker),
    Webjob(webjob::WebJob),
}

impl Package {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        match self.platform {
            Platform::Systemd(systemd) => systemd.run(catalog),
            Platform::Docker(docker) => docker.run(),
            Platform::Webjob(webjob) => webjob.run(catalog),
        }
    }
}

/// Returns the path of this program.
fn this_program() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(|error| Error::failed(format_args!("cannot find this program's file: {error}")))
}

/// Refuses arguments that would end a line or a quotation in a platform's file.
fn plain(arguments: &[String]) -> Result<&[String], Error> {
    let is_plain = |argument: &&String| {
        argument.chars().all(|one| one.is_ascii_alphanumeric() || "-_./:=,@%+\\".contains(one)) && !argument.is_empty()
    };
    match arguments.iter().find(|argument| !is_plain(argument)) {
        None => Ok(arguments),
        Some(argument) => Err(Error::Usage(format!(
            "{argument:?} has a character that this file could misread; put it into the environment instead, or edit the file"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_a_file_could_misread_are_refused() {
        let all = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|one| (*one).to_owned()).collect();
            plain(&arguments).map(<[String]>::to_vec)
        };
        assert_eq!(all(&["--db", r"D:\home\data\jobs.db"]).unwrap().len(), 2);
        for bad in ["a b", "$(id)", "a;b", "a\nb", "\"", "'", "", "ä"] {
            assert!(all(&[bad]).is_err(), "{bad:?}");
        }
    }
}
