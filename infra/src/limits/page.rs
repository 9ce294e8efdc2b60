//! The documentation page about scale.

use std::fmt::Write as _;

use lamplighter_aws::layout::{self, LISTING_SHARDS};

use super::{
    Drain, Fifo, Host, Load, Mapping, Pollers, Quotas, Report,
    plans::{changes, on_lambda, on_workers},
    quotas::{LAMBDA_CONCURRENT, PARTITION_WRITES, PUT_LOGS, QUOTAS, READ, REGION, SQS_IN_FLIGHT},
    text::{dollars, grouped, time},
};
use crate::cost::Mode;

/// The orders of magnitude.
const RATES: [u64; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
/// The burst.
const MESSAGES: u64 = 10_000_000;

/// `docs/scale.md`.
#[must_use]
pub fn page() -> String {
    let mut page = format!(
        "\
# How far it scales on AWS

Generated from the table of quotas and the model in `infra/src/limits`: on paper, from AWS's documentation as it was in
{READ}, not measured. `cargo lamp infra limits` answers for any load, for a queue of your app, and for your account's
own quotas:

```sh
cargo lamp infra limits --jobs-per-second 500 --duration-ms 100                      # each queue of the app
cargo lamp infra limits --jobs-per-second 500 --duration-ms 100 --queue webhooks     # one of them, every quota
cargo lamp infra limits --jobs-per-second 500 --duration-ms 100 --mode lean --quota lambda-concurrency=5000
cargo lamp infra limits --burst 10000000 --duration-ms 100 --mode lean               # how a burst drains
cargo lamp infra limits --sources                                                    # every quota and its page
```

Everything here is for jobs of 100 ms in functions of 128 MB, in batches of ten whose jobs run one after the other,
messages of 300 bytes, in {REGION}. That is the cautious end: a function runs up to 256 jobs of a batch beside each
other, and for jobs that wait rather than compute, `--at-once 10` divides the invocations by ten. How much of a job is
recorded is that of [costs.md](costs.md): *untracked*, *lean*, *full*.

## Which quota comes first

With the defaults: one queue, one table, an account that has asked for nothing.

| jobs | first | at jobs a second | then | at | then | at |
| --- | --- | --- | --- | --- | --- | --- |
",
    );
    for (name, load) in firsts() {
        let _ = writeln!(page, "| {name} | {} |", first_three(&load));
    }
    page.push_str("\n```sh\n");
    for (_, load) in firsts() {
        let _ = writeln!(page, "{}", answered(&load));
    }
    let _ = write!(
        page,
        "```

- **Full records** meet the listing first. Its index has {LISTING_SHARDS} keys for each class of states in a month; each
  takes {} writes a second, and since their items are sorted by time, DynamoDB does not split them. A job is put
  under a key of the open jobs and deleted there: two writes. An index that is throttled throttles the table. Lean
  records are listed only while they are of interest, and a success writes nothing there.
- **Records themselves** have a key each, so that no partition is hot; the quota of a table is what counts.
- **FIFO queues** run the jobs of a group one after the other. The template does not set high throughput: do so on the
  queue (`FifoThroughputLimit`, `DeduplicationScope`) before you rely on `--high-throughput`; duplicates are then found
  within a group.
- **What waits for a retry is in flight.** A retry hides its message, so long delays fill the {} of a queue before
  anything else does, as the last row shows.

## From ten to a million jobs a second

What is in the way with the defaults, and the smallest changes that carry the load, on Lambda and on
[workers](hosts.md). A job type has one queue, and a deployment has one table: several queues are several job types, or
several deployments of the app; several tables are several deployments, or one table with a quota that AWS has raised,
except for the listing's keys. A worker runs {} jobs at a time, as it does by default, which is for jobs that wait;
those that compute need a processor each. Dollars are for a day, without workers' machines.
",
        grouped(PARTITION_WRITES.value as f64),
        grouped(SQS_IN_FLIGHT.value as f64),
        Host::WORKER_JOBS,
    );
    for mode in Mode::ALL {
        magnitudes(&mut page, mode);
    }
    page.push_str(
        "
Up to a thousand jobs a second, nothing has to be asked for. At ten thousand, an account's default concurrency is used
up to the last, and full records need several tables or become lean. At a hundred thousand, Lambda needs provisioned
mode, and more concurrency, which AWS gives on request; workers need neither, and only the table remains. A million a
second is beyond what Lambda's guide calls tens of thousands of invocations at a time, so it is for workers, or for jobs
that run beside each other in larger batches:

```sh
",
    );
    let _ = writeln!(page, "{}", answered(&beside()));
    page.push_str(
        "```

## Batches

A [batch](workflows.md#batches) counts the ends of its jobs in parts, items with a key each, two write units for a
count. How many there are follows from the number of jobs that are added together.

| jobs of the batch | parts | ends a second, of this batch alone |
| --- | --- | --- |
",
    );
    for jobs in [64, 1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        let load = Load { batch_jobs: Some(jobs), ..Load::new(1, Mode::Lean) };
        let at = counts(&load);
        let parts = layout::batch_parts(usize::try_from(jobs).unwrap_or(usize::MAX));
        let _ = writeln!(page, "| {} | {} | {} |", grouped(jobs as f64), grouped(parts as f64), grouped(at));
    }
    page.push_str(
        "
That is what the write units allow. Ends in the same part that meet are tried again, for which the documentation has no
figure. A job of a batch writes more than one on its own, which the quota of the table feels:

```sh
",
    );
    let batch = Load { batch_jobs: Some(100_000), ..Load::new(1_000, Mode::Lean) };
    let _ = writeln!(page, "{}", answered(&batch));
    page.push_str(
        "```

## A burst of ten million messages

They are all there at the beginning. At any time, as many invocations run as the smallest limit allows, with full
batches. A mapping adds invocations at the end of each minute, a function environments every ten seconds, a new table
doubles its writes every half hour: as late as the documentation allows, so that the real thing may be faster. The
oldest message waits until the drain has come to it. *Throttled* is a mapping that receives more than the account may
run: those messages stay hidden for the visibility timeout, six times the function's, and each time count a receive;
`max_concurrency` on the queue avoids that.
",
    );
    for mode in Mode::ALL {
        bursts(&mut page, mode);
    }
    page.push_str(
        "
A lean or full burst is held by its table, not by Lambda: DynamoDB takes 4,000 writes a second on a new table and
doubles that in half an hour. A table that has seen the load before, or was given warm throughput, takes it at once;
then the quota of the table holds lean records, and the listing's keys full ones.

## What the model leaves out

- Start-up of environments, a batching window, and batches that are not full: under light load, there are more
  invocations of fewer jobs.
- Lambda's back-off when a function is throttled, and how its pollers hold messages before an invocation.
- Standard queues have no figure for their calls (\"nearly unlimited\"), and SQS may allow fewer messages in flight,
  \"depending on queue traffic and message backlog\".
- How Lambda gathers log lines: `logs-put` counts a call for each invocation, the most there can be. Beyond it, log
  lines are late or lost; jobs are not.
- Rules fire once a minute at most, so the 300 of a bus start five jobs a second.
- Whatever the jobs call: a database behind them is usually the first limit of all. [Limits](workflows.md#limits) hold
  for that.

## The quotas

| quota | default | on request | what it counts | source |
| --- | --- | --- | --- | --- |
",
    );
    for quota in QUOTAS {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | [{}]({}) |",
            quota.name,
            grouped(quota.value as f64),
            if quota.adjustable { "more" } else { "–" },
            quota.about,
            quota.source.title,
            quota.source.url
        );
    }
    page.push_str(
        "
`--region` takes those of EventBridge, its Scheduler and FIFO queues with high throughput that differ by region,
`--quota` those of an account. That a key whose items are sorted by time is not split is said in the AWS Database Blog,
[Scaling DynamoDB, Part
3](https://aws.amazon.com/blogs/database/part-3-scaling-dynamodb-how-partitions-hot-keys-and-split-for-heat-impact-performance/);
the largest `MaximumPollers` in [What's
New](https://aws.amazon.com/about-aws/whats-new/2026/08/aws-Lambda-provisioned-sqs-esm-max-pollers/).
",
    );
    page
}

/// The loads of the first table.
fn firsts() -> [(&'static str, Load); 7] {
    let plain = |mode| Load::new(1_000, mode);
    let fifo = |fast| Load { fifo: Some(Fifo { groups: 1_000, fast }), ..plain(Mode::Lean) };
    let retried = |retry_delay_s| Load { retried_percent: 5.0, retry_delay_s, ..plain(Mode::Lean) };
    [
        ("untracked", plain(Mode::Untracked)),
        ("lean", plain(Mode::Lean)),
        ("full", plain(Mode::Full)),
        ("lean, FIFO, 1,000 groups", fifo(false)),
        ("lean, FIFO with high throughput", fifo(true)),
        ("lean, 5 % are retried after a minute", retried(60)),
        ("lean, 5 % are retried after an hour", retried(3_600)),
    ]
}

fn first_three(load: &Load) -> String {
    let limits = super::reached::limits(load);
    let cells = limits.iter().take(3).map(|limit| {
        let name = if limit.quota.is_empty() { limit.about.clone() } else { format!("`{}`", limit.quota) };
        format!("{name} | {}", grouped(limit.at + 1e-6))
    });
    cells.collect::<Vec<_>>().join(" | ")
}

/// The command that answers for a load.
fn command(load: &Load) -> String {
    format!(
        "cargo lamp infra limits --jobs-per-second {} --duration-ms {} {}",
        load.jobs_per_second,
        load.duration_ms,
        load.options()
    )
}

/// A million jobs a second on Lambda: an invocation has a hundred jobs, and runs twenty of them at a time.
fn beside() -> Load {
    let pollers = Some(Pollers { most: 2_000, ..Pollers::DEFAULT });
    let mapping = Mapping { batch_size: 100, at_once: 20, pollers, ..Mapping::TEN };
    let quotas = Quotas::default().raised(&LAMBDA_CONCURRENT, 5_000).raised(&PUT_LOGS, 10_000);
    Load { host: Host::Lambda(mapping), queues: 5, quotas, ..Load::new(1_000_000, Mode::Untracked) }
}

/// The command, and below it what it says.
fn answered(load: &Load) -> String {
    let verdict = Report::of(load.clone()).map_or_else(|error| error.to_string(), |report| report.verdict());
    format!("{}\n# {verdict}", command(load))
}

fn magnitudes(page: &mut String, mode: Mode) {
    let _ = write!(
        page,
        "
### {mode}

| jobs a second | in the way | on Lambda | $ a day | on workers | $ a day |
| --- | --- | --- | --- | --- | --- |
",
    );
    let mut commands = String::new();
    for rate in RATES {
        let default = Load::new(rate, mode);
        let mut cells = vec![grouped(rate as f64), in_the_way(&default)];
        for plan in [on_lambda(rate, mode), on_workers(rate, mode)] {
            match plan {
                Some(plan) => {
                    cells.extend([changes(&plan), dollars(super::Day::of(&plan).total())]);
                    let _ = writeln!(commands, "{}", answered(&plan));
                }
                None => cells.extend(["–".into(), "–".into()]),
            }
        }
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    let _ = write!(page, "\n```sh\n{commands}```\n");
}

fn in_the_way(load: &Load) -> String {
    let Ok(report) = Report::of(load.clone()) else { return "–".into() };
    let names: Vec<_> =
        report.exceeded().map(|limit| format!("`{}` {}", limit.name(), grouped(limit.at + 1e-6))).collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// The ends a second that the parts of a batch count.
fn counts(load: &Load) -> f64 {
    let limits = super::reached::limits(load);
    limits.iter().filter(|limit| limit.about.starts_with("counts of one batch")).map(|limit| limit.at).sum()
}

fn bursts(page: &mut String, mode: Mode) {
    let load = Load::new(1, mode);
    let _ = write!(
        page,
        "
### {mode}

```sh
cargo lamp infra limits --burst {MESSAGES} --duration-ms {} {}
```

| deployment | drained after | invocations | in flight | oldest message | throttled | limited by, until |
| --- | --- | --- | --- | --- | --- | --- |
",
        load.duration_ms,
        load.options()
    );
    for (variant, drain) in Report::burst(&load, MESSAGES, false).unwrap_or_default() {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} |",
            variant.name,
            drain.seconds.map_or_else(|| "more than two weeks".into(), time),
            grouped(drain.peak),
            grouped(drain.in_flight),
            time(drain.oldest_s),
            if drain.throttled { "yes" } else { "no" },
            phases(&drain),
        );
    }
}

fn phases(drain: &Drain) -> String {
    let phases = drain.phases.iter().map(|phase| format!("{}, {}", phase.limited_by, time(phase.to)));
    phases.collect::<Vec<_>>().join("; ")
}
