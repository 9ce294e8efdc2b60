//! Each command that the dashboard shows, as this command line reads it behind a shell.

use std::process::Command;

use clap::ArgMatches;
use jiff::Timestamp;
use lamplighter::{
    App, Definition, Job, JobId, Queue, RawValue,
    backend::{DeadLetterFilter, DeadLetterKey},
    env::Env,
    operation::{Action, Arguments, Operation, Target},
    query::Query,
    record::Fingerprint,
};
use lamplighter_dashboard::{
    Desk, Rights, Site, Viewer,
    desk::{CommandLine, Shared},
};
use lamplighter_embedded::SqliteBackend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DB: &str = "my jobs.db";
/// What ids may be.
const IDS: [&str; 8] = ["a", "--all", "-x", "--", "-", "--query", "@file", ".."];
/// What other names and texts may be.
const TEXTS: [&str; 14] = [
    "--all",
    "-x",
    "--reason=x",
    "it's",
    "\"a b\"",
    "a\nb",
    "a\tb",
    "$(touch x)",
    "`x`",
    "*",
    "=ls",
    "~",
    "ünï \u{202e}",
    "",
];

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Mail {
    to: String,
}

impl Job for Mail {
    const NAME: &'static str = "mail.send";
    const QUEUE: Queue = Queue::standard("mails");
}

/// The words of a command, as a shell parts them.
fn words(command: &str) -> Vec<String> {
    let script = format!("set -- {command}\nprintf '%s\\0' \"$@\"");
    let output = Command::new("sh").arg("-c").arg(&script).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned).collect()
}

/// The verb of a command, and what it says, about this file.
fn read(command: &str) -> (String, ArgMatches) {
    let matches = crate::help::command().try_get_matches_from(words(command));
    let mut matches = matches.unwrap_or_else(|error| panic!("{command} is refused: {error}"));
    let mut verb = Vec::new();
    while let Some((name, inner)) = matches.remove_subcommand() {
        verb.push(name);
        matches = inner;
    }
    assert_eq!(raw(&matches, "file").as_deref(), Some(DB), "{command}");
    (verb.join(" "), matches)
}

fn raw(matches: &ArgMatches, name: &str) -> Option<String> {
    let mut values = matches.try_get_raw(name).ok()??;
    values.next().map(|value| value.to_str().unwrap().to_owned())
}

fn is_set(matches: &ArgMatches, name: &str) -> bool {
    matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or_default()
}

/// What a command would do, and to what.
fn done_by(command: &str) -> (Action, Target) {
    let (verb, matches) = read(command);
    for everything in ["all", "open", "failed"] {
        assert!(!is_set(&matches, everything), "{command}");
    }
    let moment = |name: &str| raw(&matches, name).map(|text| text.parse::<Timestamp>().unwrap());
    let text = |name: &str| raw(&matches, name).unwrap();
    let jobs = || match matches.get_one::<Query>("query") {
        Some(query) => Target::Query { query: query.to_string(), end: Timestamp::UNIX_EPOCH },
        None => {
            let ids: Vec<_> = matches.get_many::<JobId>("ids").unwrap().cloned().collect();
            if let [id] = &ids[..] { Target::Job { id: id.clone() } } else { Target::Jobs { ids } }
        }
    };
    let queue = || Target::Queue { queue: text("queue") };
    let schedule = || Target::Schedule { schedule: text("name") };
    match &*verb {
        "retry" => (Action::Retry, jobs()),
        "cancel" => (Action::Cancel, jobs()),
        "delete" => (Action::Delete, jobs()),
        "reschedule" if is_set(&matches, "now") => (Action::RunNow, jobs()),
        "reschedule" => (Action::Reschedule { at: moment("at").unwrap() }, jobs()),
        "pause" => (Action::PauseQueue, queue()),
        "resume" => (Action::ResumeQueue, queue()),
        "redrive" => {
            let mut filter = DeadLetterFilter::all();
            (filter.job, filter.since) = (raw(&matches, "job"), moment("since"));
            (Action::Redrive { limit: None }, Target::dead_letters(text("queue"), &filter))
        }
        "schedule pause" => (Action::PauseSchedule, schedule()),
        "schedule resume" => (Action::ResumeSchedule, schedule()),
        "schedule trigger" => (Action::TriggerSchedule, schedule()),
        "schedule remove" => (Action::RemoveSchedule, schedule()),
        "errors" => {
            let fingerprint = *matches.get_one::<Fingerprint>("fingerprint").unwrap();
            let action = match is_set(&matches, "unmute") {
                true => Action::MuteError { until: None },
                false => Action::NoteError { note: raw(&matches, "note").filter(|note| !note.trim().is_empty()) },
            };
            (action, Target::ErrorGroup { fingerprint })
        }
        "enqueue" => {
            let args = Arguments::new(RawValue::from_string(text("args")).unwrap());
            let id = raw(&matches, "id").map(|id| JobId::new(id).unwrap());
            (Action::Enqueue { job: text("job"), args, at: moment("at"), id }, Target::New)
        }
        other => panic!("{other}: {command}"),
    }
}

/// The same in the form that a command has.
fn normal(action: &Action, target: &Target) -> (Action, Target) {
    let action = match action {
        Action::NoteError { note } => Action::NoteError { note: note.clone().filter(|note| !note.trim().is_empty()) },
        other => other.clone(),
    };
    let target = match target {
        Target::Batch { id } if action == Action::Cancel => Target::Job { id: id.clone() },
        Target::Batch { id } => Target::Query { query: Query::new().batch(id).to_string(), end: Timestamp::UNIX_EPOCH },
        other => other.clone(),
    };
    (action, target)
}

fn desk(backend: &SqliteBackend) -> Desk {
    let app = App::new("shop").definitions([Definition::of::<Mail>()]);
    let site = Site::new(&app, backend.backend(), Env::system(), backend.operator()).command("lamp", ["--db", DB]);
    Desk::new(Shared::new(site), Viewer::new("ada", Rights::operator()))
}

fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

/// Everything that can be asked for, about things of all names.
fn requests() -> Vec<(Action, Target)> {
    let at: Timestamp = "2026-12-24T18:00:00.5Z".parse().unwrap();
    let end = Timestamp::UNIX_EPOCH;
    let of_jobs = [Action::Retry, Action::Cancel, Action::Delete, Action::RunNow, Action::Reschedule { at }];
    let mut targets: Vec<_> =
        IDS.iter().flat_map(|name| [Target::Job { id: id(name) }, Target::Batch { id: id(name) }]).collect();
    targets.push(Target::Jobs { ids: IDS.map(id).to_vec() });
    let queries = TEXTS.iter().flat_map(|text| {
        let all = Query::new();
        [all.clone().job(text), all.clone().without_job(text), all.clone().error(text), all.text(text)]
    });
    targets.extend(queries.map(|query| Target::Query { query: query.to_string(), end }));
    let states = ["state:failed,cancelled", "state:queued,retrying"];
    targets.extend(states.map(|query| Target::Query { query: query.into(), end }));
    let mut all = Vec::new();
    for action in of_jobs {
        all.extend(targets.iter().map(|target| (action.clone(), target.clone())));
    }
    for name in TEXTS {
        let (queue, schedule) = (Target::Queue { queue: name.into() }, Target::Schedule { schedule: name.into() });
        all.extend([Action::PauseQueue, Action::ResumeQueue].map(|action| (action, queue.clone())));
        let actions = [Action::PauseSchedule, Action::ResumeSchedule, Action::TriggerSchedule, Action::RemoveSchedule];
        all.extend(actions.map(|action| (action, schedule.clone())));
        let mut filter = DeadLetterFilter::all();
        for (job, since) in [(None, None), (Some(name.to_owned()), Some(at))] {
            (filter.job, filter.since) = (job, since);
            for limit in [None, Some(1)] {
                all.push((Action::Redrive { limit }, Target::dead_letters(name, &filter)));
            }
            all.push((Action::DeleteDeadLetters, Target::dead_letters(name, &filter)));
        }
        let one = DeadLetterFilter::all().with_key(DeadLetterKey::Number(7));
        all.push((Action::Redrive { limit: None }, Target::dead_letters(name, &one)));
        let group = Target::ErrorGroup { fingerprint: "3f9a5c0d7be21846".parse().unwrap() };
        all.push((Action::NoteError { note: Some(name.into()) }, group.clone()));
        all.extend([None, Some(at)].map(|until| (Action::MuteError { until }, group.clone())));
        let args = Arguments::new(RawValue::from_string(serde_json::json!({ "to": name }).to_string()).unwrap());
        for (at, own) in [(None, None), (Some(at), Some(id("--id")))] {
            all.push((Action::Enqueue { job: "mail.send".into(), args: args.clone(), at, id: own }, Target::New));
        }
    }
    all
}

#[tokio::test]
async fn a_command_of_the_dashboard_does_the_same_to_the_same() {
    let backend = SqliteBackend::memory(Env::system()).unwrap();
    let (desk, port) = (desk(&backend), backend.backend().operations.unwrap());
    let mut commands = 0;
    for (number, (action, target)) in requests().into_iter().enumerate() {
        let name = id(&format!("{}{number}", Operation::PREFIX));
        let operation = Operation::new(name.clone(), action.clone(), target.clone(), "ada", Timestamp::now());
        port.create(&operation).await.unwrap();
        let Some(command) = desk.operation(name.as_str()).await.unwrap().command else { continue };
        assert_eq!(done_by(&command), normal(&action, &target), "{command}");
        commands += 1;
    }
    assert!(commands > 300, "{commands}");
}

#[test]
fn a_command_that_a_row_is_copied_as_is_about_that_row() {
    let place = ["lamp", "--db", DB].map(str::to_owned);
    for (verb, argument, names) in [
        ("job", "id", &IDS[..]),
        ("batch", "id", &IDS),
        ("ops", "id", &IDS),
        ("retry", "ids", &IDS),
        ("dead-letters", "queue", &TEXTS),
        ("redrive", "queue", &TEXTS),
        ("pause", "queue", &TEXTS),
        ("resume", "queue", &TEXTS),
        ("schedule runs", "name", &TEXTS),
        ("schedule trigger", "name", &TEXTS),
    ] {
        for name in names {
            let command = CommandLine::new(verb).about(name).typed(&place).unwrap();
            let (read, matches) = read(&command);
            assert_eq!((&*read, raw(&matches, argument).as_deref()), (verb, Some(*name)), "{command}");
        }
    }
    for text in TEXTS {
        let query = Query::new().job(text);
        let command = CommandLine::new("jobs").option("--query", &query.to_string()).typed(&place).unwrap();
        assert_eq!(read(&command).1.get_one::<Query>("query"), Some(&query), "{command}");
    }
}
