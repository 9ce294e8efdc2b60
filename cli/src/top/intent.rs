//! What the viewer wants done, and the same as a command.

use std::fmt;

use lamplighter_dashboard::raw::compact;

use crate::foreign::safe;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Retry,
    Cancel,
    Pause,
    Resume,
    Redrive,
    Stop,
    /// Edit the arguments, and run a copy with them.
    Edit,
}

impl Verb {
    const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Redrive => "redrive",
            Self::Stop => "stop",
            Self::Edit => "edit",
        }
    }
}

/// What it is done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Jobs(Vec<String>),
    /// All jobs that match a query.
    Matching(String),
    /// A job, with other arguments, as JSON.
    Edited {
        id: String,
        args: String,
    },
    Batch(String),
    Queue(String),
    Schedule(String),
    ErrorGroup(String),
    DeadLetters(String),
    Operation(String),
}

/// An action that waits for the viewer's consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) verb: Verb,
    pub(crate) subject: Subject,
}

impl Intent {
    /// The same as a command, for a shell.
    pub(super) fn command(&self, options: &str) -> String {
        let verb = self.verb.word();
        match &self.subject {
            Subject::Jobs(ids) => about(verb, ids, options),
            Subject::Matching(query) => lamp(&format!("{verb} --query {}", quoted(query)), options),
            Subject::Edited { id, args } => about(verb, &[id.clone(), compact(args)], options),
            Subject::Batch(name) | Subject::Queue(name) | Subject::DeadLetters(name) => about(verb, &[name], options),
            Subject::Schedule(name) => about(&format!("schedule {verb}"), &[name], options),
            Subject::ErrorGroup(fingerprint) => lamp(&format!("{verb} --error {}", quoted(fingerprint)), options),
            Subject::Operation(id) => lamp(&format!("ops {} --{verb}", quoted(id)), options),
        }
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb.word();
        match &self.subject {
            Subject::Jobs(ids) => match &ids[..] {
                [id] => write!(f, "{verb} job {}", safe(id)),
                ids => write!(f, "{verb} {} jobs", ids.len()),
            },
            Subject::Matching(query) if query.is_empty() => write!(f, "{verb} all jobs"),
            Subject::Matching(query) => write!(f, "{verb} all jobs that match {}", safe(query)),
            Subject::Edited { id, .. } => write!(f, "run a copy of job {} with the edited arguments", safe(id)),
            Subject::Batch(id) => write!(f, "{verb} batch {}, with all of its jobs", safe(id)),
            Subject::Queue(name) => write!(f, "{verb} queue {}", safe(name)),
            Subject::Schedule(name) => write!(f, "{verb} schedule {}", safe(name)),
            Subject::ErrorGroup(fingerprint) => write!(f, "{verb} the failed jobs of error {}", safe(fingerprint)),
            Subject::DeadLetters(queue) => write!(f, "{verb} the dead letters of {}", safe(queue)),
            Subject::Operation(id) => write!(f, "{verb} operation {}", safe(id)),
        }
    }
}

/// Returns a command of `lamp`, with the options that choose the place.
pub(super) fn lamp(words: &str, options: &str) -> String {
    format!("lamp {words} {options}").trim_end().to_owned()
}

/// Returns a command about something that has a name. A name that looks like an option is none behind `--`.
pub(super) fn about<N: AsRef<str>>(verb: &str, names: &[N], options: &str) -> String {
    let quoted: Vec<_> = names.iter().map(|name| quoted(name.as_ref())).collect();
    let quoted = quoted.join(" ");
    match names.iter().any(|name| name.as_ref().starts_with('-')) {
        true => lamp(format!("{verb} {options}").trim_end(), &format!("-- {quoted}")),
        false => lamp(&format!("{verb} {quoted}"), options),
    }
}

/// Returns a word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let word: String = safe(word).replace('\'', r"'\''");
    format!("'{word}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted_for_a_shell() {
        for (word, shown) in [
            ("order-42", "order-42"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm -rf ~)", "'$(rm -rf ~)'"),
            ("--all", "'--all'"),
            ("a\u{1b}]0;x\u{7}", r"'a\u{1b}]0;x\u{7}'"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn an_intent_is_a_command_and_a_sentence() {
        let shown = |verb, subject| {
            let intent = Intent { verb, subject };
            (intent.command("--stack shop"), intent.to_string())
        };
        let jobs = |ids: &[&str]| Subject::Jobs(ids.iter().map(|id| (*id).to_owned()).collect());
        for (verb, subject, command, sentence) in [
            (Verb::Retry, jobs(&["a", "b"]), "lamp retry a b --stack shop", "retry 2 jobs"),
            (Verb::Cancel, jobs(&["a"]), "lamp cancel a --stack shop", "cancel job a"),
            (Verb::Cancel, jobs(&["--all"]), "lamp cancel --stack shop -- '--all'", "cancel job --all"),
            (Verb::Pause, Subject::Queue("mails".into()), "lamp pause mails --stack shop", "pause queue mails"),
            (
                Verb::Resume,
                Subject::Schedule("daily".into()),
                "lamp schedule resume daily --stack shop",
                "resume schedule daily",
            ),
            (
                Verb::Retry,
                Subject::ErrorGroup("3f9a".into()),
                "lamp retry --error 3f9a --stack shop",
                "retry the failed jobs of error 3f9a",
            ),
            (
                Verb::Retry,
                Subject::Matching("state:failed job:mails.*".into()),
                "lamp retry --query 'state:failed job:mails.*' --stack shop",
                "retry all jobs that match state:failed job:mails.*",
            ),
            (
                Verb::Edit,
                Subject::Edited { id: "a".into(), args: "{\n  \"to\": \"it's\"\n}".into() },
                r#"lamp edit a '{"to":"it'\''s"}' --stack shop"#,
                "run a copy of job a with the edited arguments",
            ),
            (Verb::Stop, Subject::Operation("op-1".into()), "lamp ops op-1 --stop --stack shop", "stop operation op-1"),
        ] {
            assert_eq!(shown(verb, subject), (command.to_owned(), sentence.to_owned()));
        }
    }
}
