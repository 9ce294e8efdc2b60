//! The commands, one file each.

mod cancel;
mod compact;
mod dead_letters;
mod definitions;
mod demo;
mod dev;
mod doctor;
mod enqueue;
mod infra;
mod job;
mod jobs;
mod new;
mod pause;
mod queues;
mod redrive;
mod retry;
mod schedule;
mod schedules;

use std::future::Future;

use clap::Subcommand;
use tokio::runtime::{Builder, Runtime};

use crate::error::Error;

/// What `lamp` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Demo),
    Dev(dev::Dev),
    Enqueue(enqueue::Enqueue),
    Jobs(jobs::Jobs),
    Job(job::Job),
    Retry(retry::Retry),
    Cancel(cancel::Cancel),
    Schedules(schedules::Schedules),
    Schedule(schedule::Schedule),
    Definitions(definitions::Definitions),
    DeadLetters(dead_letters::DeadLetters),
    Redrive(redrive::Redrive),
    Queues(queues::Queues),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Compact(compact::Compact),
    New(new::New),
    Doctor(doctor::Doctor),
    Infra(infra::Infra),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<(), Error> {
        match self {
            Self::Demo(demo) => demo.run(),
            Self::Dev(dev) => dev.run(),
            Self::Enqueue(enqueue) => enqueue.run(),
            Self::Jobs(jobs) => jobs.run(),
            Self::Job(job) => job.run(),
            Self::Retry(retry) => retry.run(),
            Self::Cancel(cancel) => cancel.run(),
            Self::Schedules(schedules) => schedules.run(),
            Self::Schedule(schedule) => schedule.run(),
            Self::Definitions(definitions) => definitions.run(),
            Self::DeadLetters(dead_letters) => dead_letters.run(),
            Self::Redrive(redrive) => redrive.run(),
            Self::Queues(queues) => queues.run(),
            Self::Pause(pause) => pause.run(),
            Self::Resume(resume) => resume.run(),
            Self::Compact(compact) => compact.run(),
            Self::New(new) => new.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Infra(infra) => infra.run(),
        }
    }
}

/// Runs a command's asynchronous part.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    runtime()?.block_on(work)
}

/// Threads for what is asynchronous.
fn runtime() -> Result<Runtime, Error> {
    Builder::new_multi_thread().enable_all().build().map_err(no_threads)
}

/// The calling thread, for what must not wait for the threads of [`runtime`].
fn control() -> Result<Runtime, Error> {
    Builder::new_current_thread().enable_all().build().map_err(no_threads)
}

fn no_threads(error: std::io::Error) -> Error {
    Error::failed(format_args!("cannot start threads: {error}; free some and try again"))
}
