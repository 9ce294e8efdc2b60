//! The commands, one file each.

mod batch;
mod bulk;
mod cancel;
mod compact;
mod completion;
mod dashboard;
mod dead_letters;
mod definitions;
mod delete;
mod demo;
mod dev;
mod doctor;
mod edit;
mod enqueue;
mod errors;
mod infra;
mod init;
mod job;
mod jobs;
mod man;
mod matching;
mod new;
mod ops;
mod outbox;
mod package;
mod pause;
mod queues;
mod redrive;
mod replay;
mod reschedule;
mod retry;
mod schedule;
mod schedules;
#[cfg(windows)]
mod service;
mod stats;
mod top;
mod watch;
mod work;

use std::future::Future;

use clap::Subcommand;
use tokio::runtime::{Builder, Runtime};

use crate::{catalog::Catalog, error::Error};

/// The commands of `lamp`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Demo),
    Dev(dev::Dev),
    Work(work::Work),
    #[cfg(windows)]
    Service(service::Service),
    Enqueue(enqueue::Enqueue),
    Jobs(jobs::Jobs),
    Job(job::Job),
    Batch(batch::Batch),
    Watch(watch::Watch),
    Top(top::Top),
    Dashboard(dashboard::Dashboard),
    Errors(errors::Errors),
    Stats(stats::Stats),
    Retry(retry::Retry),
    Edit(edit::Edit),
    Cancel(cancel::Cancel),
    Ops(ops::Ops),
    Reschedule(reschedule::Reschedule),
    Delete(delete::Delete),
    Schedules(schedules::Schedules),
    Schedule(schedule::Schedule),
    Definitions(definitions::Definitions),
    DeadLetters(dead_letters::DeadLetters),
    Redrive(redrive::Redrive),
    Queues(queues::Queues),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Outbox(outbox::Outbox),
    Compact(compact::Compact),
    Init(init::Init),
    New(new::New),
    Doctor(doctor::Doctor),
    Infra(infra::Infra),
    Package(package::Package),
    Replay(replay::Replay),
    Completion(completion::Completion),
    Man(man::Man),
}

impl Command {
    /// Runs the command.
    pub(crate) fn run(self, catalog: &Catalog, own_demo: Option<Box<dyn crate::demo::Demo>>) -> Result<(), Error> {
        match self {
            Self::Demo(demo) => demo.run(catalog, own_demo),
            Self::Dev(dev) => dev.run(catalog),
            Self::Work(work) => work.run(catalog),
            #[cfg(windows)]
            Self::Service(service) => service.run(catalog),
            Self::Enqueue(enqueue) => enqueue.run(catalog),
            Self::Jobs(jobs) => jobs.run(catalog),
            Self::Job(job) => job.run(catalog),
            Self::Batch(batch) => batch.run(catalog),
            Self::Watch(watch) => watch.run(catalog),
            Self::Top(top) => top.run(catalog),
            Self::Dashboard(dashboard) => dashboard.run(catalog),
            Self::Errors(errors) => errors.run(catalog),
            Self::Stats(stats) => stats.run(catalog),
            Self::Retry(retry) => retry.run(catalog),
            Self::Edit(edit) => edit.run(catalog),
            Self::Cancel(cancel) => cancel.run(catalog),
            Self::Ops(ops) => ops.run(catalog),
            Self::Reschedule(reschedule) => reschedule.run(catalog),
            Self::Delete(delete) => delete.run(catalog),
            Self::Schedules(schedules) => schedules.run(catalog),
            Self::Schedule(schedule) => schedule.run(catalog),
            Self::Definitions(definitions) => definitions.run(catalog),
            Self::DeadLetters(dead_letters) => dead_letters.run(catalog),
            Self::Redrive(redrive) => redrive.run(catalog),
            Self::Queues(queues) => queues.run(),
            Self::Pause(pause) => pause.run(catalog),
            Self::Resume(resume) => resume.run(catalog),
            Self::Outbox(outbox) => outbox.run(),
            Self::Compact(compact) => compact.run(),
            Self::Init(init) => init.run(),
            Self::New(new) => new.run(catalog),
            Self::Doctor(doctor) => doctor.run(catalog),
            Self::Infra(infra) => infra.run(catalog),
            Self::Package(package) => package.run(catalog),
            Self::Replay(replay) => replay.run(),
            Self::Completion(completion) => completion.run(catalog),
            Self::Man(man) => man.run(),
        }
    }
}

/// Runs a command's asynchronous part.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    runtime()?.block_on(work)
}

/// Returns a runtime with threads for asynchronous work.
fn runtime() -> Result<Runtime, Error> {
    Builder::new_multi_thread().enable_all().build().map_err(no_threads)
}

/// Returns a runtime on the calling thread, for work that must not wait for the threads of [`runtime`].
pub(crate) fn control() -> Result<Runtime, Error> {
    Builder::new_current_thread().enable_all().build().map_err(no_threads)
}

fn no_threads(error: std::io::Error) -> Error {
    Error::failed(format_args!("cannot start threads: {error}; free some and try again"))
}
