//! Checks of names, and the names that are derived from them.

use lamplighter::schedule::is_schedule_name;
use lamplighter_infra::{MAX_FUNCTION_NAME, MAX_QUEUE_NAME, MAX_SCHEDULE_NAME, is_taken_queue, logical_name};

use super::survey::Survey;
use crate::error::Error;

/// A job's name, and the names derived from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct JobName {
    /// On the wire: `invoices.send`.
    pub(in crate::commands) name: String,
    /// The Rust type, verb first: `SendInvoices`.
    pub(in crate::commands) type_name: String,
    /// The definition's module: `invoices_send`.
    pub(in crate::commands) module: String,
    /// The handler, and its module: `send`.
    pub(in crate::commands) handler: String,
}

/// The longest name of a new job: names derived from it still fit into a line.
const MAX_JOB_NAME: usize = 40;

impl JobName {
    /// A new job's name.
    pub(in crate::commands) fn new(name: &str, survey: &Survey) -> Result<Self, Error> {
        let words: Vec<&str> = name.split(['.', '_', '-']).collect();
        if !lamplighter::message::is_job_name(name)
            || !words.iter().all(|word| is_word(word))
            || name.len() > MAX_JOB_NAME
        {
            return Err(usage(format_args!(
                "{name:?} cannot name a new job: write it like invoices.send, in small letters and digits, each part \
                 beginning with a letter, {MAX_JOB_NAME} characters at most"
            )));
        }
        let parts: Vec<&str> = name.split('.').collect();
        if matches!(parts[..], ["lamp" | "lamplighter" | "maintenance", ..]) {
            return Err(usage(format_args!(
                "{name} would be one of Lamplighter's own jobs; begin it with another word"
            )));
        }
        let spoken: Vec<&str> = match parts[..] {
            [noun, verb] => vec![verb, noun],
            _ => parts.clone(),
        };
        let new = Self {
            name: name.into(),
            type_name: spoken.iter().map(|part| logical_name(part)).collect(),
            module: words.join("_"),
            handler: parts.last().copied().unwrap_or_default().replace('-', "_"),
        };
        if let Some(there) = survey.job(name) {
            return Err(usage(format_args!("there is a job {name} already, in {}; choose another name", there.path)));
        }
        if let Some(there) = survey.jobs.iter().find(|job| job.type_name == new.type_name) {
            return Err(usage(format_args!(
                "{name} would be the type {}, which {} is already; choose another name",
                new.type_name, there.name
            )));
        }
        if survey.words.contains(&new.type_name) {
            return Err(usage(format_args!(
                "{name} would be the type {}, and something else is called that already; choose another name",
                new.type_name
            )));
        }
        for file in [&new.module, &new.handler] {
            check_file(name, file)?;
        }
        for identifier in [&new.module, &new.handler] {
            if !is_identifier(identifier) {
                return Err(usage(format_args!(
                    "{identifier} is a word of the Rust language, so nothing of {name} can be called that; choose \
                     another name"
                )));
            }
        }
        Ok(new)
    }
}

/// Checks the name of a new function.
pub(in crate::commands) fn check_function(name: &str, survey: &Survey) -> Result<(), Error> {
    if survey.function(name).is_some() {
        return Err(usage(format_args!("there is a function {name} already; add to it with `lamp new job`")));
    }
    check_length("function", name, MAX_FUNCTION_NAME)?;
    check_crate("a function and its crate", name, survey)?;
    let others = survey.functions.iter().map(|function| function.name.as_str());
    check_punctuation("function", name, others)
}

/// Checks the name of a new crate. `what` describes it.
pub(in crate::commands) fn check_crate(what: &str, name: &str, survey: &Survey) -> Result<(), Error> {
    if !name.split('-').all(is_word) {
        return Err(usage(format_args!(
            "{name:?} cannot name {what}: write it like invoices, in small letters and digits, with - between words that \
             begin with a letter"
        )));
    }
    check_file(name, name)?;
    if !is_identifier(&name.replace('-', "_")) {
        return Err(usage(format_args!(
            "{name} is a word of the Rust language, and cannot name a crate; choose another name"
        )));
    }
    // Crates of the language, and folders of cargo's target folder.
    let reserved = ["alloc", "build", "core", "deps", "examples", "incremental", "proc-macro", "std", "test"];
    if reserved.contains(&name) || survey.crates.contains(name) {
        return Err(usage(format_args!(
            "{name} is the name of a crate or a program that is used here; choose another name"
        )));
    }
    Ok(())
}

/// Checks the name of a new queue. Returns its constant.
pub(in crate::commands) fn check_queue(name: &str, survey: &Survey) -> Result<String, Error> {
    if !name.split(['-', '_']).all(is_word) {
        return Err(usage(format_args!(
            "{name:?} cannot name a new queue: write it like invoices, in small letters and digits, with - or _ between \
             words that begin with a letter"
        )));
    }
    check_length("queue", name, MAX_QUEUE_NAME)?;
    check_file(name, name)?;
    let others: Vec<_> = survey.queues.iter().map(|queue| queue.name.as_str()).collect();
    let elsewhere = survey.jobs.iter().filter_map(|job| job.queue.as_deref());
    if is_taken_queue(name)
        || elsewhere
            .chain(others.iter().copied())
            .chain(survey.built_in_queues.iter().copied())
            .any(|other| other == name)
    {
        return Err(usage(format_args!("there is a queue {name} already; choose another name")));
    }
    check_punctuation("queue", name, others.into_iter())?;
    Ok(name.to_ascii_uppercase().replace('-', "_"))
}

/// Checks the name of a new schedule.
pub(super) fn check_schedule<'a>(name: &str, others: impl Iterator<Item = &'a str> + Clone) -> Result<(), Error> {
    if !is_schedule_name(name) {
        return Err(usage(format_args!("{name:?} cannot name a schedule: it is 1-64 letters, digits and `_.-`")));
    }
    check_length("schedule", name, MAX_SCHEDULE_NAME)?;
    check_file(name, name)?;
    if others.clone().any(|other| other == name) {
        return Err(usage(format_args!("there is a schedule {name} already; choose another name")));
    }
    check_punctuation("schedule", name, others)
}

fn check_length(kind: &str, name: &str, most: usize) -> Result<(), Error> {
    match name.len() {
        length if length > most => Err(usage(format_args!(
            "{kind} {name:?} has {length} characters; behind the stack's name there is room for {most}"
        ))),
        _ => Ok(()),
    }
}

fn check_punctuation<'a>(kind: &str, name: &str, others: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let logical = logical_name(name);
    match others.into_iter().find(|other| logical_name(other) == logical) {
        Some(other) => Err(usage(format_args!(
            "{kind} {name:?} would differ from {kind} {other:?} in punctuation only; choose another name"
        ))),
        None => Ok(()),
    }
}

/// Checks that a file or a folder can have this name on every system. Windows reserves some names for devices, in any
/// case and with any extension (Microsoft, "Naming Files, Paths, and Namespaces").
fn check_file(name: &str, file: &str) -> Result<(), Error> {
    let stem = file.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let is_port =
        numbered.is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']) || matches!(number, "¹" | "²" | "³"));
    if is_port || ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&&*stem) {
        return Err(usage(format_args!(
            "{stem} is a device on Windows, and no file or folder of {name} can be called so there; choose another name"
        )));
    }
    Ok(())
}

fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_identifier(word: &str) -> bool {
    syn::parse_str::<syn::Ident>(word).is_ok()
}

fn usage(sentence: std::fmt::Arguments<'_>) -> Error {
    Error::Usage(sentence.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> Result<[String; 3], String> {
        let JobName { type_name, module, handler, .. } =
            JobName::new(name, &Survey::default()).map_err(|error| error.to_string())?;
        Ok([type_name, module, handler])
    }

    #[test]
    fn names_are_derived_from_the_job() {
        for (name, all) in [
            ("invoices.send", ["SendInvoices", "invoices_send", "send"]),
            ("invoices.send-all", ["SendAllInvoices", "invoices_send_all", "send_all"]),
            ("stock.shelf.count", ["StockShelfCount", "stock_shelf_count", "count"]),
            ("sweep", ["Sweep", "sweep", "sweep"]),
            ("eu2.vat_check", ["VatCheckEu2", "eu2_vat_check", "vat_check"]),
        ] {
            assert_eq!(job(name).unwrap(), all, "{name}");
        }
    }

    #[test]
    fn wrong_names_are_refused() {
        for (name, says) in [
            ("", "cannot name a new job"),
            ("Invoices.send", "small letters"),
            ("invoices..send", "each part"),
            ("invoices.", "each part"),
            ("invoices.2nd", "each part"),
            ("in voices", "each part"),
            ("lamp.sing", "Lamplighter's own"),
            ("maintenance.sweep", "Lamplighter's own"),
            ("invoices.move", "move is a word of the Rust language"),
            ("invoices.aux", "aux is a device on Windows"),
            ("nul", "nul is a device on Windows"),
            (&"x".repeat(41), "40 characters"),
        ] {
            let error = job(name).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn function_names_are_checked() {
        let survey = Survey { crates: ["serde".to_owned()].into(), ..Survey::default() };
        let check = |name: &str| check_function(name, &survey).map_err(|error| error.to_string());
        assert_eq!(check("invoices"), Ok(()));
        for good in ["invoices-eu2", "console", "com", "com10", "auxiliary", "con-x"] {
            assert_eq!(check(good), Ok(()));
        }
        for (name, says) in [
            ("Invoices", "small letters"),
            ("in_voices", "small letters"),
            ("-a", "small letters"),
            ("2nd", "small letters"),
            ("type", "word of the Rust language"),
            ("serde", "crate or a program"),
            ("test", "crate or a program"),
            ("deps", "crate or a program"),
            ("con", "con is a device on Windows"),
            ("prn", "prn is a device on Windows"),
            ("aux", "aux is a device on Windows"),
            ("nul", "nul is a device on Windows"),
            ("com1", "com1 is a device on Windows"),
            ("lpt0", "lpt0 is a device on Windows"),
            (&"x".repeat(34), "has 34 characters; behind the stack's name there is room for 33"),
        ] {
            let error = check(name).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn queue_and_schedule_names_are_checked() {
        let survey = Survey { built_in_queues: ["lamp"].into(), ..Survey::default() };
        let queue = |name: &str| check_queue(name, &survey).map_err(|error| error.to_string());
        assert_eq!(queue("bulk-mail"), Ok("BULK_MAIL".into()));
        for name in ["undelivered-events", "mail-dlq", "lamp"] {
            assert!(queue(name).unwrap_err().contains("already"), "{name}");
        }
        assert!(queue(&"x".repeat(48)).unwrap_err().contains("room for 47"));
        let schedule =
            |name: &str| check_schedule(name, ["nightly-sums"].into_iter()).map_err(|error| error.to_string());
        assert_eq!(schedule("invoices.nightly"), Ok(()));
        assert!(schedule("nightly-sums").unwrap_err().contains("already"));
        assert!(schedule("nightly.sums").unwrap_err().contains("punctuation"));
        assert!(schedule("NUL.txt").unwrap_err().contains("nul is a device on Windows"));
        assert!(queue("con").unwrap_err().contains("con is a device on Windows"));
        assert!(schedule("no name").unwrap_err().contains("1-64"));
        assert!(schedule(&"x".repeat(41)).unwrap_err().contains("room for 40"));
    }
}
