//! The documentation of costs.

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

Made from the table of operations and the price list in `infra/src/cost`. Tests record every call on its way to an emulator,
work out by DynamoDB's rules what it bills, and compare the operations with what was recorded.

How much is remembered of a job: *untracked*, nothing; *lean*, a record that lists show while there is something to look at;
*full*, a record that lists show in every state.

## A million jobs

In dollars, {date}, {region}, without free tiers: requests to SQS and EventBridge, DynamoDB's units, and functions of 128 MB
that run 100 ms a job on arm64, ten jobs a batch. Logs, traces, and what a deployment costs though nothing runs come on top;
`cargo lamp infra cost` reckons with them, and with other durations and sizes.

| a job that | {modes} |
| --- | --- | --- | --- |
",
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
units (*w*) and read units (*r*) that they take, indexes included, for records of up to 1 KB: those of jobs whose messages
have up to 320 bytes, with the history of an attempt or two. A longer message lies beside its record, and is written once.
Reads of indexes are counted as whole units, and cost half of one.

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
What Lambda asks of SQS for a full batch of ten, a receive and a delete, is on the account's bill too.
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
