//! Whether everything went as it should: each promise is looked at by itself, from outside.

use std::{
    collections::BTreeSet,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

use comfy_table::Cell;
use lamplighter::{Job, JobState, RawValue, Record, record::AttemptOutcome};
use lamplighter_jobs::DeliverWebhook;
use serde_json::Value;

use super::{
    REPORTS,
    cast::{self, Cast},
    stage::Stage,
};
use crate::{
    error::Error,
    foreign::safe,
    output::{self, BAD, FAINT, GOOD, NAME},
    when,
};

/// A promise: what was found, or what is wrong.
pub(super) type Check = Result<String, String>;

/// Shows what ran.
pub(super) fn table(records: &[Record]) -> Result<(), Error> {
    let mut table = output::table(&["JOB", "ID", "STATE", "ATTEMPTS", "TOOK", "OUTPUT"]);
    for record in records {
        let began = record.attempts.first().map(|first| first.started_at);
        let took = began.zip(record.finished_at).map(|(began, ended)| when::short(when::between(began, ended)));
        let result = match (&record.output, record.last_error()) {
            (Some(output), _) => result(output),
            (None, Some(error)) => output::one_line(&error.to_string(), 60),
            (None, None) => String::new(),
        };
        table.add_row([
            output::cell(&record.message.job),
            output::cell(&record.id),
            output::state_cell(record.state),
            Cell::new(record.attempts.len()),
            Cell::new(took.unwrap_or_default()),
            output::cell(result),
        ]);
    }
    output::keep_whole(&mut table, 1);
    output::print(|out| writeln!(out))?;
    output::print_table(&table)
}

/// What a handler returned, in a few words; a job that this demo does not know shows it as it is.
fn result(output: &RawValue) -> String {
    let value: Value = serde_json::from_str(output.get()).unwrap_or_default();
    if let Some(status) = value["status"].as_u64() {
        return format!("answered {status}");
    }
    if let Some(html) = value["html"].as_str() {
        return html.to_owned();
    }
    if let Some(thumbnails) = value["thumbnails"].as_array() {
        let sizes =
            thumbnails.iter().filter_map(|one| Some(format!("{}×{}", one["width"].as_u64()?, one["height"].as_u64()?)));
        return sizes.collect::<Vec<_>>().join(", ");
    }
    output::one_line(output.get(), 60)
}

/// Looks at everything that was promised.
pub(super) fn checks(stage: &Stage, cast: &Cast, records: &[Record]) -> Vec<Check> {
    vec![
        succeeded(records),
        delivered(stage, cast, records),
        signed(stage),
        once(cast),
        thumbnails(stage, cast),
        reports(stage, records),
    ]
}

/// Says how it went, and where things are.
pub(super) fn tell(stage: &Stage, checks: &[Check]) -> Result<(), Error> {
    let wrong = checks.iter().filter(|check| check.is_err()).count();
    output::print(|out| {
        writeln!(out)?;
        for check in checks {
            match check {
                Ok(found) => writeln!(out, "  {GOOD}✔{GOOD:#} {}", safe(found))?,
                Err(problem) => writeln!(out, "  {BAD}✘ {}{BAD:#}", safe(problem))?,
            }
        }
        writeln!(out)?;
        let mut line =
            |name: &str, what: &dyn Display| writeln!(out, "  {FAINT}{name:<10}{FAINT:#} {NAME}{what}{NAME:#}");
        let lamp = output::invocation();
        line("thumbnails", &stage.objects_folder().join("thumbnails").display())?;
        line("reports", &stage.reports_folder().display())?;
        line("look again", &format_args!("{lamp} jobs --db {}", stage.database().display()))?;
        line("go on with", &format_args!("{lamp} dev"))?;
        writeln!(out)?;
        match wrong {
            0 => writeln!(out, "{GOOD}Everything went as it should.{GOOD:#}"),
            _ => Ok(()),
        }
    })?;
    match wrong {
        0 => Ok(()),
        1 => Err(Error::failed("one check failed; it is marked ✘ above")),
        _ => Err(Error::failed(format_args!("{wrong} checks failed; they are marked ✘ above"))),
    }
}

fn succeeded(records: &[Record]) -> Check {
    let others: Vec<_> = records.iter().filter(|record| record.state != JobState::Succeeded).collect();
    match others.first() {
        None => Ok(format!("all {} jobs succeeded", records.len())),
        Some(first) => Err(format!(
            "{} of {} jobs have not succeeded: {} {} is {}",
            others.len(),
            records.len(),
            first.message.job,
            first.id,
            first.state
        )),
    }
}

fn delivered(stage: &Stage, cast: &Cast, records: &[Record]) -> Check {
    let mut tries = BTreeSet::new();
    for record in records.iter().filter(|record| cast.webhooks.contains(&record.id)) {
        let refused = record.attempts.iter().filter(|attempt| attempt.outcome == AttemptOutcome::Error).count();
        if refused == 0 {
            return Err(format!(
                "webhook {} needed no second attempt, though its receiver refused the first",
                record.id
            ));
        }
        let accepted = stage
            .receiver()
            .visits()
            .iter()
            .filter(|visit| visit.id == record.id.as_str() && visit.answer.is_success())
            .count();
        if accepted != 1 {
            return Err(format!("webhook {} was accepted {accepted} times instead of once", record.id));
        }
        tries.insert(record.attempts.len());
    }
    let tries: Vec<_> = tries.iter().map(ToString::to_string).collect();
    Ok(format!(
        "{} webhooks were refused at first and got through, each exactly once, after {} attempts",
        cast.webhooks.len(),
        tries.join(" or ")
    ))
}

fn signed(stage: &Stage) -> Check {
    let visits = stage.receiver().visits();
    match visits.iter().find_map(|visit| Some((visit, visit.distrust.as_ref()?))) {
        None if visits.is_empty() => Err("no webhook reached the receiver".into()),
        None => Ok(format!("the receiver verified the signature of all {} deliveries", visits.len())),
        Some((visit, why)) => Err(format!("the receiver did not believe webhook {}: {why}", visit.id)),
    }
}

fn once(cast: &Cast) -> Check {
    let id = cast.again.id();
    if cast.again.is_duplicate() {
        Ok(format!("{id} was enqueued twice under one id, and is one job"))
    } else {
        Err(format!("{id} was enqueued twice under one id, and became two jobs"))
    }
}

fn thumbnails(stage: &Stage, cast: &Cast) -> Check {
    let mut opened = 0;
    for (_, job) in &cast.pictures {
        let (width, height) = open(&stage.objects_folder().join(&job.key))?;
        for &size in &job.sizes {
            let file = file_of(&stage.objects_folder().join(&job.folder).join(&job.key), &size.to_string())?;
            let thumbnail = open(&file)?;
            let edge = thumbnail.0.max(thumbnail.1);
            if edge != size.min(width.max(height)) {
                return Err(format!("{} has a longest edge of {edge} pixels instead of {size}", file.display()));
            }
            opened += 1;
        }
    }
    match opened {
        0 => Err("there are no thumbnails".into()),
        _ => {
            Ok(format!("{opened} thumbnails of {} pictures lie there, open and have their sizes", cast.pictures.len()))
        }
    }
}

/// Decodes a whole picture; gives its width and height.
fn open(file: &Path) -> Result<(u32, u32), String> {
    let wrong = |error: &dyn Display| format!("{} does not open: {error}", file.display());
    let reader = image::ImageReader::open(file).map_err(|error| wrong(&crate::error::reason(&error)))?;
    let reader = reader.with_guessed_format().map_err(|error| wrong(&error))?;
    let picture = reader.decode().map_err(|error| wrong(&error))?;
    Ok((picture.width(), picture.height()))
}

/// The file of that name in a folder, whatever its extension is.
fn file_of(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let missing = || format!("there is no {name} in {}", folder.display());
    let entries = fs::read_dir(folder).map_err(|_| missing())?;
    let mut files = entries.filter_map(Result::ok).map(|entry| entry.path());
    files.find(|path| path.file_stem().is_some_and(|stem| stem == name)).ok_or_else(missing)
}

fn reports(stage: &Stage, records: &[Record]) -> Check {
    let scheduled = records.iter().filter(|record| cast::is_scheduled_report(record));
    let made = scheduled.filter(|record| record.state == JobState::Succeeded).count();
    if made < REPORTS {
        return Err(format!("the schedule made {made} reports instead of at least {REPORTS}"));
    }
    let day = stage.day().to_string();
    for extension in ["html", "csv"] {
        let file = stage.reports_folder().join(format!("{day}.{extension}"));
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {}", file.display(), crate::error::reason(&error)))?;
        if !text.contains(DeliverWebhook::NAME) {
            return Err(format!("{} does not mention {}", file.display(), DeliverWebhook::NAME));
        }
    }
    Ok(format!("the schedule started {made} reports, and {day}.html and {day}.csv tell what ran"))
}
