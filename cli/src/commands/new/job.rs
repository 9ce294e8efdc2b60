//! `lamp new job`.

use clap::Args;
use lamplighter::Function;

use super::{
    Finish,
    changes::Changes,
    manifest,
    names::{self, JobName},
    next,
    repository::{JOBS, QUEUES, Repository},
    rust,
    survey::{FunctionThere, Survey},
    template::fill,
};
use crate::{
    catalog::Catalog,
    error::{Error, nearest},
};

/// Add a job to a function: its definition, a handler, and tests of both.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp new job invoices.send
  lamp new job mails.send --function invoices --dry-run")]
pub(super) struct Job {
    /// The job's name: noun.verb, as in invoices.send.
    name: String,
    /// The function that performs it [default: the first part of the name]
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// The queue that carries it, created if missing [default: the function's only queue]
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    #[command(flatten)]
    finish: Finish,
}

/// A new job.
pub(in crate::commands) struct NewJob {
    pub(in crate::commands) name: JobName,
    /// The queue's constant.
    pub(in crate::commands) queue: String,
    /// In seconds.
    pub(in crate::commands) timeout: u64,
    /// Whether it is untracked.
    pub(in crate::commands) untracked: bool,
}

/// The timeout of a new job, in seconds.
pub(in crate::commands) const TIMEOUT: u64 = 30;

impl Job {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let repository = Repository::find()?;
        let survey = Survey::of(&repository, catalog)?;
        let mut changes = Changes::new(&repository);
        let (job, function) = self.plan(&survey, &mut changes)?;
        let next = next::job(&job, &function);
        self.finish.of(&repository, changes, &next)
    }

    fn plan(&self, survey: &Survey, changes: &mut Changes<'_>) -> Result<(NewJob, String), Error> {
        let name = JobName::new(&self.name, survey)?;
        let function = self.function(survey)?;
        let margin = Function::TIMEOUT_MARGIN.as_secs();
        // The timeout in the function's manifest stays valid.
        let timeout = function.timeout.map_or(TIMEOUT, |all| all.saturating_sub(margin).clamp(1, TIMEOUT));
        let (queue, is_new) = self.queue(survey, function)?;
        if is_new && let Some(name) = &self.queue {
            add_queue(changes, &queue, name, &function.name)?;
        }
        let job = NewJob { name, queue, timeout, untracked: function.stateless };
        job.define(survey, changes)?;
        job.handle(&function.name, &survey.jobs_package, changes)?;
        job.join(&function.name, survey, changes)?;
        Ok((job, function.name.clone()))
    }

    fn function<'a>(&self, survey: &'a Survey) -> Result<&'a FunctionThere, Error> {
        let first = self.name.split('.').next().unwrap_or_default();
        let name = self.function.as_deref().unwrap_or(first);
        let Some(function) = survey.function(name) else {
            let near = nearest(name, survey.functions.iter().map(|function| &*function.name));
            let near = near.map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default();
            return Err(Error::Usage(format!(
                "there is no function {name:?}{near}; name one with --function ({}), or make it with `lamp new function \
                 {name} --job {}`",
                survey.listed(),
                self.name
            )));
        };
        if function.closed {
            return Err(Error::Usage(format!(
                "functions/{name} has no src/lib.rs: it is the bootstrap of one of Lamplighter's own functions; name \
                 another function with --function ({})",
                survey.listed()
            )));
        }
        Ok(function)
    }

    /// The queue's constant, and whether it is new.
    fn queue(&self, survey: &Survey, function: &FunctionThere) -> Result<(String, bool), Error> {
        let own = survey.queues_of(function);
        let Some(name) = &self.queue else {
            return match own[..] {
                [only] => Ok((only.constant.clone(), false)),
                [] => Err(Error::Usage(format!("{} consumes no queue yet; name one with --queue", function.name))),
                _ => {
                    let all: Vec<_> = own.iter().map(|queue| queue.name.as_str()).collect();
                    let (function, all) = (&function.name, all.join(", "));
                    Err(Error::Usage(format!("{function} consumes several queues ({all}); name one with --queue")))
                }
            };
        };
        let there = survey.queues.iter().find(|queue| queue.name == *name);
        match (there, survey.consumer(name)) {
            (Some(queue), Some(consumer)) if consumer.name == function.name => Ok((queue.constant.clone(), false)),
            (_, Some(consumer)) => Err(Error::Usage(format!(
                "queue {name} is consumed by function {}, and a queue belongs to one; name another with --queue",
                consumer.name
            ))),
            (Some(queue), None) => Ok((queue.constant.clone(), false)),
            (None, None) => Ok((names::check_queue(name, survey)?, true)),
        }
    }
}

impl NewJob {
    /// Plans the definition, and adds it to the others.
    pub(super) fn define(&self, survey: &Survey, changes: &mut Changes<'_>) -> Result<(), Error> {
        let JobName { name, type_name, module, .. } = &self.name;
        changes.make(&format!("shared/jobs/src/{module}.rs"), self.definition(survey.own_retention))?;
        changes.edit(JOBS, &format!("pub mod {module};"), |text| rust::add_module(text, module, true))?;
        let export = format!("{module}::{type_name}");
        changes.edit(JOBS, &format!("pub use self::{export};"), |text| rust::add_export(text, &export))?;
        let element = format!("Definition::of::<{type_name}>()");
        changes.edit(JOBS, &element, |text| {
            rust::add_to_vec(text, "definitions", &element, |there| {
                let other = survey.jobs.iter().find(|job| there.contains(&format!("<{}>", job.type_name)));
                other.is_some_and(|other| other.name > *name)
            })
        })
    }

    /// The definition's file. `own_retention` is whether the deployment has a `crate::retention()`.
    pub(in crate::commands) fn definition(&self, own_retention: bool) -> String {
        let JobName { name, type_name, .. } = &self.name;
        let records = match (self.untracked, own_retention) {
            (true, _) => ".untracked()",
            (false, true) => ".retention(crate::retention())",
            (false, false) => "",
        };
        let timeout = self.timeout.to_string();
        let values = [
            ("job", &**name),
            ("type", type_name),
            ("queue", &self.queue),
            ("timeout", &timeout),
            ("records", records),
        ];
        fill(include_str!("templates/definition.rs"), &values)
    }

    /// Plans the handler and its test.
    pub(in crate::commands) fn handle(
        &self,
        function: &str,
        jobs: &str,
        changes: &mut Changes<'_>,
    ) -> Result<(), Error> {
        let JobName { name, type_name, handler, .. } = &self.name;
        let (package, jobs) = (function.replace('-', "_"), jobs.replace('-', "_"));
        let values =
            [("job", &**name), ("type", type_name), ("handler", handler), ("crate", &package), ("jobs", &jobs)];
        for (folder, template) in
            [("src", include_str!("templates/handler.rs")), ("tests", include_str!("templates/handler_test.rs"))]
        {
            changes.make(&format!("functions/{function}/{folder}/{handler}.rs"), fill(template, &values))?;
        }
        Ok(())
    }

    /// Adds the handler to an existing function.
    fn join(&self, function: &str, survey: &Survey, changes: &mut Changes<'_>) -> Result<(), Error> {
        let handler = &self.name.handler;
        let library = format!("functions/{function}/src/lib.rs");
        changes.edit(&library, &format!("mod {handler};"), |text| rust::add_module(text, handler, false))?;
        let call = format!("{handler}::{handler}");
        changes.edit(&library, &format!(".job({call})"), |text| rust::add_job(text, function, &call))?;
        let path = format!("functions/{function}/Cargo.toml");
        for dependency in [&*survey.jobs_package, "tracing"] {
            let line = format!("{dependency}.workspace = true");
            changes.edit(&path, &line, |text| match manifest::depends_on(text, dependency)? {
                true => Ok(text.to_owned()),
                false => manifest::add_dependency(text, dependency),
            })?;
        }
        Ok(())
    }
}

/// Adds a queue's constant.
pub(super) fn add_queue(changes: &mut Changes<'_>, constant: &str, name: &str, function: &str) -> Result<(), Error> {
    let text =
        format!("/// Jobs of the function `{function}`.\npub const {constant}: Queue = Queue::standard(\"{name}\");");
    changes.edit(QUEUES, &text.replace('\n', " "), |there| rust::add_constant(there, &text))
}
