//! The definition of all commands, for what is derived from it: completion, manual pages, and the tests of help texts.

use clap::{Command, CommandFactory};

/// The name of the program.
pub(crate) const PROGRAM: &str = "lamp";

/// Returns the definition of `lamp` with all of its commands.
pub(crate) fn command() -> Command {
    crate::Arguments::command()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// Returns each command that is shown, with the words that call it.
    fn all(command: &Command, path: &str) -> Vec<(String, Command)> {
        let mut found = vec![(path.to_owned(), command.clone())];
        for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            found.extend(all(subcommand, &format!("{path} {}", subcommand.get_name())));
        }
        found
    }

    /// Splits a line as a shell would, where it has no expansions: words, and both kinds of quotes.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for letter in line.chars() {
            match (letter, quote) {
                ('\'' | '"', None) => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (_, Some(open)) if letter == open => quote = None,
                (' ', None) => words.extend(word.take()),
                _ => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        words
    }

    /// Returns the part of an example that calls `lamp`: without its remark, other programs, and redirections.
    fn call(example: &str) -> Vec<String> {
        let example = example.split("   ").next().unwrap();
        let call = example.split(" | ").find(|part| part.trim_start().starts_with(PROGRAM)).unwrap_or(example);
        words(call.trim()).into_iter().take_while(|word| !matches!(&**word, ">" | ">>" | "<")).collect()
    }

    #[test]
    fn every_command_shows_examples_that_are_right() {
        let command = command();
        let mut commands = all(&command, PROGRAM);
        commands.remove(0);
        assert!(commands.len() > 30, "{}", commands.len());
        let mut missing = Vec::new();
        for (path, command) in commands {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let Some((_, examples)) = help.split_once("Examples:\n") else {
                missing.push(path);
                continue;
            };
            for example in examples.lines().filter(|line| !line.is_empty()) {
                assert!(example.starts_with("  "), "{path}: {example:?}");
                let call = call(example.trim_start());
                assert_eq!(call[0], PROGRAM, "{path}: {example}");
                if let Err(error) = crate::Arguments::try_parse_from(&call) {
                    panic!("{path}: {example:?} is refused: {error}");
                }
            }
            let own = examples.lines().any(|line| line.contains(&path));
            assert!(own, "no example of {path} calls it");
        }
        assert!(missing.is_empty(), "without examples: {missing:?}");
    }
}
