//! The checks at the end of the demo: each promise is checked separately, from outside.

use std::{
    collections::BTreeSet,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

use jiff::civil::Date;
use lamplighter::{Enqueued, Job, Record, record::AttemptOutcome};
use lamplighter_cli::demo::{Check, DemoEnv};
use lamplighter_jobs::DeliverWebhook;

use super::{Prepared, REPORTS, jobs::DemoJobs, made_reports, receiver::Receiver, reports_folder};

/// Runs all checks.
pub(super) fn all(env: &DemoEnv, prepared: &Prepared, jobs: &DemoJobs, records: &[Record]) -> Vec<Check> {
    let Prepared { receiver, day } = prepared;
    vec![
        delivered(receiver, jobs, records),
        signed(receiver),
        once(jobs.again.as_ref()),
        thumbnails(env, jobs),
        super::import::check(env),
        reports(env, *day, records),
    ]
}

fn delivered(receiver: &Receiver, jobs: &DemoJobs, records: &[Record]) -> Check {
    let mut tries = BTreeSet::new();
    for record in records.iter().filter(|record| jobs.webhooks.contains(&record.id)) {
        let refused = record.attempts.iter().filter(|attempt| attempt.outcome == AttemptOutcome::Error).count();
        if refused == 0 {
            return Err(format!(
                "webhook {} needed no second attempt, though its receiver refused the first",
                record.id
            ));
        }
        let accepted = receiver
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
        jobs.webhooks.len(),
        tries.join(" or ")
    ))
}

fn signed(receiver: &Receiver) -> Check {
    let visits = receiver.visits();
    match visits.iter().find_map(|visit| Some((visit, visit.distrust.as_ref()?))) {
        None if visits.is_empty() => Err("no webhook reached the receiver".into()),
        None => Ok(format!("the receiver verified the signature of all {} deliveries", visits.len())),
        Some((visit, why)) => Err(format!("the receiver did not believe webhook {}: {why}", visit.id)),
    }
}

fn once(again: Option<&Enqueued>) -> Check {
    match again {
        Some(answer) if answer.is_duplicate() => {
            Ok(format!("{} was enqueued twice under one id, and is one job", answer.id()))
        }
        Some(answer) => Err(format!("{} was enqueued twice under one id, and became two jobs", answer.id())),
        None => Err("no job was enqueued twice".into()),
    }
}

fn thumbnails(env: &DemoEnv, jobs: &DemoJobs) -> Check {
    let objects = env.objects_folder();
    let mut opened = 0;
    for job in &jobs.pictures {
        let (width, height) = open(&objects.join(&job.key))?;
        for &size in &job.sizes {
            let file = file_of(&objects.join(&job.folder).join(&job.key), &size.to_string())?;
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
        _ => Ok(format!("{opened} thumbnails of {} pictures exist, open and have their sizes", jobs.pictures.len())),
    }
}

/// Decodes a whole picture and returns its width and height.
fn open(file: &Path) -> Result<(u32, u32), String> {
    let wrong = |error: &dyn Display| format!("{} does not open: {error}", file.display());
    let reader = image::ImageReader::open(file).map_err(|error| wrong(&error))?;
    let reader = reader.with_guessed_format().map_err(|error| wrong(&error))?;
    let picture = reader.decode().map_err(|error| wrong(&error))?;
    Ok((picture.width(), picture.height()))
}

/// Returns the file of that name in a folder, with any extension.
fn file_of(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let missing = || format!("there is no {name} in {}", folder.display());
    let entries = fs::read_dir(folder).map_err(|_| missing())?;
    let mut files = entries.filter_map(Result::ok).map(|entry| entry.path());
    files.find(|path| path.file_stem().is_some_and(|stem| stem == name)).ok_or_else(missing)
}

fn reports(env: &DemoEnv, day: Date, records: &[Record]) -> Check {
    let made = made_reports(records);
    if made < REPORTS {
        return Err(format!("the schedule made {made} reports instead of at least {REPORTS}"));
    }
    for extension in ["html", "csv"] {
        let file = reports_folder(env).join(format!("{day}.{extension}"));
        let text = fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        if !text.contains(DeliverWebhook::NAME) {
            return Err(format!("{} does not mention {}", file.display(), DeliverWebhook::NAME));
        }
    }
    Ok(format!("the schedule started {made} reports, and {day}.html and {day}.csv tell what ran"))
}
