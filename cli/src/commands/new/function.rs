//! `lamp new function`.

use clap::Args;

use super::{
    Finish,
    changes::Changes,
    job::{NewJob, TIMEOUT, add_queue},
    manifest,
    names::{self, JobName},
    next,
    repository::{APP, APP_MANIFEST, MANIFEST, Repository},
    rust,
    survey::Survey,
    template::{dependencies, fill},
};
use crate::{catalog::Catalog, error::Error};

/// Create a function: its crate with a bootstrap, a queue, and a first job with a handler and tests.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp new function invoices
  lamp new function invoices --job invoices.send --memory 512")]
pub(super) struct Function {
    /// The name of the function, its crate and its queue.
    name: String,
    /// Its first job's name [default: NAME.run]
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// The function's memory in MB; its share of a processor grows with it.
    #[arg(long, value_name = "MB", default_value_t = lamplighter::Function::DEFAULT_MEMORY_MB,
        value_parser = clap::value_parser!(u16).range(128..=10_240))]
    memory: u16,
    /// Keep no records: attempts are counted by receives, and a batch that succeeds makes no AWS call at all.
    #[arg(long)]
    stateless: bool,
    #[command(flatten)]
    finish: Finish,
}

impl Function {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let repository = Repository::find()?;
        let survey = Survey::of(&repository, catalog)?;
        let mut changes = Changes::new(&repository);
        let job = self.plan(&survey, &mut changes)?;
        let next = next::job(&job, &self.name);
        self.finish.of(&repository, changes, &next)
    }

    fn plan(&self, survey: &Survey, changes: &mut Changes<'_>) -> Result<NewJob, Error> {
        names::check_function(&self.name, survey)?;
        let job = self.job.clone().unwrap_or_else(|| format!("{}.run", self.name));
        let name = JobName::new(&job, survey)?;
        let queue = names::check_queue(&self.name, survey)?;
        let job = NewJob { name, queue, timeout: TIMEOUT, untracked: self.stateless };
        add_queue(changes, &job.queue, &self.name, &self.name)?;
        job.define(survey, changes)?;
        let new = NewFunction {
            name: &self.name,
            job: &job,
            memory_mb: self.memory,
            stateless: self.stateless,
            jobs_package: &survey.jobs_package,
            inherited: &survey.inherited,
        };
        new.plan(changes)?;
        self.join(changes)?;
        Ok(job)
    }

    /// Adds the crate to the workspace and the function to the app.
    fn join(&self, changes: &mut Changes<'_>) -> Result<(), Error> {
        let name = &*self.name;
        let line = format!("{name} = {{ path = \"functions/{name}\" }}");
        changes.edit(MANIFEST, &line, |text| manifest::add_member(text, name))?;
        let line = format!("{name}.workspace = true");
        changes.edit(APP_MANIFEST, &line, |text| manifest::add_dependency(text, name))?;
        let function = format!("{}::function", name.replace('-', "_"));
        changes.edit(APP, &format!(".function({function})"), |text| rust::add_function(text, &function))
    }
}

/// The crate of a new function.
pub(in crate::commands) struct NewFunction<'a> {
    pub(in crate::commands) name: &'a str,
    /// Its first job.
    pub(in crate::commands) job: &'a NewJob,
    pub(in crate::commands) memory_mb: u16,
    pub(in crate::commands) stateless: bool,
    /// The package of the definitions.
    pub(in crate::commands) jobs_package: &'a str,
    /// The keys that packages inherit from the workspace.
    pub(in crate::commands) inherited: &'a [String],
}

impl NewFunction<'_> {
    /// Plans the crate's files.
    pub(in crate::commands) fn plan(&self, changes: &mut Changes<'_>) -> Result<(), Error> {
        let timeout = self.job.timeout + lamplighter::Function::TIMEOUT_MARGIN.as_secs();
        let inherited: String = self.inherited.iter().map(|key| format!("{key}.workspace = true\n")).collect();
        let aws = match self.stateless {
            true => "lamplighter-aws.workspace = true",
            false => "lamplighter-aws = { workspace = true, features = [\"tracked\"] }",
        };
        let dependencies = dependencies(&[
            "lamplighter.workspace = true",
            aws,
            &format!("{}.workspace = true", self.jobs_package),
            "tokio = { workspace = true, features = [\"macros\", \"rt-multi-thread\"] }",
            "tracing.workspace = true",
        ]);
        let values = [
            ("function", self.name),
            ("crate", &self.name.replace('-', "_")),
            ("queue", self.name),
            ("job", &self.job.name.name),
            ("handler", &self.job.name.handler),
            ("memory", &self.memory_mb.to_string()),
            ("timeout", &timeout.to_string()),
            ("stateless", if self.stateless { ".stateless()" } else { "" }),
            ("inherited", &inherited),
            ("dependencies", &dependencies),
        ];
        for (path, template) in [
            ("Cargo.toml", include_str!("templates/function/manifest.toml")),
            ("src/lib.rs", include_str!("templates/function/lib.rs")),
            ("src/main.rs", include_str!("templates/function/main.rs")),
        ] {
            changes.make(&format!("functions/{}/{path}", self.name), fill(template, &values))?;
        }
        self.job.handle(self.name, self.jobs_package, changes)
    }
}
