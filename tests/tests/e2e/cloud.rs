//! The emulator that all tests share, and what happens in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e_function::{Run, TICK_SCHEDULE};
use hyper::Request;
use lamplighter_infra::{Deployment, Template};
use lamplighter_tests::ministack::{Held, MiniStack, NeverHappened, PATIENCE, Stack, eventually, package};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// However long it takes: a condition is waited for, and no speed is measured.
pub(crate) const SOON: Duration = PATIENCE;

pub(crate) struct Cloud {
    pub(crate) aws: MiniStack,
    /// The function whose jobs do what they are told.
    pub(crate) stack: Stack,
    ledger: PathBuf,
}

/// The emulator, with the tests' own function deployed. It ends with the process.
pub(crate) async fn cloud() -> &'static Cloud {
    static CLOUD: OnceCell<Cloud> = OnceCell::const_new();
    // Where it cannot start, the first test says why, and every other tries again.
    CLOUD.get_or_init(async || Cloud::start().await).await
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let aws = MiniStack::options().auth(true).start().await.unwrap();
        let ledger = aws.log().with_file_name("ledger.jsonl");
        let stack = deploy_own(&aws, "e2e", &ledger, &[], INVOCATION).await;
        Self { aws, stack, ledger }
    }

    /// The file that runs are written to.
    pub(crate) fn ledger(&self) -> String {
        self.ledger.display().to_string()
    }

    /// What a resource of the stack of the tests' own function is called: of a queue, its URL.
    pub(crate) fn id(&self, logical_id: &str) -> &str {
        self.stack.physical_id(logical_id).unwrap()
    }

    /// All runs of jobs whose label is this, in the order in which they began.
    pub(crate) fn runs(&self, label: &str) -> Vec<Run> {
        self.runs_of(|run| run.label == label)
    }

    pub(crate) fn runs_of(&self, fits: impl Fn(&Run) -> bool) -> Vec<Run> {
        e2e_function::read(&self.ledger).unwrap().into_iter().filter(fits).collect()
    }

    /// Waits until jobs of a label have run so often, and gives their runs.
    pub(crate) async fn has_run(&self, label: &str, times: usize, limit: Duration) -> Vec<Run> {
        eventually(format!("{label} has run {times} times"), limit, async || match self.runs(label) {
            runs if runs.len() >= times => Ok(runs),
            runs => Err(format!("{} runs", runs.len())),
        })
        .await
        .unwrap_or_else(|error| self.give_up(&error))
    }

    /// The messages in a queue that contain this text.
    pub(crate) async fn messages_in(&self, queue: &str, text: &str) -> Vec<Held> {
        let held = self.aws.peek(queue).await.unwrap();
        held.into_iter().filter(|held| held.body.contains(text)).collect()
    }

    /// Waits until a queue holds this many messages that contain this text, and returns them.
    pub(crate) async fn holds(&self, queue: &str, text: &str, count: usize) -> Vec<Held> {
        let what = format!("{count} messages with {text:?} are in {queue}");
        eventually(what, SOON, async || match self.messages_in(queue, text).await {
            held if held.len() == count => Ok(held),
            held => Err(format!("{:?}", held.iter().map(|held| &held.body).collect::<Vec<_>>())),
        })
        .await
        .unwrap_or_else(|error| self.give_up(&error))
    }

    fn give_up(&self, error: &NeverHappened) -> ! {
        panic!("{error}; the emulator's log is {}", self.aws.log().display())
    }

    /// Hands an event to a function and does not wait for it, as EventBridge does.
    pub(crate) async fn invoke_asynchronously(&self, function: &str, event: &Value) {
        let request = Request::post(format!("/2015-03-31/functions/{function}/invocations"))
            .header("x-amz-invocation-type", "Event")
            .body(event.to_string().into_bytes())
            .unwrap();
        self.aws.request_as_root("lambda", request).await.unwrap();
    }

    /// Publishes an event on the account's bus.
    pub(crate) async fn put_event(&self, entry: Value) {
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "AWSEvents.PutEvents")
            .body(json!({ "Entries": [entry] }).to_string().into_bytes())
            .unwrap();
        let answer = self.aws.request_as_root("events", request).await.unwrap();
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    }
}

/// How long an invocation of the tests' own function may take. The template's few seconds are measured by the machine's clock,
/// and a machine that is busy takes them to start a program. No longer than that, though: a message that comes while its job
/// runs waits for the lease, which is as long.
pub(crate) const INVOCATION: Duration = Duration::from_secs(60);

/// Deploys the tests' own function, which has these variables beside those of the template, and so much time.
pub(crate) async fn deploy_own(
    aws: &MiniStack,
    name: &str,
    ledger: &Path,
    variables: &[(&str, String)],
    invocation: Duration,
) -> Stack {
    let mut template = template(&[e2e_function::function()]);
    give_time(&mut template, invocation);
    for (variable, value) in variables {
        template["Resources"]["E2eFunction"]["Properties"]["Environment"]["Variables"][*variable] = json!(value);
    }
    let parameters = [("E2eLedger", ledger.to_str().unwrap())];
    deploy(aws, name, template, &parameters, &[("e2e", "e2e-function")]).await
}

/// A template of functions, with the schedules of the tests' own.
pub(crate) fn template(functions: &[lamplighter::Function]) -> Value {
    let deployment = Deployment::derive(functions, &[], &e2e_function::schedules().unwrap()).unwrap();
    let mut template = Template::new(&deployment).to_json();
    replay_ticks(&mut template);
    template
}

/// Lets invocations take so long, and hides messages for six times that, as the template does.
pub(crate) fn give_time(template: &mut Value, invocation: Duration) {
    for resource in template["Resources"].as_object_mut().unwrap().values_mut() {
        let (property, time) = match resource["Type"].as_str() {
            Some("AWS::Serverless::Function") => ("Timeout", invocation),
            Some("AWS::SQS::Queue") if resource["Properties"]["RedrivePolicy"].is_object() => {
                ("VisibilityTimeout", invocation * 6)
            }
            _ => continue,
        };
        resource["Properties"][property] = json!(time.as_secs());
    }
}

/// The source of events that are ticks of the schedule, each delivered twice.
pub(crate) const CLOCK: &str = "lamplighter.e2e.clock";
/// What they say is their schedule.
pub(crate) const REPLAY_SCHEDULE: &str = "e2e-replay";
/// The label of jobs that such a tick starts.
pub(crate) const REPLAYED: &str = "replayed";

/// Adds a rule that does with an event what the schedule's does with its tick, but twice.
fn replay_ticks(template: &mut Value) {
    let resources = template["Resources"].as_object_mut().unwrap();
    let mut rule = resources["E2eTickRule"].clone();
    let properties = rule["Properties"].as_object_mut().unwrap();
    properties.remove("ScheduleExpression");
    properties.insert("Name".into(), json!({ "Fn::Sub": "${AWS::StackName}-replay" }));
    properties.insert("EventPattern".into(), json!({ "source": [CLOCK] }));
    let targets = properties["Targets"].as_array_mut().unwrap();
    let input = &mut targets[0]["InputTransformer"]["InputTemplate"];
    // Under another name, or it would be the tick of the same second.
    let replayed = input.as_str().unwrap().replace(TICK_SCHEDULE, REPLAY_SCHEDULE);
    *input = json!(replayed.replace(r#""label":"tick""#, &format!(r#""label":"{REPLAYED}""#)));
    let mut again = targets[0].clone();
    again["Id"] = json!("queue-again");
    targets.push(again);
    resources.insert("ReplayRule".into(), rule);
    let arn = |id: &str| json!({ "Fn::GetAtt": [id, "Arn"] });
    for policy in ["TicksQueuePolicy", "EventsNotDeliveredPolicy"] {
        let document = &mut resources[policy]["Properties"]["PolicyDocument"];
        let sources = &mut document["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"];
        sources.as_array_mut().unwrap().push(arn("ReplayRule"));
    }
}

/// Deploys a template with the code of functions: each is named after its folder, and built as a binary.
pub(crate) async fn deploy(
    aws: &MiniStack,
    name: &str,
    template: Value,
    parameters: &[(&str, &str)],
    functions: &[(&str, &str)],
) -> Stack {
    let binaries: Vec<_> = functions.iter().map(|(_, binary)| (*binary).to_owned()).collect();
    let built = tokio::task::spawn_blocking(move || {
        package::bootstraps(&binaries.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
    });
    let mut built = built.await.unwrap();
    let code = functions.iter().map(|(function, binary)| ((*function).to_owned(), built.remove(*binary).unwrap()));
    let mut all = vec![("Architecture", "x86_64")];
    all.extend(parameters);
    aws.deploy(name, template, &all, &code.collect()).await.unwrap()
}

/// The value of a message attribute of a dead letter.
pub(crate) fn attribute<'a>(held: &'a Held, name: &str) -> &'a str {
    let attribute = held.message_attributes.get(name).unwrap_or_else(|| panic!("no {name} in {held:?}"));
    attribute["StringValue"].as_str().unwrap()
}
