//! The documentation page about costs.

use std::fmt::Write as _;

use super::{
    LIVES, Mode,
    operations::{Asked, OPERATIONS, Operation},
    prices,
};

/// `docs/costs.md`.
#[must_use]
pub fn page() -> String {
    let mut page = format!(
        "\
# What jobs cost on AWS

Generated from the table of operations and the price list in `infra/src/cost`. Tests record every call to an emulator, compute
its billed units by DynamoDB's rules, and compare them with the table.

How much of a job is recorded: *untracked*, nothing; *lean*, a record that is listed while it is of interest (delayed, retrying,
failed, cancelled, long-running); *full*, a record that is listed in every state.

## A million jobs

In dollars, {date}, {region}, without free tiers: requests to SQS and EventBridge, DynamoDB's units, and functions of 128 MB
that run 100 ms per job on arm64, ten jobs per batch. Logs, some ${logs:.2} for the summaries and
Lambda's own lines, traces, and the cost of an idle deployment are extra; `cargo lamp infra cost` includes them, and takes other
durations and sizes. With `Metrics=cloudwatch`, each [metric](metrics.md) is $0.30 a month more.

| a job that | {modes} |
| --- | --- | --- | --- |
",
        logs = super::Estimate::new(
            &super::Workload { jobs: 1_000_000, duration_ms: 100, memory_mb: 128, sent_singly: false },
            Mode::Untracked
        )
        .logs,
        date = prices::DATE,
        region = prices::REGION,
        modes = Mode::ALL.map(|mode| mode.to_string()).join(" | "),
    );
    for life in LIVES {
        let dollars = Mode::ALL.map(|mode| life.million(mode).map_or_else(|| "–".into(), |sum| format!("${sum:.2}")));
        let _ = writeln!(page, "| {} | {} |", life.name, dollars.join(" | "));
    }
    page.push_str(
        "
## An operation

Requests to SQS (*s*), calls of EventBridge Scheduler (*t*), events (*e*), and in brackets calls of DynamoDB with the write
units (*w*) and read units (*r*) that they consume, indexes included, for records of up to 1 KB: those of jobs whose messages
have up to 320 bytes, with a history of one or two attempts. A longer message is stored beside its record, and written once.
Reads of indexes are counted as whole units, and cost half a unit.

",
    );
    let _ = writeln!(
        page,
        "| operation | {} |\n| --- | --- | --- | --- |",
        Mode::ALL.map(|mode| mode.to_string()).join(" | ")
    );
    for operation in OPERATIONS {
        let _ = writeln!(page, "| {} | {} |", operation.name, Mode::ALL.map(|mode| cell(&operation, mode)).join(" | "));
    }
    page.push_str(
        "
A failed attempt is counted in its [error group](operations.md#what-fails-and-how-often): one write unit for all of one
cause that are settled together, which is in the table. The first one in an hour costs two more, or one more where the
group is new, since the group moves in the listing. A success writes to no group.

What an operator does is an [operation](operations.md#what-operators-do): three write units to begin, one for each page of a
hundred jobs, and three at its end, for those of up to a kilobyte. Each job that it changes costs what that costs, and one
more for the line in its log.

What people do by hand costs, by the job: `lamp reschedule` a message and 3 calls (1 write unit, and 1 of the listing for each place
that changes, 2 reads), with two deletions where the former message was far away; `lamp delete` 4 calls (1 write unit, 2 of the
listing, 3 reads), and a write for each item beside the record; a note on an error group one write and a read for each of its
shards. `lamp queues` asks CloudWatch for one metric of each queue where messages wait, and the flow of queues for two of each: a
cent for a thousand.

Lambda's own requests to SQS for a full batch of ten, one receive and one delete, are on the account's bill too.
",
    );
    page
}

fn cell(operation: &Operation, mode: Mode) -> String {
    let Some(Asked { sqs, scheduler, events, dynamodb, writes, reads }) = operation.asked(mode) else {
        return "–".into();
    };
    let mut parts = Vec::new();
    for (number, unit) in [(sqs, "s"), (scheduler, "t"), (events, "e")] {
        if number > 0 {
            parts.push(format!("{number} {unit}"));
        }
    }
    if dynamodb > 0 {
        let units = [(writes, "w"), (reads, "r")];
        let units: Vec<_> =
            units.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number} {unit}")).collect();
        parts.push(format!("{dynamodb} ({})", units.join(", ")));
    }
    if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
}
