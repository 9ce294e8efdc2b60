//! `lamp work`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use lamplighter::{
    Function, Queue, QueueHost, Variables,
    env::Env,
    host::{DrainBudget, Drained, Host, Lifecycle, Stop},
};
use lamplighter_aws::{AwsBackend, AwsClients, PollerSettings, QueueMap, Settings, SqsPoller, Stack};
use lamplighter_embedded::Engine;
use lamplighter_hosts::{Detect, PrometheusMeter, detect};
use tokio::runtime::Runtime;

use super::runtime;
use crate::{
    catalog::Catalog,
    error::{Error, nearest},
    hosting, logging, ping,
    place::{Chosen, Place},
    signals::Announced,
    when,
};

/// Run jobs in this process until it is asked to stop: a worker.
///
/// On a deployed stack it polls the queues whose definitions have `host(QueueHost::Worker)`, or those that --queue
/// names. In a container, LAMPLIGHTER_QUEUES and the other variables of a Lambda function describe the deployment in
/// place of --stack. Without either, it runs all functions and schedules on an embedded file, as `lamp dev` does.
///
/// It stops on Ctrl-C, SIGTERM or SIGHUP (a second one ends it at once), and when its host asks: systemd, Amazon ECS
/// and Azure WebJobs are detected. It then takes no more jobs, lets running ones end within --drain, and hands back the
/// others. If it is killed, its jobs run elsewhere after --lease.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lamp work                                  all functions, on the embedded file\n  \
    lamp work --stack shop                     the worker queues of a deployed stack\n  \
    lamp work --stack shop --queue imports --health 0.0.0.0:8080\n  \
    lamp work --idle-end 1m                    end when nothing has run for a minute")]
pub(crate) struct Work {
    #[command(flatten)]
    place: Place,
    /// Poll this queue, whichever host its definition sets; may be given several times
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<String>,
    /// The time that running jobs have to end after a request to stop
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = when::delay)]
    drain: Duration,
    /// The time after which the platform kills this process, counted from its request to stop; the drain ends before
    /// that
    #[arg(long, value_name = "TIME", value_parser = when::delay)]
    killed_after: Option<Duration>,
    /// The time after the death of this process until its jobs run elsewhere, 10s to 1h; on a stack
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = when::delay)]
    lease: Duration,
    /// The number of jobs of a queue that run concurrently, where neither the queue nor its function sets it
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Answer health checks at this address, on /live and /ready, and metrics for Prometheus, on /metrics
    #[arg(long, value_name = "ADDRESS", env = "LAMPLIGHTER_HEALTH")]
    health: Option<SocketAddr>,
    /// End when no job has run for this long
    #[arg(long, value_name = "TIME", value_parser = when::delay)]
    idle_end: Option<Duration>,
    /// Enqueue what is committed into the outbox of this SQLite database; on the embedded file; may be given several times
    #[arg(long, value_name = "FILE")]
    outbox: Vec<PathBuf>,
    #[arg(skip)]
    meter: Arc<PrometheusMeter>,
}

impl Work {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        logging::start(logging::WORKER)?;
        let lifecycle = detect(self.surroundings()).map_err(Error::failed)?;
        let hint = format!("stopping: running jobs have {}; a second signal stops at once", when::short(self.drain));
        hosting::tell(self.host(catalog, &mut Announced { lifecycle, hint: Some(hint) })?)
    }

    /// What it is told about its surroundings.
    pub(super) fn surroundings(&self) -> Detect {
        let mut options = Detect::default();
        (options.health, options.idle_end) = (self.health, self.idle_end);
        options.metrics = Some(self.meter.clone());
        options.webjob_killed_after = self.killed_after;
        options
    }

    /// The time that its drain may take.
    pub(super) fn budget(&self) -> DrainBudget {
        let budget = DrainBudget::from(self.drain);
        self.killed_after.map_or(budget, |limit| budget.min(DrainBudget::within(limit)))
    }

    /// Runs jobs until the lifecycle ends it.
    pub(super) fn host(self, catalog: &Catalog, lifecycle: &mut dyn Lifecycle) -> Result<Drained, Error> {
        let until: hosting::Until<'_> = (lifecycle, self.budget());
        let threads = runtime()?;
        match self.place.chosen()? {
            Chosen::File(database) => {
                if let Some(queue) = self.queues.first() {
                    let text = format!(
                        "--queue {queue} needs a deployed stack: an embedded file has one engine, which runs all of its queues"
                    );
                    return Err(Error::Usage(text));
                }
                let embedded = database.open_or_make()?;
                let inside = threads.enter();
                let mut engine = Engine::builder(&embedded).app(catalog.app(), &Variables::system());
                engine = engine.function(ping::function());
                engine = self.outbox.iter().fold(engine, |engine, path| engine.outbox(path));
                if let Some(jobs) = self.jobs {
                    engine = engine.jobs_at_once(jobs);
                }
                if self.health.is_some() {
                    engine = engine.meter(self.meter);
                }
                drop(inside);
                let path = database.path().display().to_string();
                let started = move || tracing::info!(file = path, "running all functions and schedules");
                hosting::engine(threads, engine, &embedded, until, started)
            }
            Chosen::Stack(name) => {
                let aws = threads.block_on(async {
                    let sdk = AwsClients::chain(None, None);
                    let stack = Stack::read(&sdk, &name).await?;
                    Ok::<_, Error>(AwsBackend::new(sdk, stack.settings(), Env::system()))
                })?;
                self.poll(catalog, &aws, threads, until)
            }
            Chosen::Deployment => {
                let queues = QueueMap::from_env().map_err(Error::failed)?;
                let settings = Settings::named(queues, |name| std::env::var(name).ok());
                let aws = AwsBackend::new(AwsClients::chain(None, None), settings, Env::system());
                self.poll(catalog, &aws, threads, until)
            }
        }
    }

    fn poll(
        &self,
        catalog: &Catalog,
        aws: &AwsBackend,
        threads: Runtime,
        until: hosting::Until<'_>,
    ) -> Result<Drained, Error> {
        let functions = {
            let _inside = threads.enter();
            catalog.app().functions(&Variables::system())
        };
        if let Some(outbox) = self.outbox.first() {
            let outbox = outbox.display();
            let text = format!(
                "--outbox {outbox} needs the embedded file; for a stack: lamp outbox {outbox} --sweep --stack NAME"
            );
            return Err(Error::Usage(text));
        }
        let wanted = self.wanted(&functions)?;
        let mut settings = PollerSettings::default();
        settings.lease = self.lease;
        // The drain waits for the current receive.
        settings.wait = settings.wait.min(until.1.handlers / 2);
        settings.jobs_at_once = self.jobs.unwrap_or(settings.jobs_at_once);
        let stop = Stop::new();
        let mut host = Host::new(stop.clone());
        let aws = match self.health {
            Some(_) => aws.clone().with_meter(self.meter.clone()),
            None => aws.clone(),
        };
        for function in functions {
            let queues: Vec<_> = function.queues().into_iter().filter(|queue| wanted.contains(queue)).collect();
            if queues.is_empty() {
                continue;
            }
            let problems = function.problems();
            if !problems.is_empty() {
                return Err(Error::failed(problems.join("; ")));
            }
            let name = format!("worker {}, process {}", function.name(), std::process::id());
            let connecting = SqsPoller::connect(&aws, function, &queues, &name, (settings, &stop));
            for poller in threads.block_on(connecting)? {
                host = host.source(poller);
            }
        }
        let names: Vec<_> = wanted.iter().map(Queue::name).collect();
        tracing::info!(queues = names.join(", "), "polling");
        hosting::sources(threads, host, until)
    }

    /// Returns the queues to poll.
    fn wanted(&self, functions: &[Function]) -> Result<Vec<Queue>, Error> {
        let all: Vec<_> = functions.iter().flat_map(Function::queues).collect();
        let on_workers: Vec<_> = all.iter().copied().filter(|queue| queue.host == QueueHost::Worker).collect();
        if self.queues.is_empty() {
            return match on_workers.is_empty() {
                true => Err(Error::Usage(
                    "no queue of this app runs on a worker: say .host(QueueHost::Worker) where a queue is defined, or name \
                     queues with --queue"
                        .into(),
                )),
                false => Ok(on_workers),
            };
        }
        let find = |name: &String| {
            all.iter().find(|queue| queue.name() == name).copied().ok_or_else(|| Error::Unknown {
                kind: "queue",
                name: name.clone(),
                near: nearest(name, all.iter().map(Queue::name)),
                place: "this app".into(),
            })
        };
        self.queues.iter().map(find).collect()
    }
}
