//! The end of a demo: the jobs that ran, and the results of the checks.

use std::fmt::Display;

use comfy_table::Cell;
use lamplighter::{JobState, Record};

use super::{Check, Demo, DemoEnv};
use crate::{
    error::Error,
    foreign::safe,
    output::{self, BAD, FAINT, GOOD, NAME},
    when,
};

/// Prints the jobs that ran.
pub(crate) fn table(demo: &dyn Demo, records: &[Record]) -> Result<(), Error> {
    let mut table = output::table(&["JOB", "ID", "STATE", "ATTEMPTS", "TOOK", "OUTPUT"]);
    for record in records {
        let began = record.attempts.first().map(|first| first.started_at);
        let took = began.zip(record.finished_at).map(|(began, ended)| when::short(when::between(began, ended)));
        let result = match (&record.output, record.last_error()) {
            (Some(output), _) => demo.output(record).unwrap_or_else(|| output::one_line(output.get(), 60)),
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

/// Prints the results of the checks, and where the files are.
pub(crate) fn tell(demo: &dyn Demo, env: &DemoEnv, records: &[Record]) -> Result<(), Error> {
    let mut checks = vec![succeeded(records)];
    checks.extend(demo.checks(env, records));
    let wrong = checks.iter().filter(|check| check.is_err()).count();
    output::print(|out| {
        writeln!(out)?;
        for check in &checks {
            match check {
                Ok(found) => writeln!(out, "  {GOOD}✔{GOOD:#} {}", safe(found))?,
                Err(problem) => writeln!(out, "  {BAD}✘ {}{BAD:#}", safe(problem))?,
            }
        }
        writeln!(out)?;
        let mut line =
            |name: &str, what: &dyn Display| writeln!(out, "  {FAINT}{name:<10}{FAINT:#} {NAME}{what}{NAME:#}");
        let lamp = output::invocation();
        for (name, place) in demo.results(env) {
            line(&name, &place)?;
        }
        line("look again", &format_args!("{lamp} jobs --db {}", env.database().display()))?;
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
        None if records.len() == 1 => Ok("the job succeeded".into()),
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
