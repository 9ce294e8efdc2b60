//! Adding, pausing, triggering and removing schedules: in the embedded file, and on a stack with fake endpoints.

use std::time::Instant;

use lamplighter_fakes::{FakeDeployment, FakeSchedules};
use serde_json::{Value, json};

use crate::support::{Dev, Done, PATIENCE, Place, lines};

fn schedule(place: &Place, name: &str) -> Option<Value> {
    let all = lines(&place.lamp(&["schedules", "--json"]).ok());
    all.into_iter().find(|one| one["schedule"] == name)
}

#[test]
fn a_schedule_is_made_paused_and_removed() {
    let place = Place::new();
    let add = ["schedule", "add", "pulse", "--cron", "0 6 * * 1-5", "--zone", "Europe/Berlin", "lamp.ping"];
    let printed = place.lamp(&add).ok();
    assert!(printed.contains("scheduled pulse") && printed.contains("next 20"), "{printed}");
    let pulse = schedule(&place, "pulse").unwrap();
    assert_eq!((&pulse["when"], &pulse["zone"]), (&json!("0 6 * * 1-5"), &json!("Europe/Berlin")));
    assert_eq!((&pulse["origin"], &pulse["paused"]), (&json!("run-time"), &json!(false)));
    assert_eq!(schedule(&place, "report-daily").unwrap()["origin"], "deployed");

    let paused = lines(&place.lamp(&["schedule", "pause", "pulse", "--json"]).ok());
    assert_eq!(paused, [json!({ "schedule": "pulse", "paused": true })]);
    let pulse = schedule(&place, "pulse").unwrap();
    assert_eq!((&pulse["paused"], &pulse["next"]), (&json!(true), &json!([])));
    assert!(place.lamp(&["schedules"]).ok().contains("paused"));
    assert!(place.lamp(&["schedule", "resume", "pulse"]).ok().contains("resumed pulse"));

    let args = ["schedule", "add", "pulse", "--every", "90s", "lamp.ping", r#"{"sleep_ms":1}"#, "--json"];
    let added = lines(&place.lamp(&args).ok()).remove(0);
    assert_eq!(
        (&added["schedule"], &added["job"], &added["queue"]),
        (&json!("pulse"), &json!("lamp.ping"), &json!("lamp"))
    );
    assert_eq!(added["next"].as_array().unwrap().len(), 5);
    assert_eq!(schedule(&place, "pulse").unwrap()["when"], "rate(90 seconds)");

    assert!(place.lamp(&["schedule", "remove", "pulse"]).ok().contains("removed pulse"));
    assert_eq!(schedule(&place, "pulse"), None);
}

#[test]
fn schedules_added_while_dev_runs_fire() {
    let place = Place::new();
    let _dev = Dev::start(&place);
    place.lamp(&["schedule", "add", "pulse", "--every", "1s", "lamp.ping"]).ok();
    place.lamp(&["schedule", "add", "later", "--every", "365d", "lamp.ping"]).ok();
    let triggered = lines(&place.lamp(&["schedule", "trigger", "later", "--json"]).ok()).remove(0);
    let until = Instant::now() + PATIENCE;
    let succeeded = |job: &Value| job["state"] == "succeeded";
    loop {
        let jobs = lines(&place.lamp(&["jobs", "--job", "lamp.ping", "--json"]).ok());
        let pulses = jobs.iter().filter(|job| job["schedule"] == "pulse" && succeeded(job)).count();
        let later: Vec<_> = jobs.iter().filter(|job| job["schedule"] == "later").collect();
        if pulses >= 2 && later.iter().any(|job| succeeded(job)) {
            assert_eq!((later.len(), &later[0]["id"]), (1, &triggered["id"]));
            break;
        }
        assert!(Instant::now() < until, "{jobs:?}");
    }
    let last = &schedule(&place, "pulse").unwrap()["last"];
    assert!(last["id"].as_str().unwrap().starts_with("pulse@20"), "{last}");
    // Schedules in the code can be paused, but not removed.
    place.lamp(&["schedule", "pause", "report-daily"]).ok();
    assert_eq!(schedule(&place, "report-daily").unwrap()["paused"], true);
    place.lamp(&["schedule", "remove", "report-daily"]).fails(2, &["report-daily", "deployed with the code"]);
}

#[test]
fn errors_are_one_sentence_and_nothing_is_added() {
    let place = Place::new();
    let add = |args: &[&str]| place.lamp(&[&["schedule", "add"], args].concat());
    add(&["pulse", "--cron", "61 * * * *", "lamp.ping"]).fails(2, &["pulse", "minutes", "0-59"]);
    add(&["pulse", "--every", "1ms", "lamp.ping"]).fails(2, &["pulse", "whole seconds"]);
    add(&["pulse", "--at", "2020-01-01T00:00:00Z", "lamp.ping"]).fails(2, &["pulse", "have passed"]);
    add(&["no name", "--every", "5m", "lamp.ping"]).fails(2, &["no name", "1-64"]);
    add(&["pulse", "--cron", "@daily", "--zone", "Mars/Olympus", "lamp.ping"]).fails(2, &["Mars/Olympus", "IANA"]);
    add(&["report-daily", "--every", "5m", "lamp.ping"]).fails(2, &["report-daily", "another name"]);
    add(&["pulse", "--every", "5m", "lamp.pong"]).fails(2, &["no job \"lamp.pong\"", "\"lamp.ping\""]);
    add(&["pulse", "--every", "5m", "lamp.ping", r#"{"slep_ms":1}"#]).fails(2, &["slep_ms", "sleep_ms"]);
    for usage in [
        &["pulse", "lamp.ping"][..],
        &["pulse", "--every", "5m", "--cron", "@daily", "lamp.ping"],
        &["pulse", "--every", "5m", "--zone", "Europe/Berlin", "lamp.ping"],
        &["pulse", "--every", "soon", "lamp.ping"],
    ] {
        add(usage).fails_at_once();
    }
    place.lamp(&["schedule", "pause", "pulse"]).fails(1, &["no jobs file"]);
    place.lamp(&["enqueue", "lamp.ping"]).ok();
    for verb in ["pause", "resume", "trigger", "remove"] {
        place.lamp(&["schedule", verb, "pulse"]).fails(1, &["no schedule `pulse`"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_of_a_stack_are_those_of_its_group() {
    let (place, fake) = (Place::new(), FakeDeployment::start().await.unwrap());
    let schedules = FakeSchedules::start().await.unwrap();
    let queue = json!({ "url": fake.queue_url("shop-work"), "dlq": fake.queue_url("shop-work-dlq") });
    fake.stack.set_output("Queues", Some(&json!({ "reports": queue }).to_string()));
    fake.stack.set_output("ScheduleGroup", Some(FakeSchedules::GROUP));
    fake.stack.set_output("SchedulerRole", Some(FakeSchedules::ROLE));
    let lamp = async |args: &[&str]| {
        let mut command = place.command(args);
        command.envs(fake.client_environment()).envs([
            ("AWS_ENDPOINT_URL_SCHEDULER", schedules.endpoint()),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", schedules.endpoint()),
            ("LAMPLIGHTER_STACK", FakeDeployment::STACK.to_owned()),
        ]);
        Done::of(command).await
    };
    lamp(&["schedule", "add", "berlin", "--cron", "0 6 * * *", "--zone", "Europe/Berlin", "report.daily"]).await.ok();
    let made = schedules.schedule("runtime-berlin").unwrap();
    assert_eq!(made["ScheduleExpressionTimezone"], "Europe/Berlin");
    let listed = lines(&lamp(&["schedules", "--json"]).await.ok());
    assert!(listed.iter().any(|one| one["schedule"] == "berlin" && one["origin"] == "run-time"), "{listed:?}");
    lamp(&["schedule", "pause", "berlin"]).await.ok();
    assert_eq!(schedules.schedule("runtime-berlin").unwrap()["State"], "DISABLED");
    lamp(&["schedule", "trigger", "berlin"]).await.ok();
    assert!(fake.sqs.messages("shop-work")[0].contains(r#""schedule":"berlin""#));
    lamp(&["schedule", "remove", "berlin"]).await.ok();
    assert_eq!(schedules.schedule("runtime-berlin"), None);

    let fast = ["schedule", "add", "fast", "--every", "30s", "report.daily"];
    lamp(&fast).await.fails(2, &["fast", "at most once a minute"]);
    lamp(&["schedule", "add", "ping", "--every", "5m", "lamp.ping"]).await.fails(2, &["lamp.ping is not deployed"]);
    let image = ["schedule", "add", "image", "--every", "5m", "image.thumbnail", r#"{"key":"a.png"}"#];
    lamp(&image).await.fails(2, &["stack shop has no queue \"images\""]);
    fake.stack.set_output("ScheduleGroup", None);
    lamp(&["schedule", "pause", "berlin"]).await.fails(1, &["no schedule group"]);
}
