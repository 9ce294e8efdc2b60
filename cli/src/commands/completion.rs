//! `lamp completion`.

use clap::{
    Arg, Args, Command,
    builder::{PossibleValue, PossibleValuesParser},
};
use clap_complete::Shell;
use lamplighter::JobState;

use crate::{catalog::Catalog, error::Error, help, output};

/// Print a script that completes commands, options, and the names of this app's jobs, queues and schedules
///
/// The names are those of the app as this program was built: let the shell read the script again when it starts. bash,
/// zsh and fish complete names; PowerShell and elvish complete commands and options.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp completion bash > ~/.local/share/bash-completion/completions/lamp
  lamp completion zsh > ~/.zfunc/_lamp
  lamp completion fish > ~/.config/fish/completions/lamp.fish
  lamp completion powershell >> $PROFILE
  lamp completion elvish >> ~/.config/elvish/rc.elv")]
pub(crate) struct Completion {
    /// The shell: bash, zsh, fish, powershell or elvish
    #[arg(hide_possible_values = true)]
    shell: Shell,
}

impl Completion {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let mut command = Names::of(catalog).added_to(help::command(), "");
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, help::PROGRAM, &mut script);
        output::print(|out| out.write_all(&script))
    }
}

/// The names that values are completed with.
struct Names {
    jobs: Vec<String>,
    queues: Vec<String>,
    schedules: Vec<String>,
    states: Vec<String>,
}

impl Names {
    fn of(catalog: &Catalog) -> Self {
        Self {
            jobs: catalog.definitions().iter().map(|definition| definition.name.to_owned()).collect(),
            queues: catalog.queues().into_iter().map(str::to_owned).collect(),
            schedules: catalog.schedules().iter().map(|one| one.schedule.name.clone()).collect(),
            states: JobState::ALL.iter().map(ToString::to_string).collect(),
        }
    }

    /// Returns the command, with these names as the values of its arguments and of those of its subcommands.
    fn added_to(&self, command: Command, parent: &str) -> Command {
        let name = command.get_name().to_owned();
        let creates = parent == "new" || (parent == "schedule" && name == "add");
        let command = command.mut_args(|argument| match self.values_of(&argument, parent, creates) {
            Some(values) => argument
                .value_parser(PossibleValuesParser::new(values.iter().map(PossibleValue::new)))
                .hide_possible_values(true),
            None => argument,
        });
        command.mut_subcommands(|subcommand| self.added_to(subcommand, &name))
    }

    fn values_of(&self, argument: &Arg, parent: &str, creates: bool) -> Option<&[String]> {
        let is_schedule = parent == "schedule" && argument.is_positional();
        match argument.get_long().unwrap_or(argument.get_id().as_str()) {
            // A new one has a name of its own, and the demo takes arguments behind it.
            "job"
                if !creates
                    && !argument.get_value_names().is_some_and(|names| names != ["NAME"] && names != ["JOB"]) =>
            {
                Some(&self.jobs)
            }
            "queue" if !creates => Some(&self.queues),
            "name" if is_schedule && !creates => Some(&self.schedules),
            "state" => Some(&self.states),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::App;

    use super::*;

    fn script(shell: Shell) -> String {
        let mut command = Names::of(&Catalog::new(App::new("shop"))).added_to(help::command(), "");
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, help::PROGRAM, &mut script);
        String::from_utf8(script).unwrap()
    }

    #[test]
    fn each_shell_gets_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let script = script(shell);
            for command in help::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell} has no {}", command.get_name());
            }
        }
    }

    #[test]
    fn names_are_completed_where_they_exist_already() {
        let command = Names::of(&Catalog::new(App::new("shop"))).added_to(help::command(), "");
        let values = |path: &[&str], id: &str| -> Vec<String> {
            let command = path.iter().fold(&command, |command, name| command.find_subcommand(name).unwrap());
            let argument = command.get_arguments().find(|argument| argument.get_id() == id).unwrap();
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
        };
        assert_eq!(values(&["jobs"], "job"), ["lamp.ping"]);
        assert_eq!(values(&["enqueue"], "job"), ["lamp.ping"]);
        assert_eq!(values(&["jobs"], "state").len(), JobState::ALL.len());
        assert!(values(&["new", "job"], "queue").is_empty());
        assert!(values(&["schedule", "add"], "name").is_empty());
        assert!(values(&["demo"], "jobs").is_empty());
    }
}
