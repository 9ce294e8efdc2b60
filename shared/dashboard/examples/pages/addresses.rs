//! What is asked for: every page and listing, with filters that differ from request to request.

use axum::Router;
use serde_json::Value;

use crate::{Done, fill::Names, measure::unpacked};

/// Queries by what they have in common.
const QUERIES: [(&str, &[&str]); 14] = [
    ("jobs", &[""]),
    (
        "jobs state:",
        &[
            "state:failed",
            "state:retrying",
            "state:running",
            "state:scheduled",
            "state:cancelled",
            "state:succeeded",
            "state:queued",
            "state:failed,cancelled",
            "-state:succeeded",
        ],
    ),
    (
        "jobs job:",
        &[
            "job:webhook.deliver",
            "job:mail.*",
            "job:*.echo",
            "job:legacy.sync",
            "job:nothing",
            "-job:webhook.*",
            "job:search.*",
        ],
    ),
    (
        "jobs queue:",
        &["queue:mails", "queue:films", "queue:archive", "queue:ledger", "-queue:webhooks", "queue:texts,films"],
    ),
    (
        "jobs state: job: queue:",
        &[
            "state:failed job:webhook.*",
            "state:failed queue:mails",
            "state:retrying job:image.thumbnail",
            "state:failed job:text.echo",
        ],
    ),
    (
        "jobs error:",
        &["error:\"no answer\"", "error:busy", "error:\"550\"", "error:\"never said\"", "state:failed error:price"],
    ),
    ("jobs fp:", &["fp:GROUP"]),
    (
        "jobs since: before:",
        &[
            "since:2h",
            "since:3d before:2d",
            "before:4d",
            "state:failed since:1d",
            "since:10m",
            "state:failed since:5d before:4d",
        ],
    ),
    ("jobs attempt:", &["attempt:>1", "attempt:>4", "attempt:3", "state:failed attempt:>3", "attempt:>9"]),
    (
        "jobs args.",
        &[
            "args.order:NUMBER",
            "args.order:4042",
            "job:webhook.* args.customer.name:\"Grace Hopper\"",
            "args.priority:urgent",
            "args.nothing:1",
        ],
    ),
    ("jobs tag:", &["tag:order-NUMBER", "tag:nothing"]),
    ("jobs schedule:", &["schedule:report-daily", "schedule:reindex", "schedule:ledger-heartbeat", "schedule:nothing"]),
    ("jobs batch: parent:", &["batch:BATCH", "batch:prices-5", "parent:JOB", "parent:nothing"]),
    ("jobs by id", &["JOB", "PREFIX", "nothing-like-it"]),
];

const PAGES: [(&str, &[&str]); 32] = [
    ("overview", &["/"]),
    ("one job", &["/jobs/JOB"]),
    ("errors", &["/errors", "/errors?q=job:webhook.deliver", "/errors?q=queue:mails", "/errors?q=since:1h"]),
    ("one error", &["/errors/GROUP"]),
    ("queues", &["/queues"]),
    ("one queue", &["/queues/webhooks", "/queues/mails", "/queues/archive", "/queues/ledger", "/queues/films"]),
    ("schedules", &["/schedules", "/schedules?q=report", "/schedules?q=NUMBER"]),
    (
        "one schedule",
        &[
            "/schedules/ledger-heartbeat",
            "/schedules/reindex",
            "/schedules/report-daily",
            "/schedules/sales-of-five-minutes",
        ],
    ),
    ("types", &["/types"]),
    ("one type", &["/types/webhook.deliver", "/types/mail.send", "/types/order.archive", "/types/ledger.book"]),
    ("batches", &["/batches"]),
    ("one batch", &["/batches/BATCH"]),
    ("dead letters", &["/dead-letters"]),
    (
        "dead letters of a queue",
        &["/dead-letters/webhooks", "/dead-letters/mails", "/dead-letters/imports?job=prices.import-rows"],
    ),
    ("operations", &["/operations"]),
    ("one operation", &["/operations/OPERATION"]),
    ("health", &["/health"]),
    ("preview of one", &["/act/retry?job=JOB", "/act/edit-and-run?job=JOB"]),
    (
        "preview of all in a state",
        &["/act/retry?all=state:failed", "/act/cancel?all=", "/act/delete?all=", "/act/retry?all=queue:mails"],
    ),
    (
        "preview by index",
        &[
            "/act/delete?all=state:succeeded%20job:mail.*",
            "/act/retry?all=state:failed%20job:webhook.deliver",
            "/act/delete?all=before:2d",
            "/act/retry?all=state:failed%20since:1d",
        ],
    ),
    (
        "preview by record",
        &[
            "/act/retry?all=error:busy",
            "/act/retry?all=error:%22never%20said%22",
            "/act/delete?all=args.order:NUMBER",
            "/act/delete?all=tag:nothing",
            "/act/retry?all=attempt:%3E3",
            "/act/cancel?all=schedule:reindex",
        ],
    ),
    ("preview of an error group", &["/act/retry?fingerprint=GROUP"]),
    ("preview of a batch", &["/act/retry?batch=BATCH"]),
    ("preview of dead letters", &["/act/redrive?letters=webhooks", "/act/redrive?letters=mails"]),
    ("api overview", &["/api/v1/overview"]),
    (
        "api jobs",
        &["/api/v1/jobs?limit=200", "/api/v1/jobs?q=state:failed&limit=200", "/api/v1/jobs?q=job:mail.*&limit=200"],
    ),
    ("api errors", &["/api/v1/errors?limit=200", "/api/v1/errors?job=mail.send&limit=200"]),
    ("api batches", &["/api/v1/batches?limit=200", "/api/v1/batches/BATCH?limit=200"]),
    (
        "api dead letters",
        &[
            "/api/v1/dead-letters/webhooks?limit=200",
            "/api/v1/dead-letters/mails/counts",
            "/api/v1/dead-letters/webhooks?since=1d&limit=200",
        ],
    ),
    ("api operations", &["/api/v1/operations?limit=200"]),
    (
        "api stats",
        &[
            "/api/v1/stats?points=60",
            "/api/v1/stats?since=5d&points=100",
            "/api/v1/stats?since=5d&job=mail.send",
            "/api/v1/stats?since=1d",
        ],
    ),
    ("api log", &["/api/v1/jobs/JOB/log"]),
];

/// Lists of which later pages are asked for too.
const LONG: [(&str, &str); 6] = [
    ("jobs, later pages", "/api/v1/jobs?"),
    ("failed jobs, later pages", "/api/v1/jobs?q=state:failed&"),
    ("errors, later pages", "/api/v1/errors?"),
    ("batches, later pages", "/api/v1/batches?"),
    ("letters, later pages", "/api/v1/dead-letters/webhooks?"),
    ("operations, later pages", "/api/v1/operations?"),
];

/// What to ask for, so many times each.
pub(crate) async fn all(router: &Router, mut names: Names, times: usize) -> Done<Vec<(&'static str, Vec<String>)>> {
    let groups: Value = serde_json::from_slice(&unpacked(router, "/api/v1/errors?limit=200").await?)?;
    let fingerprints =
        groups["items"].as_array().into_iter().flatten().filter_map(|group| group["fingerprint"].as_str());
    names.groups = fingerprints.map(str::to_owned).collect();
    let mut all = Vec::new();
    for (name, queries) in QUERIES {
        let path = |query: String| format!("/jobs?q={}", encode(&query));
        all.push((name, (0..times).map(|turn| path(filled(queries[turn % queries.len()], turn, &names))).collect()));
    }
    for (name, paths) in PAGES {
        all.push((name, (0..times).map(|turn| filled(paths[turn % paths.len()], turn, &names)).collect()));
    }
    for (name, list) in LONG {
        let mut cursors = vec![format!("{list}limit=50")];
        while cursors.len() < times.min(40) {
            let path = cursors.last().map_or("", |path| path);
            let page: Value = serde_json::from_slice(&unpacked(router, path).await?)?;
            let Some(next) = page["next"].as_str() else { break };
            cursors.push(format!("{list}limit=50&cursor={}", encode(next)));
        }
        all.push((name, cursors.iter().cycle().take(times).cloned().collect()));
    }
    Ok(all)
}

fn filled(template: &str, turn: usize, names: &Names) -> String {
    let of = |all: &[String]| all.get(turn.wrapping_mul(37) % all.len().max(1)).cloned().unwrap_or_default();
    let job = of(&names.jobs);
    let prefix: String = job.chars().take(14).collect();
    template
        .replace("JOB", &job)
        .replace("PREFIX", &prefix)
        .replace("GROUP", &of(&names.groups))
        .replace("BATCH", &of(&names.batches))
        .replace("OPERATION", &of(&names.operations))
        .replace("NUMBER", &(4_000 + turn * 9).to_string())
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
