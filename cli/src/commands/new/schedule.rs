//! `lamp new schedule`.

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    RawValue, ScheduledJob,
    backend::{ScheduleOrigin, ScheduleStatus, SchedulingError},
    schedule::{self, ScheduleError},
};
use lamplighter_infra::Deployment;
use serde_json::Value;

use super::{
    Finish,
    changes::Changes,
    names, next,
    repository::{JOBS, Repository},
    rust,
    survey::{JobThere, Survey},
};
use crate::{
    arguments,
    catalog::Catalog,
    error::Error,
    output::{self, FAINT, NAME},
    when,
};

/// Add a schedule that is deployed with the code; `lamp schedule add` adds one at run time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp new schedule invoices-nightly --job invoices.send --cron '0 3 * * *' --zone Europe/Berlin
  lamp new schedule stock-pulse --job stock.count --rate '5 minutes' --args '{\"subject\": \"oil\"}'")]
pub(super) struct Schedule {
    /// Its name: letters, digits and _.-
    name: String,
    /// The job that it starts; `lamp definitions` lists them.
    #[arg(long, value_name = "NAME")]
    job: String,
    /// The job's arguments: a JSON object, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    args: String,
    #[command(flatten)]
    times: Times,
    /// The time zone of a cron expression, such as Europe/Berlin; UTC by default.
    #[arg(long, value_name = "ZONE", conflicts_with_all = ["rate", "at"])]
    zone: Option<String>,
    /// Its purpose, for people.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    finish: Finish,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Times {
    /// At the times of this cron expression: five fields as in Unix, or six as in AWS.
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// At this pace: '1 minute', '5 minutes', '12 hours', '7 days'.
    #[arg(long, value_name = "TIME")]
    rate: Option<String>,
    /// Once, at this moment, written like 2026-12-24T18:00:00+01:00.
    #[arg(long, value_name = "MOMENT", value_parser = when::moment)]
    at: Option<Timestamp>,
}

impl Schedule {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let repository = Repository::find()?;
        let survey = Survey::of(&repository, catalog)?;
        let job = self.job(catalog, &survey)?;
        let scheduled = self.scheduled(catalog)?;
        self.check(catalog, &repository, &scheduled)?;
        let next = next::schedule(&self.name);
        let mut changes = Changes::new(&repository);
        let is_imported = |text: &str| rust::imports(text, "Schedule").unwrap_or_default();
        let element = self.written(job, &scheduled, is_imported(&repository.needed(JOBS)?));
        changes.edit(JOBS, &element.replace('\n', " "), |text| {
            rust::add_to_vec(text, "all_schedules", &element, |there| {
                rust::first_text(there).is_some_and(|other| other > self.name)
            })
        })?;
        self.finish.of(&repository, changes, &next)?;
        show_next_runs(&scheduled)
    }

    /// Returns the job as the sources define it and this program contains it.
    fn job<'a>(&self, catalog: &Catalog, survey: &'a Survey) -> Result<&'a JobThere, Error> {
        let Some(job) = survey.job(&self.job) else {
            // Suggests a similar name; the remaining jobs are the command's own.
            catalog.definition(&self.job)?;
            return Err(Error::Usage(format!("{} is not deployed anywhere; name another job", self.job)));
        };
        if !job.is_shared() {
            return Err(Error::Usage(format!(
                "{} is defined in {}, beside its function's own schedules; add it there",
                job.name, job.path
            )));
        }
        if catalog.definitions().iter().all(|definition| definition.name != job.name) {
            return Err(Error::failed(format_args!(
                "{} is in {}, and this program was built before; build it again (`cargo lamp` does)",
                job.name, job.path
            )));
        }
        Ok(job)
    }

    fn scheduled(&self, catalog: &Catalog) -> Result<ScheduledJob, Error> {
        let definition = catalog.definition(&self.job)?;
        let sound = |error| Error::from(SchedulingError::from(error));
        let schedule = self.when()?;
        let schedule = match &self.zone {
            Some(zone) => schedule.zone(zone),
            None => schedule,
        };
        let schedule = schedule.description(self.description.as_deref().unwrap_or_default());
        schedule.check().map_err(sound)?;
        schedule.eventbridge().map_err(sound)?;
        if schedule.next_after(Timestamp::now()).map_err(sound)?.is_none() {
            return Err(SchedulingError::Over(schedule.name).into());
        }
        let args = compact(arguments::take(&definition, &self.args)?)?;
        let (job, queue) = (definition.name.into(), definition.queue.name().into());
        Ok(ScheduledJob { schedule, job, queue, tracking: definition.options.tracking, args })
    }

    fn when(&self) -> Result<schedule::Schedule, Error> {
        let name = &self.name;
        let made: Result<_, ScheduleError> = match (&self.times.cron, &self.times.rate, self.times.at) {
            (Some(expression), ..) => schedule::Schedule::cron(name, expression),
            (None, Some(rate), _) if rate.starts_with("rate(") => schedule::Schedule::parse(name, rate),
            (None, Some(rate), _) => schedule::Schedule::parse(name, &format!("rate({rate})")),
            (None, None, Some(moment)) => Ok(schedule::Schedule::at(name, moment)),
            (None, None, None) => return Err(Error::Usage("say when: --cron, --rate or --at".into())),
        };
        made.map_err(|error| SchedulingError::from(error).into())
    }

    /// Checks that it can be deployed with the other schedules.
    fn check(&self, catalog: &Catalog, repository: &Repository, scheduled: &ScheduledJob) -> Result<(), Error> {
        let deployed = lamplighter_infra::deployment(catalog.app()).map_err(Error::failed)?;
        // Schedules that are newer than this program are in the source only.
        let written = rust::elements_of_vec(&repository.needed(JOBS)?, "all_schedules").unwrap_or_default();
        let written: Vec<_> = written.iter().filter_map(|element| rust::first_text(element)).collect();
        let known = deployed.schedules.iter().map(|schedule| &schedule.name);
        names::check_schedule(&self.name, known.chain(&written).map(String::as_str))?;
        let all = [catalog.schedules(), std::slice::from_ref(scheduled)].concat();
        let own = |name: &str| all.iter().any(|scheduled| scheduled.schedule.name == name);
        // Schedules of functions are not checked again.
        let functions: Vec<_> = lamplighter_infra::functions(catalog.app())
            .into_iter()
            .filter(|function| function.spec().events.iter().filter_map(|event| event.rule).all(own))
            .collect();
        Deployment::derive(&functions, &[], &all)
            .map(|_| ())
            .map_err(|problems| Error::Usage(problems.sentences().join("; ")))
    }

    /// The schedule in Rust, on several lines where it is too long for one.
    fn written(&self, job: &JobThere, scheduled: &ScheduledJob, is_imported: bool) -> String {
        let schedule = &scheduled.schedule;
        let when = schedule.when.to_string();
        let made = if self.times.cron.is_some() { "cron" } else { "parse" };
        let owner = if is_imported { "Schedule" } else { "lamplighter::schedule::Schedule" };
        let mut calls = vec![format!("{owner}::{made}({:?}, {when:?})?", self.name)];
        calls.extend(self.zone.as_ref().map(|zone| format!(".zone({zone:?})")));
        calls.extend(self.description.as_ref().map(|text| format!(".description({text:?})")));
        let type_name = &job.type_name;
        calls.push(match (scheduled.args.get(), job.plain_default) {
            ("{}", true) => format!(".starts(&{type_name}::default())?"),
            (args, _) => format!(".starts_with::<{type_name}>({})?", literal(args)),
        });
        let line = calls.concat();
        if line.chars().count() + "        ,".len() <= 120 { line } else { calls.join("\n    ") }
    }
}

/// The arguments on one line; unchanged where they are that already.
fn compact(args: Box<RawValue>) -> Result<Box<RawValue>, Error> {
    let unreadable = |error| Error::failed(format_args!("cannot pass on the arguments: {error}"));
    let value: Value = serde_json::from_str(args.get()).map_err(unreadable)?;
    if args.get().contains(['\n', '\r']) || value == Value::Object(serde_json::Map::new()) {
        return serde_json::value::to_raw_value(&value).map_err(unreadable);
    }
    Ok(args)
}

/// A string literal, raw where that is easier to read.
fn literal(text: &str) -> String {
    if !text.contains(['"', '\\']) {
        return format!("\"{text}\"");
    }
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("r{hashes}\"{text}\"{hashes}")
}

fn show_next_runs(scheduled: &ScheduledJob) -> Result<(), Error> {
    let now = Timestamp::now();
    let status = ScheduleStatus::new(scheduled, ScheduleOrigin::Deployed, false, now);
    output::print(|out| {
        writeln!(out, "\n{FAINT}runs{FAINT:#}")?;
        for next in &status.next {
            writeln!(out, "  {NAME}{next}{NAME:#}  {FAINT}{}{FAINT:#}", when::relative(*next, now))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_a_literal_that_holds_them() {
        for text in ["{}", r#"{"a":"b"}"#, r##"{"a":"\"#"}"##, r###"{"a":"x\"","b":"\"#\"##"}"###] {
            let literal: syn::LitStr = syn::parse_str(&literal(text)).unwrap();
            assert_eq!(literal.value(), text);
        }
    }

    #[test]
    fn arguments_over_several_lines_become_one() {
        let compacted = |text: &str| compact(RawValue::from_string(text.into()).unwrap()).unwrap().get().to_owned();
        assert_eq!(compacted("{\n  \"b\": 1,\n  \"a\": \"x\\ny\"\n}"), r#"{"a":"x\ny","b":1}"#);
        assert_eq!(compacted(r#"{"b": 1, "a": 2}"#), r#"{"b": 1, "a": 2}"#);
        assert_eq!(compacted("{  }"), "{}");
    }
}
