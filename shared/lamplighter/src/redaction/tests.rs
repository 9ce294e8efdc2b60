use std::collections::BTreeMap;

use proptest::prelude::*;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    error::ErrorText,
    job::{Definition, Job},
    queue::Queue,
    sensitive::Sensitive,
};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Login {
    user: String,
    password: Sensitive<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
enum Access {
    Anonymous,
    Token(Sensitive<String>),
    Login(Login),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
enum Tagged {
    Open { token: String },
    Closed { token: Sensitive<String> },
}

/// A type that holds itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Node {
    #[serde(default)]
    key: Option<Sensitive<String>>,
    #[serde(default)]
    inner: Vec<Node>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct All {
    name: String,
    #[serde(default)]
    token: Option<Sensitive<String>>,
    #[serde(default)]
    pin: Option<Sensitive<u64>>,
    #[serde(default)]
    logins: Vec<Login>,
    #[serde(default)]
    access: Option<Access>,
    #[serde(default)]
    tagged: Option<Tagged>,
    #[serde(default)]
    headers: BTreeMap<String, Sensitive<String>>,
    #[serde(default)]
    cookies: Sensitive<BTreeMap<String, String>>,
    #[serde(default)]
    pair: Option<(u8, Sensitive<String>)>,
    #[serde(default)]
    tree: Option<Node>,
    #[serde(default)]
    #[schemars(extend("x-sensitive" = true))]
    by_schema: Option<String>,
    #[serde(default = "nothing")]
    payload: Box<RawValue>,
}

impl Job for All {
    const NAME: &'static str = "test.all";
    const QUEUE: Queue = Queue::standard("test");
}

fn nothing() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

fn redaction() -> Redaction {
    Redaction::of(schema_for!(All)).unwrap()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn shown(args: &str) -> String {
    redaction().args(&raw(args)).get().to_owned()
}

fn cleaned(args: &str, text: &str) -> String {
    redaction().redactor(&raw(args)).text(text).into_owned()
}

#[test]
fn a_type_without_a_mark_needs_no_redaction() {
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Plain {
        name: String,
        lines: Vec<Option<BTreeMap<String, u8>>>,
    }
    assert!(Redaction::of(schema_for!(Plain)).is_none());
}

#[test]
fn sensitive_values_are_hidden_wherever_they_stand() {
    for (args, expected) in [
        (r#"{"name":"a","token":"S3CRET"}"#, r#"{"name":"a","token":"[redacted]"}"#),
        (r#"{ "name" : "a" , "token" : null }"#, r#"{"name":"a","token":null}"#),
        (r#"{"pin":73537}"#, r#"{"pin":"[redacted]"}"#),
        (
            r#"{"logins":[{"user":"ada","password":"S3CRET"},{"user":"S3CRE"}]}"#,
            r#"{"logins":[{"user":"ada","password":"[redacted]"},{"user":"S3CRE"}]}"#,
        ),
        (r#"{"access":"Anonymous"}"#, r#"{"access":"Anonymous"}"#),
        (r#"{"access":{"Token":"S3CRET"}}"#, r#"{"access":{"Token":"[redacted]"}}"#),
        (
            r#"{"access":{"Login":{"user":"ada","password":"S3CRET"}}}"#,
            r#"{"access":{"Login":{"user":"ada","password":"[redacted]"}}}"#,
        ),
        // One of the variants hides it, and which one it is is not looked at.
        (r#"{"tagged":{"kind":"Open","token":"x"}}"#, r#"{"tagged":{"kind":"Open","token":"[redacted]"}}"#),
        (r#"{"headers":{"a":"S3CRET"}}"#, r#"{"headers":{"a":"[redacted]"}}"#),
        (r#"{"cookies":{"S3CRET":"S3CRET"}}"#, r#"{"cookies":"[redacted]"}"#),
        (r#"{"pair":[1,"S3CRET"]}"#, r#"{"pair":[1,"[redacted]"]}"#),
        (
            r#"{"tree":{"key":"S3CRET","inner":[{"inner":[{"key":"S3CRET","inner":[]}]},{}]}}"#,
            r#"{"tree":{"key":"[redacted]","inner":[{"inner":[{"key":"[redacted]","inner":[]}]},{}]}}"#,
        ),
        (r#"{"by_schema":"S3CRET"}"#, r#"{"by_schema":"[redacted]"}"#),
        (r#"{}"#, r#"{}"#),
        (r#"{ }"#, r#"{}"#),
    ] {
        assert_eq!(shown(args), expected, "{args}");
    }
}

#[test]
fn what_is_not_sensitive_keeps_its_bytes() {
    let payload = r#"{"n":123456789012345678901, "price":19.90,"a":2,"a":3,"huge":1e400,"text":"\ud800\u00e9<"}"#;
    let args = format!(r#"{{"name":"\u00e9","payload":{payload},"token":"S3CRET"}}"#);
    assert_eq!(shown(&args), format!(r#"{{"name":"\u00e9","payload":{payload},"token":"[redacted]"}}"#));
}

#[test]
fn beside_a_sensitive_value_what_nobody_describes_is_hidden() {
    for (args, expected) in [
        // A misspelt field, or an alias that only serde knows.
        (r#"{"name":"a","tokn":"S3CRET"}"#, r#"{"name":"a","tokn":"[redacted]"}"#),
        (r#"{"logins":[{"pasword":"S3CRET"}]}"#, r#"{"logins":[{"pasword":"[redacted]"}]}"#),
        // A value of another type than the one that holds the sensitive one.
        (r#"{"logins":"S3CRET"}"#, r#"{"logins":"[redacted]"}"#),
        (r#"{"logins":{"a":"S3CRET"}}"#, r#"{"logins":{"a":"[redacted]"}}"#),
        (r#"{"access":["S3CRET"]}"#, r#"{"access":["[redacted]"]}"#),
        (r#"{"pair":[1,"S3CRET","S3CRET"]}"#, r#"{"pair":[1,"[redacted]","[redacted]"]}"#),
        (r#"{"token":{"a":["S3CRET"]}}"#, r#"{"token":"[redacted]"}"#),
        // Twice, and with a name that is no text.
        (r#"{"token":"S3CRET","token":"S3CRET"}"#, r#"{"token":"[redacted]","token":"[redacted]"}"#),
        (r#"{"\ud800":"S3CRET"}"#, r#"{"\ud800":"[redacted]"}"#),
        (r#"{"t\u006fken":"S3CRET"}"#, r#"{"t\u006fken":"[redacted]"}"#),
    ] {
        assert_eq!(shown(args), expected, "{args}");
    }
}

#[test]
fn a_reference_that_leads_nowhere_hides_what_stands_there() {
    let schema = |reference: &str| {
        let text = format!(
            r##"{{"properties":{{"a":{{"$ref":"{reference}"}},"b":{{}}}},"$defs":{{"x y":{{"x-sensitive":true}}}}}}"##
        );
        Redaction::of(serde_json::from_str(&text).unwrap()).unwrap()
    };
    for reference in ["#/$defs/gone", "https://example.com/schema", "#/$defs/x%20y", "#/$defs/x y"] {
        let args = schema(reference).args(&raw(r#"{"a":"S3CRET","b":1}"#));
        assert_eq!(args.get(), r#"{"a":"[redacted]","b":1}"#, "{reference}");
    }
}

#[test]
fn values_are_found_in_texts_however_they_are_written() {
    let args = r#"{"token":"päss \"word\"\n1/2","pin":73537}"#;
    for (text, expected) in [
        ("bad token päss \"word\"\n1/2!", "bad token [redacted]!"),
        (r#"in JSON: {"token":"päss \"word\"\n1/2"}"#, r#"in JSON: {"token":"[redacted]"}"#),
        (r#"by Debug: "päss \"word\"\n1/2""#, r#"by Debug: "[redacted]""#),
        ("http://a/?t=p%C3%A4ss%20%22word%22%0A1%2F2&u=1", "http://a/?t=[redacted]&u=1"),
        ("a line of it: päss \"word\" is wrong", "a line of it: [redacted] is wrong"),
        ("pin 73537 is wrong", "pin [redacted] is wrong"),
        ("pin=73537", "pin=[redacted]"),
        ("took 735370 ms, 173537 bytes", "took 735370 ms, 173537 bytes"),
        ("päss word", "päss word"),
        ("", ""),
    ] {
        assert_eq!(cleaned(args, text), expected, "{text}");
    }
    // As its sender wrote it.
    assert_eq!(cleaned(r#"{"token":"\u0070\u00e4ssword"}"#, r"in \u0070\u00e4ssword"), "in [redacted]");
    assert_eq!(cleaned(r#"{"token":"\ud800abcd"}"#, r#"in "\ud800abcd""#), r#"in "[redacted]""#);
}

#[test]
fn values_that_overlap_or_touch_leave_nothing_of_either() {
    let args = r#"{"headers":{"a":"abcdef","b":"defghi","c":"xyzxyz"}}"#;
    assert_eq!(cleaned(args, "<abcdefghi>"), "<[redacted]>");
    assert_eq!(cleaned(args, "abcdefxyzxyz"), "[redacted]");
    assert_eq!(cleaned(args, "abcdef and defghi"), "[redacted] and [redacted]");
}

#[test]
fn short_values_are_found_as_whole_words_only() {
    let args = r#"{"token":"a","pin":7,"headers":{"x":"   ","y":"","z":"-é-"}}"#;
    assert_eq!(cleaned(args, "a bad day at 7, not 77"), "[redacted] bad day at [redacted], not 77");
    assert_eq!(cleaned(args, "(-é-) -é-s  s-é-"), "([redacted]) -é-s  s-é-");
    assert_eq!(
        cleaned(r#"{"token":"true"}"#, "it is untrue"),
        "it is un[redacted]",
        "from four characters on, anywhere"
    );
    assert_eq!(cleaned(r#"{"token":true}"#, "true and null"), "true and null", "no secret");
}

#[test]
fn keys_of_a_sensitive_map_are_values_and_names_of_fields_are_not() {
    let args = r#"{"cookies":{"session-key":"abcdefgh"},"tokn":{"user":"x"}}"#;
    let text = cleaned(args, "session-key abcdefgh: missing field `user`, `password`");
    assert_eq!(text, "[redacted] [redacted]: missing field `user`, `password`");
}

#[test]
fn a_huge_value_and_very_many_leave_no_part_behind() {
    let huge = "x9".repeat(200_000);
    let args = format!(r#"{{"token":"{huge}"}}"#);
    let redactor = redaction().redactor(&raw(&args));
    let text = redactor.text(&format!("wrong: {huge}!")).into_owned();
    assert_eq!(text, "wrong: [redacted]!");
    // Cut before it gets here, it could not be found: so texts are cut afterwards.
    let error = crate::JobError::fail(format!("{} {huge}", "y".repeat(ErrorText::MAX_LEN - 20)));
    let text = error.redacted_text(Some(&redactor)).message;
    assert!(text.ends_with("y [redacted]"), "{}", &text[text.len() - 60..]);

    let many: Vec<String> = (0..2000).map(|number| format!(r#""{number}":"secret-{number}""#)).collect();
    let args = format!(r#"{{"headers":{{{}}}}}"#, many.join(","));
    assert_eq!(cleaned(&args, "anything"), "[redacted]", "too many to look for");
    assert!(!shown(&args).contains("secret-"));

    let some: Vec<String> = (0..500).map(|number| format!(r#""{number}":"secret-{number}""#)).collect();
    let args = format!(r#"{{"headers":{{{}}}}}"#, some.join(","));
    assert_eq!(cleaned(&args, &"a".repeat(10_000_000)), "[redacted]", "too much to look through");
}

#[test]
fn arguments_nested_as_deeply_as_json_may_be_are_walked_through() {
    let depth = 60;
    let args = format!(r#"{{"tree":{}{{"key":"S3CRET"}}{}}}"#, r#"{"inner":["#.repeat(depth), "]}".repeat(depth));
    assert!(!shown(&args).contains("S3CRET"));
    assert_eq!(cleaned(&args, "no S3CRET"), "no [redacted]");
}

#[test]
fn an_error_and_json_are_cleaned_in_all_their_parts() {
    let redactor = redaction().redactor(&raw(r#"{"token":"S3CRET","pin":73537}"#));
    let error = ErrorText { message: "no S3CRET".into(), chain: vec!["S3CRET".into(), "fine".into()] };
    let cleaned = ErrorText { message: "no [redacted]".into(), chain: vec!["[redacted]".into(), "fine".into()] };
    assert_eq!(redactor.error(&error), cleaned);

    let plain = raw(r#"{ "n": 1e400, "t": "\u00e9" }"#);
    assert_eq!(redactor.json(&plain).get(), plain.get(), "nothing is found, and the bytes stay");
    let json = raw(r#"{"S3CRET":["a S3CRET",73537,true,null,1]}"#);
    assert_eq!(redactor.json(&json).get(), r#"{"[redacted]":["a [redacted]","[redacted]",true,null,1]}"#);
    let broken = raw(r#"["S3CRET","\ud800"]"#);
    assert_eq!(redactor.json(&broken).get(), r#""[redacted]""#);
}

#[test]
fn a_path_ends_where_a_sensitive_value_begins() {
    let redaction = redaction();
    for (path, visible) in [
        (&["name"][..], 1),
        (&["token", "x"], 1),
        (&["cookies", "S3CRET"], 1),
        (&["headers", "a"], 2),
        (&["logins", "0", "user"], 3),
        (&["logins", "0", "S3CRET"], 2),
        (&["payload", "any", "1", "thing"], 4),
        (&["S3CRET"], 0),
    ] {
        assert_eq!(redaction.visible_steps(path.iter().copied()), visible, "{path:?}");
    }
}

#[test]
fn whether_a_path_is_shown_is_known_where_no_argument_changes_it() {
    let redaction = Definition::of::<All>().redaction().unwrap();
    let shows = |path: &str| redaction.shows(&path.split('.').map(str::to_owned).collect::<Vec<_>>());
    for path in ["name", "payload", "payload.any.thing", "tagged.kind", "access.Login.user"] {
        assert_eq!(shows(path), Some(true), "{path}");
    }
    for path in [
        "token",
        "headers.any",
        "cookies.any",
        "tagged.token",
        "tree.key",
        "by_schema",
        "nowhere",
        "access.Login.password",
    ] {
        assert_eq!(shows(path), Some(false), "{path}");
    }
    // A list is looked into; and what holds sensitive values is shown in part.
    for path in ["logins", "logins.user", "pair.0", "tree.inner.key", "tree"] {
        assert_eq!(shows(path), None, "{path}");
    }
}

#[test]
fn records_and_messages_are_shown_by_what_is_known_of_their_jobs() {
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Plain {}
    impl Job for Plain {
        const NAME: &'static str = "test.plain";
        const QUEUE: Queue = Queue::standard("test");
    }
    let redactions = Redactions::of(&[Definition::of::<All>(), Definition::of::<Plain>()]);
    let error = r#"{"message":"no S3CRET","chain":["S3CRET"]}"#;
    let record = |job: &str| {
        let json = format!(
            r#"{{"id":"a","queue":"test","state":"failed","message":{{"job":"{job}","args":{{"token":"S3CRET"}},"x":1}},
            "created_at":"2026-01-01T00:00:00Z","due_at":"2026-01-01T00:00:00Z","attempt":1,"output":["S3CRET"],
            "checkpoint":"S3CRET","attempts":[{{"number":1,"started_at":"2026-01-01T00:00:00Z",
            "ended_at":"2026-01-01T00:00:00Z","host":"h","outcome":"error","error":{error}}}]}}"#
        );
        redactions.record(serde_json::from_str(&json).unwrap())
    };
    let all = record("test.all");
    assert!(!serde_json::to_string(&all).unwrap().contains("S3CRET"), "{all:?}");
    assert_eq!(all.message.args.get(), r#"{"token":"[redacted]"}"#);
    assert_eq!(all.last_error().unwrap().to_string(), "no [redacted]: [redacted]");
    let plain = record("test.plain");
    assert_eq!((plain.message.args.get(), plain.output.unwrap().get()), (r#"{"token":"S3CRET"}"#, r#"["S3CRET"]"#));
    let unknown = record("test.unknown");
    let values = [&unknown.message.args, unknown.output.as_ref().unwrap(), unknown.checkpoint.as_ref().unwrap()];
    assert_eq!(values.map(|value| value.get()), [r#""[redacted]""#; 3]);
    let batch = r#"{"id":"a","queue":"-","state":"failed","message":{"job":"batch","args":{}},"output":{"total":3},
        "created_at":"2026-01-01T00:00:00Z","due_at":"2026-01-01T00:00:00Z","attempt":0,"attempts":[]}"#;
    let batch = redactions.record(serde_json::from_str(batch).unwrap());
    assert_eq!((batch.message.args.get(), batch.output.unwrap().get()), ("{}", r#"{"total":3}"#));

    let body = |job: &str| format!(r#"{{"job":"{job}", "args":{{"token":"S3CRET"}},"x":1}}"#);
    assert_eq!(redactions.body(&body("test.all")), r#"{"job":"test.all","args":{"token":"[redacted]"},"x":1}"#);
    assert_eq!(redactions.body(&body("test.plain")), body("test.plain"));
    assert_eq!(redactions.body(&body("test.unknown")), r#"{"job":"test.unknown","args":"[redacted]","x":1}"#);
    assert_eq!(redactions.body(r#"{"job":"test.all","args":{"token":"S3CR"#), "[redacted]");
    assert_eq!(redactions.error(&body("test.all"), "no S3CRET"), "no [redacted]");
    assert_eq!(redactions.error(&body("test.plain"), "no S3CRET"), "no S3CRET");
    assert_eq!(redactions.error("no message", "not a job message"), "not a job message");
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof!["[\\PC\\n\\t\"\\\\]{4,40}", "[a-z]{4,8}", "[ -~]{4,200}"]
        .prop_filter("it is looked for without the space around it", |text| text.trim().chars().count() >= 4)
}

proptest! {
    #[test]
    fn no_text_keeps_a_value(secrets in prop::collection::vec(secret(), 1..5), pieces in prop::collection::vec("[ -~é]{0,20}", 6)) {
        let headers: BTreeMap<String, &String> =
            secrets.iter().enumerate().map(|(place, secret)| (place.to_string(), secret)).collect();
        let args = serde_json::json!({ "headers": headers, "payload": pieces }).to_string();
        let redactor = redaction().redactor(&raw(&args));
        let written: [fn(&String) -> String; 3] =
            [String::clone, |text| serde_json::to_string(text).unwrap(), |text| format!("{text:?}")];
        for write in written {
            let mut text = pieces[5].clone();
            for (piece, secret) in pieces.iter().zip(&secrets) {
                text.push_str(piece);
                text.push_str(&write(secret));
            }
            let clean = redactor.text(&text);
            for secret in &secrets {
                let part_of_ours = secrets.iter().any(|_| "[redacted]".contains(secret.trim()));
                prop_assert!(part_of_ours || !clean.contains(secret.trim()), "{:?} in {:?}", secret, clean);
            }
        }
        prop_assert!(serde_json::from_str::<Value>(redaction().args(&raw(&args)).get()).is_ok());
    }
}

mod restored {
    use super::*;

    fn raw(text: &str) -> Box<serde_json::value::RawValue> {
        serde_json::value::RawValue::from_string(text.to_owned()).unwrap()
    }

    fn restored(edited: &str, original: Option<&str>) -> Result<String, String> {
        let redaction = Redaction::of(schema_for!(All)).unwrap();
        let original = original.map(raw);
        let restored = redaction.restored(&raw(edited), original.as_deref());
        restored.map(|json| json.get().to_owned()).map_err(|error| error.to_string())
    }

    const ORIGINAL: &str = r#"{"name":"ada","token":"t1","pin":12,"logins":[{"user":"a","password":"p1"},{"user":"b","password":"p2"}],"headers":{"x":"h1"},"typo":"secret?"}"#;

    #[test]
    fn hidden_values_that_were_left_are_kept() {
        let redaction = Redaction::of(schema_for!(All)).unwrap();
        let shown = redaction.args(&raw(ORIGINAL));
        assert!(!shown.get().contains("p1") && !shown.get().contains("secret?"));
        assert_eq!(restored(shown.get(), Some(ORIGINAL)).as_deref(), Ok(ORIGINAL));
        let edited = shown.get().replacen("\"ada\"", "\"eve\"", 1);
        assert_eq!(restored(&edited, Some(ORIGINAL)).unwrap(), ORIGINAL.replacen("ada", "eve", 1));
    }

    #[test]
    fn values_that_were_written_anew_are_taken() {
        let edited = r#"{"name":"ada","token":"t2","pin":"[redacted]","logins":[]}"#;
        assert_eq!(restored(edited, Some(ORIGINAL)).unwrap(), r#"{"name":"ada","token":"t2","pin":12,"logins":[]}"#);
    }

    /// Nobody gets a secret to where it can be read.
    #[test]
    fn hidden_values_stay_in_their_places() {
        let moved = r#"{"name":"[redacted]","token":null}"#;
        assert_eq!(restored(moved, Some(ORIGINAL)).as_deref(), Ok(moved));
        // Another length: which item it was is not known.
        let fewer = r#"{"name":"ada","logins":[{"user":"b","password":"[redacted]"}]}"#;
        let error = restored(fewer, Some(ORIGINAL)).unwrap_err();
        assert!(error.contains("logins.0.password") && !error.contains("p1"), "{error}");
    }

    #[test]
    fn a_hidden_value_without_an_original_is_refused() {
        assert!(restored(r#"{"name":"ada","token":"[redacted]"}"#, None).is_err());
        assert!(restored(r#"{"name":"ada","token":"[redacted]"}"#, Some(r#"{"name":"ada"}"#)).is_err());
        assert!(restored(r#"{"name":"ada","headers":{"y":"[redacted]"}}"#, Some(ORIGINAL)).is_err());
        assert!(restored(r#"{"name":"[redacted]"}"#, None).is_ok());
    }
}

/// JSON with a text within so many lists.
fn nested(levels: usize, text: &str) -> String {
    format!("{}{text:?}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn values_in_deeper_nests_than_a_stack_has_room_for_are_hidden() {
    const LEVELS: usize = 10_000;
    let deep = nested(LEVELS, "S3CRET");
    let nodes = format!("{}{}{}", r#"{"inner":["#.repeat(LEVELS), r#"{"key":"S3CRET"}"#, "]}".repeat(LEVELS));
    for field in ["unknown", "token", "cookies", "access", "tree", "logins"] {
        for value in [&deep, &nodes] {
            let args = format!(r#"{{"name":"a",{field:?}:{value}}}"#);
            let shown = shown(&args);
            assert!(!shown.contains("S3CRET") && shown.contains(r#""name":"a""#), "{field}: {shown:.200}");
            assert!(!cleaned(&args, "it was S3CRET").contains("S3CRET"), "{field}");
            let restored = redaction().restored(&raw(&shown), Some(&raw(&args)));
            assert!(restored.is_err() || restored.is_ok_and(|restored| restored.get() == args), "{field}");
            let unlike = redaction().restored(&raw(&args), Some(&raw(&shown)));
            assert!(unlike.is_err() || unlike.is_ok_and(|unlike| unlike.get() == args), "{field}");
        }
    }
    let payload = format!(r#"{{"name":"a","payload":{deep}}}"#);
    assert_eq!(shown(&payload), payload, "what is not sensitive may be as deep as it likes");
}

#[test]
fn values_as_deep_as_a_type_is_read_are_found() {
    let tree = format!("{}{}{}", r#"{"inner":["#.repeat(50), r#"{"key":"S3CRET"}"#, "]}".repeat(50));
    let args = format!(r#"{{"name":"a","tree":{tree}}}"#);
    let expected = args.replace("S3CRET", "[redacted]");
    assert_eq!(shown(&args), expected);
    assert_eq!(cleaned(&args, "it was S3CRET"), "it was [redacted]");
    assert_eq!(redaction().restored(&raw(&expected), Some(&raw(&args))).unwrap().get(), args);
}
