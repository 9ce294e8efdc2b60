use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    Definition, Job, Queue, RawValue, Record, Sensitive,
    batch::Membership,
    error::ErrorText,
    message::{Message, Tags},
    record::{Attempt, AttemptOutcome},
    redaction::Redactions,
};

fn query(text: &str) -> Query {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn record(id: &str, job: &str, args: &serde_json::Value) -> Record {
    let args: Box<RawValue> = serde_json::value::to_raw_value(args).unwrap();
    let mut message = Message::new(job, args).unwrap();
    message.tags = Tags::new(["blue", "customer:7"]).unwrap();
    message.schedule = Some("daily".into());
    message.parent = Some(JobId::new("order-1").unwrap());
    message.batch = Some(Membership::of(JobId::new("batch-1").unwrap()));
    let created_at = at("2026-11-28T10:00:00Z");
    let mut record = Record::new(JobId::new(id).unwrap(), "webhooks", JobState::Failed, Arc::new(message), created_at);
    let error = ErrorText { message: "could not send".into(), chain: vec!["Timed out after 30 s".into()] };
    let attempt = Attempt::new(4, "host", (created_at, created_at), AttemptOutcome::Error);
    let attempt = attempt.with_error(Some(error)).with_fingerprint(Some(Fingerprint::from_bits(0x3f9a_5c0d_7be2_1846)));
    record.attempt = 4;
    record.attempts.push(attempt);
    record
}

fn webhook() -> Record {
    let args = json!({
        "order": 42, "open": true, "note": null, "total": 19.5, "to": {"name": "Ada", "e-mail.work": "ada@example.com"},
        "lines": [{"sku": "a"}, {"sku": "b"}], "codes": ["x", "y"], "deep": [[1, 2], [3]],
    });
    record("order-42", "webhook.deliver", &args)
}

#[test]
fn every_term_fits_what_it_says() {
    let now = at("2026-11-28T11:00:00Z");
    for text in [
        "",
        "state:failed,retrying",
        "state:retrying state:failed",
        "-state:succeeded",
        "job:webhook.deliver",
        "job:webhook.*",
        "job:report.daily job:*.deliver",
        "-job:report.*",
        "queue:webhooks",
        "-queue:mails,reports",
        "id:order-42",
        "id:order-*",
        "fp:3f9a5c0d7be21846",
        "fp:3F9A",
        "error:\"timed OUT\"",
        "error:send error:timed",
        "error:nothing,send",
        "since:2h",
        "since:2026-11-28T10:00:00Z",
        "before:\"30 minutes\"",
        "attempt:4",
        "attempt:=4",
        "attempt:>3 attempt:<5 attempt:>=4 attempt:<=4",
        "args.order:42",
        "args.order:41,42",
        "args.open:true args.note:null args.total:19.5",
        "args.to.name:Ada",
        "args.to.\"e-mail.work\":ada@example.com",
        "args.lines.sku:b",
        "args.lines.1.sku:b",
        "args.codes:y",
        "args.codes.0:x",
        "args.deep:3",
        "tag:blue",
        "tag:green,blue tag:customer:7",
        "schedule:daily",
        "batch:batch-1",
        "parent:order-1",
        "order-4",
        "webhook.deliver",
        "webhook.*",
        "  state:failed\torder-42\n",
    ] {
        assert!(query(text).pinned(now).fits(&webhook()), "{text}");
    }
    for text in [
        "state:succeeded",
        "-state:failed",
        "state:failed -state:failed",
        "job:webhook",
        "-job:webhook.*",
        "queue:web",
        "-queue:webhooks",
        "id:order-4",
        "fp:3f9b",
        "error:\"timed in\"",
        "error:send error:nothing",
        "since:30m",
        "since:2026-11-28T10:00:00.000000001Z",
        "before:2h",
        "before:2026-11-28T10:00:00Z",
        "attempt:>4",
        "attempt:3",
        "args.order:4",
        "args.to:Ada",
        "args.to.name.first:Ada",
        "args.lines.2.sku:b",
        "args.lines.0.sku:b",
        "args.codes.1:x",
        "args.nothing:null",
        "tag:green",
        "tag:blue tag:green",
        "schedule:weekly",
        "batch:batch-2",
        "parent:order-42",
        "order-43",
        "deliver",
        "order-42 report.daily",
    ] {
        assert!(!query(text).pinned(now).fits(&webhook()), "{text}");
    }
}

#[test]
fn a_time_ago_has_to_be_pinned() {
    let (ago, now) = (query("since:2h"), at("2026-11-28T11:00:00Z"));
    assert!(!ago.fits(&webhook()) && ago.pinned(now).fits(&webhook()));
    assert_eq!(ago.pinned(now).to_string(), "since:2026-11-28T09:00:00Z");
    assert_eq!(query("before:\"99999 weeks\"").pinned(now).known_before(), Some(When::At(Timestamp::UNIX_EPOCH)));
}

#[test]
fn a_query_is_written_in_one_form() {
    for (typed, written) in [
        ("", ""),
        ("tag:blue state:failed,retrying state:failed", "state:retrying,failed tag:blue"),
        ("error:\"timed out\" error:\"a \\\"b\\\" \\\\ c\"", "error:\"timed out\" error:\"a \\\"b\\\" \\\\ c\""),
        ("since:\"3 days\" before:90m", "since:3d before:90m"),
        ("since:\"1h 30m\" before:1.5s", "since:90m before:1.5s"),
        ("before:2026-12-24T18:00:00+01:00", "before:2026-12-24T17:00:00Z"),
        ("attempt:=3 attempt:>=4", "attempt:3 attempt:>=4"),
        ("args.\"a\".\"b.c\":\"x,y\",z", "args.a.\"b.c\":\"x,y\",z"),
        ("fp:3F9A", "fp:3f9a"),
        (
            "\"state:failed\" \"-x\" digest.daily@2026-11-01T06:00:00Z",
            "\"state:failed\" \"-x\" \"digest.daily@2026-11-01T06:00:00Z\"",
        ),
        ("-job:a,b -queue:c", "-job:a,b -queue:c"),
        ("parent:a batch:b schedule:c", "schedule:c batch:b parent:a"),
    ] {
        assert_eq!(query(typed).to_string(), written, "{typed}");
        assert_eq!(query(written), query(typed), "{typed}");
    }
    let built = Query::new().state(JobState::Failed).job("webhook.*").queue("").error("timed out");
    assert_eq!(built, query("state:failed job:webhook.* error:\"timed out\""));
    assert!(Query::new().queue("").is_all() && !built.is_all());
}

#[test]
fn what_is_wrong_names_the_term_and_what_is_right() {
    for (text, says, near) in [
        ("stat:failed", "stat:failed: stat is not a key; keys are state, job,", Some("state:")),
        ("queu:a", "not a key", Some("queue:")),
        ("order:42", "other text with a colon is quoted", None),
        ("state:faild", "state:faild: \"faild\" is not a state", Some("failed")),
        ("state:", "a value is missing behind state:", None),
        ("state:failed,", "a value is missing", None),
        ("job:\"\"", "a value is empty; write it, like job:webhook.*", None),
        ("fp:3f9", "16 hexadecimal digits, of which 4 are enough", None),
        ("fp:xyzw", "like fp:3f9a5c0d7be21846", None),
        ("since:yesterday", "or a time ago such as 2h, like since:2h", None),
        ("since:2h since:3h", "since:3h: since: is there twice", None),
        ("since:1h,2h", "it takes one value", None),
        ("before:\"1 month\"", "a time ago", None),
        ("attempt:x", "a whole number", None),
        ("attempt:>-1", "a whole number", None),
        ("attempt:99999999999", "a whole number", None),
        ("args:x", "the way to a field, like args.order:42", None),
        ("args..a:x", "a field's name is missing", None),
        ("-tag:blue", "only terms of state, job and queue", None),
        ("-blue", "a - negates a term such as -job:report.weekly", None),
        ("error:\"open", "a quote is missing", None),
        ("error:\"a\"b", "a space is missing behind a quote", None),
        ("\"\"", "an empty text fits everything", None),
    ] {
        let error = text.parse::<Query>().unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
        assert_eq!(error.nearest(), near, "{text}");
        assert_eq!(error.to_string().contains("did you mean"), near.is_some(), "{text}: {error}");
        assert!(text.starts_with(error.term().unwrap()) || text.ends_with(error.term().unwrap()), "{text}: {error}");
    }
    let deep = format!("args{}:x", ".a".repeat(17));
    assert!(deep.parse::<Query>().unwrap_err().to_string().contains("at most 16 steps"));
}

#[test]
fn a_query_has_a_bounded_length() {
    assert!(vec!["a"; 50].join(" ").parse::<Query>().is_ok());
    let error = vec!["a"; 51].join(" ").parse::<Query>().unwrap_err();
    assert_eq!(error.to_string(), "a query has at most 50 terms");
    assert!("ü".repeat(2000).parse::<Query>().is_ok());
    let error = "ü".repeat(2001).parse::<Query>().unwrap_err();
    assert_eq!((error.to_string(), error.term()), ("a query has at most 2000 characters".into(), None));
    let long = format!("x:{}\u{1b}", "y".repeat(500)).parse::<Query>().unwrap_err();
    assert!(long.term().is_some_and(|term| term.chars().count() == 81 && term.ends_with('…')), "{long}");
}

#[test]
fn every_key_has_an_example_that_is_right() {
    for (key, example) in KEYS {
        let written = query(example).to_string();
        assert!(written.starts_with(key), "{example}: {written}");
    }
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Pay {
    order: u32,
    card: Sensitive<String>,
    lines: Vec<Line>,
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Line {
    code: Sensitive<String>,
}

impl Job for Pay {
    const NAME: &'static str = "order.pay";
    const QUEUE: Queue = Queue::standard("orders");
}

#[test]
fn hidden_values_are_found_by_no_term() {
    let redactions = Redactions::of([&Definition::of::<Pay>()]);
    let args = json!({"order": 42, "card": "4111", "lines": [{"code": "s3cret"}]});
    let mut paid = record("pay-1", Pay::NAME, &args);
    paid.attempts[0].error = Some(ErrorText { message: "no card s3cret".into(), chain: vec![] });
    let stranger = record("other-1", "unknown.job", &args);
    for text in ["args.card:4111", "args.lines.code:s3cret", "args.lines.0.code:s3cret", "error:s3cret"] {
        assert!(query(text).fits(&paid), "{text}");
        assert!(!query(text).fits_shown(&paid, &redactions), "{text}");
        assert!(!Search::new(query(text)).with_redactions(redactions.clone()).fits(&paid), "{text}");
        assert!(Search::new(query(text)).fits(&paid), "{text}");
    }
    for text in ["args.card:\"[redacted]\"", "args.card:[redacted]"] {
        assert!(!query(text).fits_shown(&paid, &redactions), "{text}");
    }
    assert!(query("args.order:42 error:card order.pay").fits_shown(&paid, &redactions));
    assert!(query("args.order:42").fits(&stranger) && !query("args.order:42").fits_shown(&stranger, &redactions));
    assert!(query("tag:blue").fits_shown(&stranger, &redactions));
}

fn values() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("\\PC{1,6}|[a-z \",:\\\\*\n-]{1,6}", 0..3)
}

fn some_query() -> impl Strategy<Value = Query> {
    let states = || proptest::collection::vec(proptest::sample::select(JobState::ALL.to_vec()), 0..3);
    let whens = prop_oneof![
        Just(None),
        (0i64..253_402_207_200, 0..1_000_000_000i32)
            .prop_map(|(second, nano)| Some(When::at(Timestamp::new(second, nano).unwrap()))),
        (0u64..10_000_000_000, 0u32..1_000_000_000)
            .prop_map(|(secs, nanos)| Some(When::Ago(std::time::Duration::new(secs, nanos)))),
        (0u64..100_000).prop_map(|hours| Some(When::Ago(std::time::Duration::from_secs(hours * 3600)))),
    ];
    let names = (values(), values(), values(), values(), values(), values());
    let more = (values(), values(), values(), "[a-f0-9]{4,16}", 0u32..9, ".{0,5}", whens.clone(), whens);
    (states(), states(), names, more).prop_map(|(states, without, names, more)| {
        let mut query = states.into_iter().fold(Query::new(), Query::state);
        query = without.into_iter().fold(query, Query::without_state);
        for name in names.0 {
            query = query.job(&name).without_queue(&name);
        }
        query = names.1.iter().fold(query, |query, name| query.without_job(name));
        query = names.2.iter().fold(query, |query, name| query.queue(name).id(name));
        query = names.3.iter().fold(query, |query, name| query.schedule(name));
        query = names.4.iter().fold(query, |query, name| query.text(name));
        query = names.5.iter().fold(query, |query, name| query.tag(name).error(name));
        for list in [more.0, more.1] {
            if !list.is_empty() {
                query.errors.push(list.clone());
                query.args.push(ArgumentTerm { path: list.clone(), values: vec![more.5.clone(), "x".into()] });
                query.tags.push(list);
            }
        }
        query.fingerprints = vec![more.3];
        for comparison in [Comparison::Equal, Comparison::AtMost, Comparison::More] {
            query.attempts.push(AttemptTerm { comparison, number: more.4 });
        }
        (query.since, query.before) = (more.6, more.7);
        query
    })
}

proptest! {
    #[test]
    fn queries_round_trip(query in some_query()) {
        let text = query.to_string();
        prop_assume!(text.chars().count() <= Query::MAX_CHARS);
        let again = text.parse::<Query>();
        prop_assert_eq!(again.as_ref(), Ok(&query), "{}", text);
        prop_assert_eq!(again.unwrap().to_string(), text);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}", typed in "[a-z:.,\"\\\\ -]{0,30}", key in proptest::sample::select(KEYS)) {
        for text in [&text, &typed, &format!("{}:{typed}", key.0), &format!("{} {typed}", key.1)] {
            if let Ok(query) = text.parse::<Query>() {
                prop_assert_eq!(&query.to_string().parse::<Query>().unwrap(), &query);
                let _ = query.pinned(Timestamp::UNIX_EPOCH).fits(&webhook());
            }
        }
    }
}
