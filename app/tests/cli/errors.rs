//! Every error is reported in one sentence, with the right exit code, and nothing is sent.

use crate::support::Place;

#[test]
fn a_wrong_job_name_is_answered_with_the_right_one() {
    let place = Place::new();
    place.lamp(&["enqueue", "webhook.delivr", "{}"]).fails(2, &["no job \"webhook.delivr\"", "\"webhook.deliver\""]);
    place.lamp(&["enqueue", "zzz"]).fails(2, &["no job \"zzz\"", "lamp definitions"]);
    place.lamp(&["definitions", "reprt.daily"]).fails(2, &["\"report.daily\""]);
    assert!(!place.database().exists());
}

#[test]
fn wrong_json_is_refused_with_an_example() {
    let place = Place::new();
    let deliver = |json: &str| place.lamp(&["enqueue", "webhook.deliver", json]);
    deliver("{url: 1}").fails(2, &["webhook.deliver", "not JSON", "line 1 column 2", "\"url\": …"]);
    deliver("").fails(2, &["not JSON"]);
    deliver("[]").fails(2, &["an array and not an object"]);
    deliver("7").fails(2, &["a number and not an object"]);
    assert!(!place.database().exists());
}

#[test]
fn a_wrong_field_is_named() {
    let place = Place::new();
    let deliver = |json: &str| place.lamp(&["enqueue", "webhook.deliver", json]);
    deliver(r#"{"url":"https://example.com","event":"e","paylod":1}"#)
        .fails(2, &["no field \"paylod\", did you mean \"payload\"?", "\"payload\" is a required property"]);
    deliver(r#"{"url":"https://example.com","event":5,"payload":1}"#)
        .fails(2, &["\"event\": value is not of type \"string\""]);
    deliver(r#"{"url":"not a url","event":"e","payload":1}"#).fails(2, &["\"url\":"]);
    place
        .lamp(&["enqueue", "image.thumbnail", r#"{"key":"a.png","sizes":[160,"x"]}"#])
        .fails(2, &["image.thumbnail", "\"sizes.1\": value is not of type"]);
    place.lamp(&["enqueue", "report.daily", r#"{"day":"yesterday"}"#]).fails(2, &["\"day\""]);
    assert!(!place.database().exists());
}

#[test]
fn a_missing_file_is_named() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "@nowhere.json"]).fails(1, &["nowhere.json", "no such file"]);
    place.lamp(&["enqueue", "lamp.ping", "@."]).fails(1, &["cannot read the arguments from ."]);
}

#[test]
fn invalid_times_are_usage_errors() {
    let place = Place::new();
    for args in [["--delay", "soon"], ["--delay", "1 month"], ["--at", "tomorrow"], ["--id", "a b"]] {
        let done = place.lamp(&["enqueue", "lamp.ping", "{}", args[0], args[1]]);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.err.contains(args[1]), "{done:?}");
    }
    let both = place.lamp(&["enqueue", "lamp.ping", "--delay", "1h", "--at", "2026-12-24T18:00:00Z"]);
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let place = Place::new();
    let done = place.lamp(&["enque"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("enqueue"), "{done:?}");
    assert_eq!(place.lamp(&[]).code, 2);
    assert_eq!(place.lamp(&["jobs", "--state", "done"]).code, 2);
    assert_eq!(place.lamp(&["--help"]).code, 0);
}

#[test]
fn reading_a_missing_file_does_not_create_it() {
    let place = Place::new();
    for args in [
        &["jobs"][..],
        &["jobs", "--json"],
        &["job", "x"],
        &["cancel", "x"],
        &["retry", "x"],
        &["dead-letters"],
        &["redrive", "webhooks"],
    ] {
        place.lamp(args).fails(1, &["no jobs file at .lamplighter/jobs.db", "--db FILE"]);
    }
    place.lamp(&["jobs", "--db", "elsewhere.db"]).fails(1, &["no jobs file at elsewhere.db"]);
    assert!(std::fs::read_dir(place.path()).unwrap().next().is_none(), "something was made");
}

#[test]
fn a_file_that_is_no_jobs_file_is_refused() {
    let place = Place::new();
    place.write("notes.db", &"not a database, but long enough to have a header of one hundred bytes. ".repeat(4));
    place.lamp(&["jobs", "--db", "notes.db"]).fails(1, &["notes.db"]);
    place.lamp(&["enqueue", "lamp.ping", "--db", "."]).fails(1, &[]);
}

#[test]
fn a_missing_job_is_named() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "there"]).ok();
    for command in ["job", "cancel", "retry"] {
        place.lamp(&[command, "not-there"]).fails(1, &["no job not-there", "lamp jobs"]);
    }
    place.lamp(&["retry", "there"]).fails(1, &["there has not ended", "queued"]);
    place.lamp(&["dead-letters", "webhoks"]).fails(2, &["no queue \"webhoks\"", "\"webhooks\""]);
}

#[test]
fn an_unreachable_endpoint_is_reported() {
    let place = Place::new();
    // Bound, but not listening: connections are refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/000000000000/reports");
    let mut command = place.command(&["enqueue", "report.daily", "--queue-url", &url]);
    command.envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    let output = assert_cmd::Command::from_std(command).timeout(crate::support::PATIENCE).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.starts_with("error: ") && err.trim_end().lines().count() == 1, "{err}");
    assert!(err.contains(&port.to_string()), "{err}");
}

#[test]
fn a_ping_is_not_sent_to_aws() {
    let place = Place::new();
    place
        .lamp(&["enqueue", "lamp.ping", "--queue-url", "https://sqs.eu-west-1.amazonaws.com/1/lamp"])
        .fails(2, &["lamp.ping is not deployed"]);
}
