//! The measurement: for each peer and round, ours and the peer in turns.

use std::{path::PathBuf, time::Duration};

use crate::{
    drive::Drive,
    error::Result,
    lamplighter::FULL,
    machine::{self, Machine},
    runs::{Key, Line, OURS, Runs},
    subjects::{PEERS, Peer, Variant},
    tools::{Tools, servers::Servers},
};

/// Backlogs up to this size take seconds to enqueue, larger ones minutes.
const SMALL: usize = 100_000;
/// By how much ours may take longer: it is measured to the end where it can be, since every ratio is to it.
const OURS_LONGER: u32 = 4;
/// The numbers of callers of single jobs.
const CALLERS: [usize; 2] = [1, 64];
/// How long single jobs are enqueued.
const SINGLE: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The names of peers; none for all.
    pub(crate) only: Vec<String>,
    /// The numbers of jobs that wait.
    pub(crate) sizes: Vec<usize>,
    /// The number of measurements of each.
    pub(crate) rounds: usize,
    /// How long jobs are run at the longest; by default by the size.
    pub(crate) window: Option<Duration>,
}

impl Plan {
    fn window(&self, size: usize) -> Duration {
        let usual = match size {
            _ if size <= 10_000 => 3,
            _ if size <= SMALL => 5,
            _ => 60,
        };
        self.window.unwrap_or(Duration::from_secs(usual))
    }

    fn bulk_limit(size: usize) -> Duration {
        Duration::from_secs(if size <= SMALL { 60 } else { 180 })
    }

    fn peers(&self) -> impl Iterator<Item = &'static Peer> {
        let only = self.only.clone();
        PEERS.iter().filter(move |peer| only.is_empty() || only.iter().any(|name| name == peer.name))
    }

    /// What is measured in a round: cycles by size, then single jobs by callers.
    fn steps(&self) -> impl Iterator<Item = Step> {
        let cycles = self.sizes.iter().map(|size| Step::Cycle(*size));
        cycles.chain(CALLERS.into_iter().map(Step::Single))
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Cycle(usize),
    Single(usize),
}

/// Makes the runs that are not there yet, and writes each down at once.
pub(crate) fn measure(plan: &Plan, runs: &mut Runs) -> Result<()> {
    runs.add(Line::Machine(Machine::here()?))?;
    let (mut tools, mut servers) = (Tools::default(), Servers::default());
    for peer in plan.peers() {
        for round in 1..=plan.rounds {
            for step in plan.steps() {
                for full in peer.durabilities() {
                    ours(plan, runs, peer, round, step, full)?;
                }
                for variant in peer.variants {
                    theirs(plan, runs, (&mut tools, &mut servers), peer, variant, round, step)?;
                }
            }
        }
        servers.stop();
    }
    Ok(())
}

fn key(peer: &Peer, subject: &str, variant: &str, round: usize, step: Step) -> Key {
    let (size, callers) = match step {
        Step::Cycle(size) => (Some(size), None),
        Step::Single(callers) => (None, Some(callers)),
    };
    Key { peer: peer.name.to_owned(), subject: subject.to_owned(), variant: variant.to_owned(), round, size, callers }
}

fn ours(plan: &Plan, runs: &mut Runs, peer: &Peer, round: usize, step: Step, full: bool) -> Result<()> {
    let key = key(peer, OURS, if full { FULL } else { "default" }, round, step);
    if runs.has(&key) {
        return Ok(());
    }
    let own = std::env::current_exe().unwrap_or_else(|_| "peers".into());
    go(plan, runs, key, step, vec![own, "lamplighter".into()], None)
}

fn theirs(
    plan: &Plan,
    runs: &mut Runs,
    (tools, servers): (&mut Tools, &mut Servers),
    peer: &Peer,
    variant: &Variant,
    round: usize,
    step: Step,
) -> Result<()> {
    let key = key(peer, peer.name, variant.name, round, step);
    if runs.has(&key) {
        return Ok(());
    }
    let ready = tools.driver(peer.runtime).and_then(|command| Ok((command, servers.place(variant.server)?)));
    match ready {
        Ok((command, place)) => go(plan, runs, key, step, command, place),
        Err(error) => skip(runs, key, error.to_string()),
    }
}

fn go(plan: &Plan, runs: &mut Runs, key: Key, step: Step, command: Vec<PathBuf>, place: Option<String>) -> Result<()> {
    // The variant `durable` is the tuned one over another server.
    let variant = if key.variant == "durable" { "tuned" } else { &key.variant };
    let mut arguments = vec![("variant", variant.to_owned())];
    let seconds = |time: Duration| time.as_secs_f64().to_string();
    let time = match step {
        Step::Cycle(size) => {
            let longer = if key.subject == OURS { OURS_LONGER } else { 1 };
            let (window, limit) = (plan.window(size) * longer, Plan::bulk_limit(size));
            arguments.extend([("measure", "cycle".to_owned()), ("jobs", size.to_string())]);
            arguments.extend([("window", seconds(window)), ("bulk-limit", seconds(limit))]);
            window + limit
        }
        Step::Single(callers) => {
            arguments.extend([("measure", "single".to_owned()), ("callers", callers.to_string())]);
            arguments.push(("seconds", seconds(SINGLE)));
            SINGLE
        }
    };
    let what = match step {
        Step::Cycle(size) => format!("{size} jobs"),
        Step::Single(callers) => format!("single jobs of {callers}"),
    };
    let log = format!("{}-{}-{}", key.peer, key.subject, key.variant);
    let (load, at) = (machine::load(), jiff::Timestamp::now());
    match (Drive { command, arguments, place, time, log }).run() {
        Ok((about, figures)) => {
            let rates: Vec<String> =
                figures.iter().map(|figure| format!("{} {:.0}/s", figure.measure, figure.per_second())).collect();
            eprintln!("{:16} {:12} {:8} {what:18} {}", key.peer, key.subject, key.variant, rates.join(", "));
            runs.add(Line::Run { key, about, figures, load, at })
        }
        Err(error) => skip(runs, key, error.to_string()),
    }
}

fn skip(runs: &mut Runs, key: Key, reason: String) -> Result<()> {
    eprintln!("{:16} {:12} {:8} skipped: {reason}", key.peer, key.subject, key.variant);
    runs.add(Line::Skipped { key, reason })
}
