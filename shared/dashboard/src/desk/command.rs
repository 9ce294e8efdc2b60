//! Commands, as one types them into a shell.

use std::borrow::Cow;

/// A command of `lamp`: its verb, its options, and what it is about.
///
/// ```
/// use lamplighter_dashboard::desk::CommandLine;
///
/// let place = ["lamp".to_owned(), "--stack".to_owned(), "shop".to_owned()];
/// let cancel = CommandLine::new("cancel").about("order 42");
/// assert_eq!(cancel.typed(&place).as_deref(), Some("lamp cancel 'order 42' --stack shop"));
/// // An id that looks like an option is none.
/// let cancel = CommandLine::new("cancel").about("--all");
/// assert_eq!(cancel.typed(&place).as_deref(), Some("lamp cancel --stack shop -- --all"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    verb: Vec<String>,
    options: Vec<String>,
    about: Vec<String>,
}

impl CommandLine {
    /// The command of this verb: `retry`, `schedule pause`.
    #[must_use]
    pub fn new(verb: &str) -> Self {
        Self { verb: verb.split(' ').map(str::to_owned).collect(), ..Self::default() }
    }

    /// With an option without a value: `--now`.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        self.options.push(name.to_owned());
        self
    }

    /// With an option: `--query state:failed`.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        match value.starts_with('-') {
            true => self.options.push(format!("{name}={value}")),
            false => self.options.extend([name.to_owned(), value.to_owned()]),
        }
        self
    }

    /// About this too: an id, or a name.
    #[must_use]
    pub fn about(mut self, word: impl AsRef<str>) -> Self {
        self.about.push(word.as_ref().to_owned());
        self
    }

    /// It as one types it into a shell, for a program with its options. `None` if a value has control characters, which a
    /// terminal would act upon.
    #[must_use]
    pub fn typed(&self, program: &[String]) -> Option<String> {
        let Self { verb, options, about } = self;
        let (program, place) = program.split_first().map_or(("lamp", &[][..]), |(program, place)| (&**program, place));
        // Behind `--`, nothing is an option.
        let end = [String::from("--")];
        let words: [&[String]; 5] = match about.iter().any(|word| word.starts_with('-')) {
            true => [verb, options, place, &end, about],
            false => [verb, options, about, place, &[]],
        };
        let words = words.into_iter().flatten().map(String::as_str);
        let words: Option<Vec<_>> = std::iter::once(program).chain(words).map(quoted).collect();
        words.map(|words| words.join(" "))
    }
}

/// A word as one types it into a shell.
fn quoted(word: &str) -> Option<Cow<'_, str>> {
    if word.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
        return None;
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    // Some shells look up what stands behind a `=`.
    Some(match !word.is_empty() && !word.starts_with('=') && word.bytes().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(command: &CommandLine) -> Option<String> {
        command.typed(&["lamp".into(), "--db".into(), "my jobs.db".into()])
    }

    #[test]
    fn a_value_is_never_an_option() {
        let cancel = CommandLine::new("cancel").about("a").about("--all");
        assert_eq!(typed(&cancel).unwrap(), "lamp cancel --db 'my jobs.db' -- a --all");
        let note = CommandLine::new("errors").option("--note", "--json").about("3f9a");
        assert_eq!(typed(&note).unwrap(), "lamp errors --note=--json 3f9a --db 'my jobs.db'");
        let plain = CommandLine::new("schedule pause").about("daily");
        assert_eq!(typed(&plain).unwrap(), "lamp schedule pause daily --db 'my jobs.db'");
    }

    #[test]
    fn a_shell_reads_each_word_as_it_is() {
        for (word, shown) in [
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("", "''"),
            ("=ls", "'=ls'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(quoted(word).unwrap(), shown);
        }
        for word in ["a\u{1b}[201~\n", "a\0b", "a\r"] {
            assert_eq!(typed(&CommandLine::new("job").about(word)), None, "{word:?}");
        }
    }
}
