//! The emulator that all tests share, and helpers for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use e2e_function::{Run, TICK_SCHEDULE};
use hyper::Request;
use lamplighter_infra::{Deployment, Template};
use lamplighter_tests::ministack::{Held, MiniStack, NeverHappened, PATIENCE, Stack, eventually, package};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The time limit of every wait: tests wait for conditions, and measure no speed.
pub(crate) const SOON: Duration = PATIENCE;

pub(crate) struct Cloud {
    pub(crate) aws: Arc<MiniStack>,
    /// The stack of the tests' own function, whose jobs follow their arguments.
    pub(crate) stack: Stack,
    ledger: PathBuf,
}

/// Returns the emulator, with the tests' own function deployed. It ends with the process.
pub(crate) async fn cloud() -> &'static Cloud {
    static CLOUD: OnceCell<Cloud> = OnceCell::const_new();
    // If it cannot start, the first test reports why, and every other one tries again.
    CLOUD.get_or_init(async || Cloud::start().await).await
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let aws = Arc::new(MiniStack::options().auth(true).start().await.unwrap());
        let ledger = aws.log().with_file_name("ledger.jsonl");
        let stack = deploy_own(&aws, "e2e", e2e_function::function(), &ledger, (&[], INVOCATION)).await;
        Self { aws, stack, ledger }
    }

    /// Returns the path of the file of runs.
    pub(crate) fn ledger(&self) -> String {
        self.ledger.display().to_string()
    }

    /// Returns the physical id of a resource in the stack of the tests' own function: of a queue, its URL.
    pub(crate) fn id(&self, logical_id: &str) -> &str {
        self.stack.physical_id(logical_id).unwrap()
    }

    /// Returns all runs of jobs with this label, in the order in which they began.
    pub(crate) fn runs(&self, label: &str) -> Vec<Run> {
        self.runs_of(|run| run.label == label)
    }

    pub(crate) fn runs_of(&self, fits: impl Fn(&Run) -> bool) -> Vec<Run> {
        e2e_function::read(&self.ledger).unwrap().into_iter().filter(fits).collect()
    }

    /// Waits until jobs with this label have run this many times, and returns their runs.
    pub(crate) async fn has_run(&self, label: &str, times: usize, limit: Duration) -> Vec<Run> {
        eventually(format!("{label} has run {times} times"), limit, async || match self.runs(label) {
            runs if runs.len() >= times => Ok(runs),
            runs => Err(format!("{} runs", runs.len())),
        })
        .await
        .unwrap_or_else(|error| self.give_up(&error))
    }

    /// Returns the messages in a queue that contain this text.
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

    /// Passes an event to a function without waiting, as EventBridge does.
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

/// The time limit of an invocation of the tests' own function. The template's few seconds are measured in real time,
/// and a busy machine needs them to start a program. It must not be longer, though: a message that is delivered while
/// its job runs waits for the lease, which is as long.
pub(crate) const INVOCATION: Duration = Duration::from_secs(60);

/// Deploys the tests' own function, with these variables in addition to the template's, and this time limit.
pub(crate) async fn deploy_own(
    aws: &MiniStack,
    name: &str,
    function: lamplighter::Function,
    ledger: &Path,
    (variables, invocation): (&[(&str, String)], Duration),
) -> Stack {
    let mut template = template(&[function]);
    give_time(&mut template, invocation);
    for (variable, value) in variables {
        template["Resources"]["E2eFunction"]["Properties"]["Environment"]["Variables"][*variable] = json!(value);
    }
    let parameters = [("E2eLedger", ledger.to_str().unwrap())];
    deploy(aws, name, template, &parameters, &[("e2e", "e2e-function")]).await
}

/// Returns a template of functions, with the schedules of the tests' own.
pub(crate) fn template(functions: &[lamplighter::Function]) -> Value {
    let deployment = Deployment::derive(functions, &[], &e2e_function::schedules().unwrap()).unwrap();
    let mut template = Template::new(&deployment).to_json();
    replay_ticks(&mut template);
    template
}

/// Sets the time limit of invocations, and hides messages for six times that, as the template does.
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

/// The source of events that stand for ticks of the schedule, each delivered twice.
pub(crate) const CLOCK: &str = "lamplighter.e2e.clock";
/// The schedule that they name.
pub(crate) const REPLAY_SCHEDULE: &str = "e2e-replay";
/// The label of jobs that such a tick starts.
pub(crate) const REPLAYED: &str = "replayed";

/// Adds a rule that handles an event as the schedule's rule handles its tick, but twice.
fn replay_ticks(template: &mut Value) {
    let resources = template["Resources"].as_object_mut().unwrap();
    let mut rule = resources["E2eTickRule"].clone();
    let properties = rule["Properties"].as_object_mut().unwrap();
    properties.remove("ScheduleExpression");
    properties.insert("Name".into(), json!({ "Fn::Sub": "${AWS::StackName}-replay" }));
    properties.insert("EventPattern".into(), json!({ "source": [CLOCK] }));
    let targets = properties["Targets"].as_array_mut().unwrap();
    let input = &mut targets[0]["InputTransformer"]["InputTemplate"];
    // With another name; otherwise it would be the tick of the same second.
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

/// Returns the value of a message attribute of a dead letter.
pub(crate) fn attribute<'a>(held: &'a Held, name: &str) -> &'a str {
    let attribute = held.message_attributes.get(name).unwrap_or_else(|| panic!("no {name} in {held:?}"));
    attribute["StringValue"].as_str().unwrap()
}
