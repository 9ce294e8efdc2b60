//! `lamp man`.

use std::{fs, path::PathBuf};

use clap::Args;
use clap_mangen::Man as Page;

use crate::{
    error::{Error, nearest, reason},
    help, output,
};

/// Print the manual page of a command, or write those of all commands
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp man jobs | man -l -
  lamp man new job
  lamp man --output ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The command, by its words; without one, `lamp` itself
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder, which is created if missing
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> Result<(), Error> {
        match &self.output {
            Some(folder) => write(folder),
            None => self.print(),
        }
    }

    fn print(&self) -> Result<(), Error> {
        let mut page = Vec::new();
        Page::new(self.find()?).render(&mut page)?;
        output::print(|out| out.write_all(&page))
    }

    fn find(&self) -> Result<clap::Command, Error> {
        let mut command = help::command().disable_help_subcommand(true);
        command.build();
        for name in &self.command {
            let names = command.get_subcommands().map(clap::Command::get_name);
            let near = nearest(name, names).map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default();
            let Some(found) = command.find_subcommand(name) else {
                let parent = command.get_bin_name().unwrap_or(help::PROGRAM);
                return Err(Error::Usage(format!(
                    "{parent} has no command {name:?}{near}; `{parent} --help` lists them"
                )));
            };
            command = found.clone();
        }
        Ok(command)
    }
}

fn write(folder: &PathBuf) -> Result<(), Error> {
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(help::command(), folder));
    written.map_err(|error| {
        let text =
            format!("cannot write the pages to {}: {}; name a folder where you may", folder.display(), reason(&error));
        Error::failed(text)
    })?;
    output::hint(&format!("the pages are in {}", folder.display()));
    Ok(())
}
