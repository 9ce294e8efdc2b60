//! Schedules as they fire: deployed rules and schedules, those added at run time, and one-time messages. Hours pass
//! when the test says so, and only the test's schedules fire. The emulator supports neither time zones nor Scheduler's
//! placeholders `<aws.scheduler.…>`: other tests check those in the requests.

use std::collections::BTreeSet;

use e2e_function::{Act, Tick};
use hyper::{Method, Request};
use lamplighter::{
    Client, JobId, ScheduledJob, Timestamp,
    backend::ScheduleOrigin,
    days,
    env::Env,
    hours,
    schedule::{EventBridge, Schedule},
    secs,
};
use lamplighter_aws::{AwsBackend, AwsClients, OneTime, ScheduleSettings, Sending, Settings};
use lamplighter_infra::{Deployment, Template};
use lamplighter_tests::ministack::{REGION, ROOT_KEY, Stack};
use serde_json::json;

use crate::cloud::{Cloud, INVOCATION, SOON, cloud, deploy, give_time};

/// The stack, with the function of the tests.
const STACK: &str = "timed";

fn tick(label: &str) -> Tick {
    Tick { label: label.into() }
}

fn act(label: &str) -> Act {
    Act { label: label.into(), behaviour: e2e_function::Behaviour::Succeed }
}

/// Returns schedules of both kinds: with rules, and with Scheduler.
fn deployed() -> Vec<ScheduledJob> {
    let rate = |name: &str| Schedule::rate(name, days(1)).unwrap().starts(&tick(&format!("timed-{name}"))).unwrap();
    let zoned = |name: &str| {
        // Within the next day, and not within the next hours, in Berlin's time as in the emulator's.
        let hour = (Timestamp::now() + hours(12)).strftime("%-H").to_string();
        let schedule = Schedule::cron(name, &format!("0 {hour} * * *")).unwrap().zone("Europe/Berlin");
        schedule.starts(&tick(&format!("timed-{name}"))).unwrap()
    };
    vec![rate("rule"), rate("silent-rule"), zoned("berlin"), zoned("silent-berlin")]
}

struct Timed {
    stack: Stack,
    sdk: AwsClients,
    settings: ScheduleSettings,
    client: Client,
}

impl Timed {
    async fn deploy(cloud: &Cloud, ledger: &str) -> Self {
        let deployment = Deployment::derive(&[e2e_function::function()], &[], &deployed()).unwrap();
        let mut template = Template::new(&deployment).to_json();
        give_time(&mut template, INVOCATION);
        let stack = deploy(&cloud.aws, STACK, template, &[("E2eLedger", ledger)], &[("e2e", "e2e-function")]).await;
        let credentials = aws_sdk_sqs::config::Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "tests");
        let sdk = AwsClients::fixed(REGION, Some(cloud.aws.endpoint()), credentials);
        let (role, undelivered) = (stack.output("SchedulerRole").unwrap(), stack.output("Undelivered").unwrap());
        let settings = ScheduleSettings::new(stack.output("ScheduleGroup").unwrap(), role).unwrap();
        let settings = settings.undelivered(undelivered).unwrap();
        let queues = json!({
            "acts": {"url": stack.physical_id("ActsQueue").unwrap()},
            "ticks": {"url": stack.physical_id("TicksQueue").unwrap()},
        });
        let named = Settings::named(queues.to_string().parse().unwrap(), |variable| match variable {
            ScheduleSettings::GROUP => Some(settings.group().to_owned()),
            ScheduleSettings::ROLE => Some(settings.role().to_owned()),
            ScheduleSettings::UNDELIVERED => settings.undelivered_queue().map(str::to_owned),
            _ => None,
        });
        let client = AwsBackend::new(sdk.clone(), named, Env::system()).client();
        Self { stack, sdk, settings, client }
    }

    /// Returns whether the group has a schedule of that name.
    async fn has(&self, cloud: &Cloud, name: &str) -> bool {
        let path = format!("/schedules/{name}?groupName={}", self.settings.group());
        let request = Request::builder().method(Method::GET).uri(path).body(Vec::new()).unwrap();
        cloud.aws.request_as_root("scheduler", request).await.is_ok()
    }
}

#[tokio::test]
async fn schedules_fire_once_per_tick_unless_paused_or_removed() {
    let cloud = cloud().await;
    let timed = Timed::deploy(cloud, &cloud.ledger()).await;
    let client = &timed.client;
    for name in ["silent-rule", "silent-berlin"] {
        client.pause_schedule(name).await.unwrap();
    }
    for name in ["made", "removed", "silent-made"] {
        let schedule = Schedule::rate(name, days(1)).unwrap();
        client.schedule(schedule, &act(&format!("timed-{name}"))).await.unwrap();
    }
    client.pause_schedule("silent-made").await.unwrap();
    client.unschedule("removed").await.unwrap();
    let listed = client.schedules().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|one| (&*one.schedule.name, one.origin, one.paused)).collect();
    let (code, made) = (ScheduleOrigin::Deployed, ScheduleOrigin::RunTime);
    assert_eq!(
        listed,
        [
            ("berlin", code, false),
            ("made", made, false),
            ("rule", code, false),
            ("silent-berlin", code, true),
            ("silent-made", made, true),
            ("silent-rule", code, true),
        ]
    );

    // A message that is sent once, and one that is cancelled.
    let once = OneTime::new(timed.sdk.clone(), timed.settings.clone());
    let at = Timestamp::now() + secs(2);
    for label in ["once", "taken-back"] {
        let id = JobId::new(format!("timed:{label}")).unwrap();
        let args = json!({ "label": format!("timed-{label}") });
        let body = json!({ "job": "e2e.act", "id": id, "args": args }).to_string();
        let queue_url = timed.stack.physical_id("ActsQueue").unwrap();
        once.create(&OneTime::name("d", &id), at, Sending { queue_url, body: &body, group: None }).await.unwrap();
    }
    let name = |label: &str| OneTime::name("d", &JobId::new(format!("timed:{label}")).unwrap());
    once.delete(&name("taken-back")).await.unwrap();
    let run = cloud.has_run("timed-once", 1, SOON).await.remove(0);
    assert!(run.id == "timed:once" && run.at >= at, "{run:?}, due {at}");
    assert!(!timed.has(cloud, &name("once")).await, "it goes when it has run");
    assert!(timed.has(cloud, &format!("{}berlin", EventBridge::DEPLOYED)).await, "the question is asked rightly");

    for passed in 1..=2 {
        cloud.aws.pass(STACK, days(1)).await.unwrap();
        for label in ["timed-rule", "timed-berlin", "timed-made"] {
            let runs = cloud.has_run(label, passed, SOON).await;
            let ids: BTreeSet<_> = runs.iter().map(|run| &run.id).collect();
            assert_eq!(
                (runs.len(), ids.len()),
                (passed, passed),
                "{label}: each tick is a job, and no other: {runs:?}"
            );
        }
    }
    // The others would have sent at the same moment, so their jobs would be queued or have run.
    for queue in ["ActsQueue", "TicksQueue"] {
        cloud.holds(timed.stack.physical_id(queue).unwrap(), "timed-", 0).await;
    }
    for label in ["once", "taken-back", "removed", "silent-rule", "silent-berlin", "silent-made"] {
        let runs = cloud.runs(&format!("timed-{label}")).len();
        assert_eq!(runs, usize::from(label == "once"), "{label}");
    }

    // Paused schedules can still be triggered by hand.
    for name in ["silent-rule", "silent-berlin", "silent-made"] {
        let id = client.trigger_schedule(name).await.unwrap();
        assert_eq!(cloud.has_run(&format!("timed-{name}"), 1, SOON).await[0].id, id.as_str());
    }
}
