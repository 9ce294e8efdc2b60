//! The files derived for Azure, and the refused definitions.

use std::{collections::BTreeSet, fs};

use lamplighter::{
    App, Context, EventTrigger, Function, Job, JobError, Options, Queue, Retry, Setting, days, mins,
    schedule::{Misfire, Schedule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::*;
use crate::test_app::shop;

macro_rules! job {
    ($type:ident, $name:literal, $queue:expr, $options:expr) => {
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        struct $type {}

        impl Job for $type {
            const NAME: &'static str = $name;
            const QUEUE: Queue = $queue;

            fn options() -> Options {
                $options
            }
        }
    };
}

job!(Slow, "slow.act", Queue::standard("slow-ones"), Options::new().timeout(mins(10)));
job!(Other, "other.act", Queue::standard("others"), Options::new());
job!(Ordered, "ordered.act", Queue::fifo("In_Order"), Options::new());
job!(Patient, "patient.act", Queue::standard("patient"), Options::new().retry(Retry::fixed(days(8)).attempts(2)));

async fn act<J: Job>(_: J, _: Context) -> Result<(), JobError> {
    Ok(())
}

fn derive(app: &App) -> AzureFiles {
    AzureFiles::derive(app, "handler").unwrap()
}

fn json(files: &AzureFiles, path: &str) -> Value {
    serde_json::from_str(files.get(path).unwrap()).unwrap()
}

fn problems(app: &App) -> String {
    AzureFiles::derive(app, "handler").unwrap_err().to_string()
}

#[test]
fn each_queue_and_each_enabled_schedule_has_a_trigger() {
    let slow = || Function::new("slow").job(act::<Slow>).with_state(());
    let schedule = |schedule: Schedule| schedule.starts(&Slow {}).unwrap();
    let app = shop().function(slow).schedules([
        schedule(Schedule::cron("nightly", "0 2 * * 1-5").unwrap()),
        schedule(Schedule::rate("often", mins(5)).unwrap().enabled(false)),
    ]);
    let files = derive(&app);
    let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
    let expected = [
        "azuredeploy.json",
        "host.json",
        "queue-mails/function.json",
        "queue-slow-ones/function.json",
        "timer-nightly/function.json",
    ];
    assert_eq!(paths, expected);

    let queue = &json(&files, "queue-mails/function.json")["bindings"][0];
    assert_eq!((&queue["type"], &queue["queueName"]), (&"queueTrigger".into(), &"mails".into()));
    let timer = json(&files, "timer-nightly/function.json");
    assert_eq!(timer["bindings"][0]["schedule"], "0 0 2 * * 1-5");
    assert_eq!((&timer["retry"]["maxRetryCount"], &timer["retry"]["delayInterval"]), (&30.into(), &"00:00:10".into()));

    let host = json(&files, "host.json");
    // Ten minutes, the function's margin, the time to settle, and the host's margin.
    assert_eq!(host["functionTimeout"], "00:10:40");
    let queues = &host["extensions"]["queues"];
    assert_eq!((&queues["maxDequeueCount"], &queues["visibilityTimeout"]), (&5.into(), &"00:00:30".into()));
    assert_eq!(host["customHandler"]["description"]["defaultExecutablePath"], "handler");
    let template = json(&files, "azuredeploy.json");
    let names = serde_json::json!(["mails", "mails-poison", "slow-ones", "slow-ones-poison"]);
    assert_eq!(template["variables"]["queues"], names);
}

#[test]
fn no_more_messages_are_fetched_than_a_function_may_run() {
    let batch = |jobs: usize| {
        let files = derive(
            &App::new("slow").function(move || Function::new("slow").concurrency(jobs).job(act::<Slow>).with_state(())),
        );
        let queues = &json(&files, "host.json")["extensions"]["queues"];
        (queues["batchSize"].as_u64().unwrap(), queues["newBatchThreshold"].as_u64().unwrap())
    };
    assert_eq!([batch(1), batch(20), batch(24)], [(1, 0), (16, 0), (16, 8)]);
}

#[test]
fn settings_become_parameters_and_secrets_are_not_shown() {
    let function = || {
        Function::new("slow")
            .memory_mb(1024)
            .environment("MODE", "[fast]")
            .setting(Setting::secret("LAMPLIGHTER_TOKEN", "The token"))
            .setting(Setting::secret_arns("LAMPLIGHTER_ARNS", "Secrets of AWS"))
            .uses_objects()
            .job(act::<Slow>)
            .with_state(())
    };
    let template = json(&derive(&App::new("slow").function(function)), "azuredeploy.json");
    assert_eq!(template["parameters"]["Token"]["type"], "securestring");
    assert_eq!(template["parameters"]["instanceMemoryMB"]["defaultValue"], 2048);
    assert!(template["parameters"]["Arns"].is_null());
    let resources = template["resources"].as_array().unwrap();
    let site = resources.iter().find(|resource| resource["type"] == "Microsoft.Web/sites").unwrap();
    let settings = site["properties"]["siteConfig"]["appSettings"].as_array().unwrap();
    let value = |name: &str| settings.iter().find(|setting| setting["name"] == name).map(|setting| &setting["value"]);
    assert_eq!(value("LAMPLIGHTER_TOKEN").unwrap(), "[parameters('Token')]");
    assert_eq!(value("MODE").unwrap(), "[[fast]", "a text, not an expression");
    assert_eq!(value("LAMPLIGHTER_OBJECTS").unwrap(), "[parameters('Objects')]");
    assert_eq!(value("LAMPLIGHTER_ARNS"), None);
}

/// Collects all texts of a template.
fn texts(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) => all.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, all)),
        Value::Object(members) => members.values().for_each(|member| texts(member, all)),
        _ => {}
    }
}

/// Returns the names in `function('name')` in the expressions of a template.
fn named(function: &str, texts: &[String]) -> BTreeSet<String> {
    let call = format!("{function}('");
    let expressions = texts.iter().filter(|text| text.starts_with('[') && !text.starts_with("[["));
    let names = expressions.flat_map(|text| text.split(&*call).skip(1));
    names.map(|rest| rest.split('\'').next().unwrap().to_owned()).collect()
}

#[test]
fn the_template_uses_what_it_declares_and_declares_what_it_uses() {
    let function = || {
        Function::new("slow")
            .setting(Setting::secret("LAMPLIGHTER_TOKEN", "The token"))
            .uses_objects()
            .job(act::<Slow>)
            .with_state(())
    };
    let template = json(&derive(&App::new("slow").function(function)), "azuredeploy.json");
    let mut all = Vec::new();
    texts(&template, &mut all);
    let keys = |section: &str| template[section].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(named("parameters", &all), keys("parameters"));
    assert_eq!(named("variables", &all), keys("variables"));
    let resources = template["resources"].as_array().unwrap();
    let types: BTreeSet<_> = resources.iter().map(|resource| resource["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types.len(), resources.len(), "each kind once");
    let referred: BTreeSet<_> = named("resourceId", &all);
    assert!(referred.is_subset(&types), "{referred:?}");
    for text in all.iter().filter(|text| text.starts_with('[')) {
        let balanced = |open: char, close: char| text.matches(open).count() == text.matches(close).count();
        assert!(balanced('(', ')') && balanced('[', ']') && text.matches('\'').count() % 2 == 0, "{text}");
    }
}

#[test]
fn unsupported_options_are_errors_that_say_what_to_do() {
    let trigger = || EventTrigger::new::<Ordered>().source("shop");
    let odd = move || {
        Function::new("odd").memory_mb(8192).on_event(trigger()).job(act::<Ordered>).job(act::<Patient>).with_state(())
    };
    let slow = || Function::new("slow").job(act::<Slow>).with_state(());
    let schedule = |schedule: Schedule| schedule.starts(&Slow {}).unwrap();
    let app = App::new("odd").function(odd).function(slow).schedules([
        schedule(Schedule::cron("in-berlin", "0 6 * * *").unwrap().zone("Europe/Berlin")),
        schedule(Schedule::cron("either", "0 6 13 * 5").unwrap()),
        schedule(Schedule::rate("uneven", mins(7)).unwrap()),
        schedule(Schedule::cron("dotted.name", "0 6 * * *").unwrap()),
        schedule(Schedule::cron("all-of-them", "0 6 * * *").unwrap().misfire(Misfire::RunAll)),
    ]);
    let problems = problems(&app);
    for says in [
        "queue \"In_Order\": on Azure a name is",
        "queue \"In_Order\": Azure Storage queues keep no order",
        "an event of EventBridge starts ordered.act",
        "has 8192 MB of memory",
        "patient.act may wait 8.0 days",
        "schedule `in-berlin`: it is in the zone Europe/Berlin",
        "schedule `either`: cron `0 6 13 * 5`: NCRONTAB",
        "schedule `uneven`: rate(7 minutes)",
        "schedule `dotted.name`",
        "schedule `all-of-them` makes up for every missed run",
    ] {
        assert!(problems.contains(says), "{says}: {problems}");
    }
}

#[test]
fn functions_share_one_environment() {
    let with = |name: &'static str, value: &'static str| {
        move || match name {
            "slow" => Function::new(name).environment("MODE", value).job(act::<Slow>).with_state(()),
            _ => Function::new(name).environment("MODE", value).job(act::<Other>).with_state(()),
        }
    };
    assert!(AzureFiles::derive(&App::new("a").function(with("slow", "x")).function(with("other", "x")), "h").is_ok());
    let differ = problems(&App::new("a").function(with("slow", "x")).function(with("other", "y")));
    assert!(differ.contains("MODE differently"), "{differ}");
    let taken =
        || Function::new("slow").setting(Setting::text("LAMPLIGHTER_NAME", "A name")).job(act::<Slow>).with_state(());
    let taken = problems(&App::new("a").function(taken));
    assert!(taken.contains("LAMPLIGHTER_NAME would be the parameter Name"), "{taken}");
}

#[test]
fn a_folder_is_compared_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let files = derive(&shop());
    let write = |path: &str, text: &str| {
        let file = folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    assert_eq!(files.check(&folder.path().join("none")).unwrap().len(), files.iter().count(), "all are missing");
    files.iter().for_each(|(path, text)| write(path, &text.replace('\n', "\r\n")));
    write("azure-handler", "the program");
    assert_eq!(files.check(folder.path()).unwrap(), []);

    write("host.json", "{\n");
    write("queue-gone/function.json", "{}");
    fs::remove_file(folder.path().join("queue-mails/function.json")).unwrap();
    let expected = [
        FileState::Stale { path: "host.json".into(), line: 2 },
        FileState::Superfluous { path: "queue-gone/function.json".into() },
        FileState::Missing { path: "queue-mails/function.json".into() },
    ];
    assert_eq!(files.check(folder.path()).unwrap(), expected);
}
