//! SQS: queues with messages in them, dead-letter queues, and move tasks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    ACCOUNT, REGION,
    call::Call,
    endpoint::{Endpoint, Service},
    http::{Reply, Request, json_reply, refused},
};

/// An endpoint of SQS. A queue is created when it is first named.
pub type FakeSqs = Endpoint<Sqs>;

/// Returns the ARN of a queue.
#[must_use]
pub fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// The queues of an endpoint.
#[derive(Debug, Default)]
pub struct Sqs(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    queues: BTreeMap<String, Queue>,
    tasks: MoveTasks,
    /// The number of messages that were ever sent here.
    messages: u64,
}

#[derive(Debug, Default)]
struct Queue {
    messages: Vec<Message>,
    dead_letter_queue: Option<String>,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    attributes: Value,
    sent: i64,
    group: Option<String>,
    trace: Option<String>,
    receives: u32,
    hidden: bool,
}

/// A message for [`Sqs::put`].
#[derive(Debug, Clone)]
pub struct FakeMessage<'a> {
    /// Its body.
    pub body: &'a str,
    /// Its attributes: names and texts.
    pub attributes: &'a [(&'a str, &'a str)],
    /// When it was sent, in milliseconds since 1970.
    pub sent: i64,
    /// Its group.
    pub group: Option<&'a str>,
}

/// Move tasks of one dead-letter queue.
#[derive(Debug, Default)]
struct MoveTasks {
    /// The answer to each request for the task, the last one repeatedly; if empty, there are no tasks.
    answers: Vec<Value>,
    answered: usize,
    started: bool,
}

impl Sqs {
    /// Sets a queue's redrive policy, with another queue as its dead-letter queue.
    pub fn set_dead_letter_queue(&self, queue: &str, dead_letters: &str) {
        self.state().queue(queue).dead_letter_queue = Some(dead_letters.into());
    }

    /// Adds a message to a queue, and returns its id.
    pub fn put(&self, queue: &str, message: &FakeMessage<'_>) -> String {
        let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
        let attributes = message.attributes.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        let (body, group) = (message.body.to_owned(), message.group.map(Into::into));
        self.state().put(queue, body, Value::Object(attributes), message.sent, group)
    }

    /// Adds a message with the system attribute `AWSTraceHeader`, which is returned where a receive asks for it.
    pub fn put_traced(&self, queue: &str, body: &str, header: &str) {
        let mut state = self.state();
        state.put(queue, body.to_owned(), json!({}), 0, None);
        if let Some(message) = state.queue(queue).messages.last_mut() {
            message.trace = Some(header.to_owned());
        }
    }

    /// Returns the bodies of all messages in a queue, hidden or not.
    #[must_use]
    pub fn messages(&self, queue: &str) -> Vec<String> {
        self.state().queue(queue).messages.iter().map(|message| message.body.clone()).collect()
    }

    /// Returns the bodies of the messages that can be received from a queue.
    #[must_use]
    pub fn visible(&self, queue: &str) -> Vec<String> {
        let mut state = self.state();
        let visible = state.queue(queue).messages.iter().filter(|message| !message.hidden);
        visible.map(|message| message.body.clone()).collect()
    }

    /// Enables move tasks: each request for one returns the next of these answers (`Status`,
    /// `ApproximateNumberOfMessagesMoved`, …), and the last one repeatedly.
    pub fn move_tasks(&self, answers: Vec<Value>) {
        self.state().tasks = MoveTasks { answers, answered: 0, started: false };
    }

    /// Makes the start of a move task fail because one is running already.
    pub fn task_is_under_way(&self) {
        self.state().tasks.started = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Sqs {
    type Measure = ();

    async fn answer(&self, call: &mut Call, request: Request) -> Reply {
        let answer = self.state().answer(call);
        match answer {
            Some(answer) => json_reply(StatusCode::OK, &answer),
            None => {
                let message = format!("the action {} is not valid here", call.action);
                refused(&request, 400, "InvalidAction", &message)
            }
        }
    }
}

impl State {
    fn queue(&mut self, queue: &str) -> &mut Queue {
        self.queues.entry(queue.into()).or_default()
    }

    fn put(&mut self, queue: &str, body: String, attributes: Value, sent: i64, group: Option<String>) -> String {
        self.messages += 1;
        let id = format!("message-{}", self.messages);
        let trace = None;
        let message = Message { id: id.clone(), body, attributes, sent, group, trace, receives: 0, hidden: false };
        self.queue(queue).messages.push(message);
        id
    }

    /// Returns the answer to a call; `None` for an action that does not exist here.
    fn answer(&mut self, call: &Call) -> Option<Value> {
        let name = call.body["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        Some(match call.action.as_str() {
            "GetQueueAttributes" => self.queue(name).attributes(name, &call.body["AttributeNames"]),
            "ReceiveMessage" => self.queue(name).receive(&call.body),
            "SendMessageBatch" => batch(call, |entry| {
                let text = |field: &str| entry[field].as_str().map(str::to_owned);
                let (body, attributes) = (text("MessageBody").unwrap_or_default(), entry["MessageAttributes"].clone());
                self.put(name, body, attributes, 0, text("MessageGroupId"))
            }),
            "DeleteMessageBatch" => batch(call, |entry| {
                self.queue(name).messages.retain(|message| entry["ReceiptHandle"] != message.receipt());
                String::new()
            }),
            "ChangeMessageVisibilityBatch" => batch(call, |entry| {
                for message in &mut self.queue(name).messages {
                    message.hidden &= entry["ReceiptHandle"] != message.receipt() || entry["VisibilityTimeout"] != 0;
                }
                String::new()
            }),
            "ListQueueTags" => json!({ "Tags": self.queue(name).tags }),
            "TagQueue" => {
                let tags = call.body["Tags"].as_object().into_iter().flatten();
                let tags = tags.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
                self.queue(name).tags.extend(tags);
                json!({})
            }
            "UntagQueue" => {
                let keys = call.body["TagKeys"].as_array().cloned().unwrap_or_default();
                self.queue(name).tags.retain(|name, _| !keys.iter().any(|key| key == name));
                json!({})
            }
            "StartMessageMoveTask" | "ListMessageMoveTasks" | "CancelMessageMoveTask" => {
                self.tasks.answer(&call.action)?
            }
            _ => return None,
        })
    }
}

/// Returns the answer to a batch whose entries `apply` carries out; it returns the id of a message.
fn batch(call: &Call, mut apply: impl FnMut(&Value) -> String) -> Value {
    let (good, bad, sender) = call.entries();
    let done = |entry: &Value| json!({ "Id": entry["Id"], "MessageId": apply(entry), "MD5OfMessageBody": "" });
    let failed = |entry: &Value| json!({ "Id": entry["Id"], "SenderFault": sender, "Code": "Injected", "Message": "as the test asked" });
    json!({
        "Successful": good.into_iter().map(done).collect::<Vec<_>>(),
        "Failed": bad.into_iter().map(failed).collect::<Vec<_>>(),
    })
}

impl Queue {
    fn attributes(&self, name: &str, asked: &Value) -> Value {
        let hidden = self.messages.iter().filter(|message| message.hidden).count();
        let mut attributes = BTreeMap::from([
            ("QueueArn", queue_arn(name)),
            ("ApproximateNumberOfMessages", (self.messages.len() - hidden).to_string()),
            ("ApproximateNumberOfMessagesNotVisible", hidden.to_string()),
            ("ApproximateNumberOfMessagesDelayed", "0".into()),
        ]);
        if let Some(dead_letters) = &self.dead_letter_queue {
            let policy = json!({ "deadLetterTargetArn": queue_arn(dead_letters), "maxReceiveCount": 10 });
            attributes.insert("RedrivePolicy", policy.to_string());
        }
        let is_asked =
            |name: &str| asked.as_array().is_some_and(|asked| asked.iter().any(|one| one == name || one == "All"));
        attributes.retain(|name, _| is_asked(name));
        json!({ "Attributes": attributes })
    }

    fn receive(&mut self, asked: &Value) -> Value {
        let most = asked["MaxNumberOfMessages"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
        let fifo = asked["QueueUrl"].as_str().is_some_and(|url| url.ends_with(".fifo"));
        // A group with a message in flight returns no other message.
        let in_flight = self.messages.iter().filter(|message| fifo && message.hidden);
        let busy: Vec<_> = in_flight.map(|message| message.group.clone()).collect();
        let free = self.messages.iter_mut().filter(|message| !message.hidden && !busy.contains(&message.group));
        let names = asked["MessageSystemAttributeNames"].as_array();
        let is_traced = names.is_some_and(|names| names.iter().any(|name| name == "AWSTraceHeader"));
        json!({ "Messages": free.take(most).map(|message| message.receive(is_traced)).collect::<Vec<_>>() })
    }
}

impl Message {
    fn receipt(&self) -> String {
        format!("{}/{}", self.id, self.receives)
    }

    fn receive(&mut self, is_traced: bool) -> Value {
        self.receives += 1;
        self.hidden = true;
        let mut system = BTreeMap::from([
            ("SentTimestamp", self.sent.to_string()),
            ("ApproximateReceiveCount", self.receives.to_string()),
        ]);
        system.extend(self.group.clone().map(|group| ("MessageGroupId", group)));
        system.extend(self.trace.clone().filter(|_| is_traced).map(|header| ("AWSTraceHeader", header)));
        json!({
            "MessageId": self.id,
            "ReceiptHandle": self.receipt(),
            "Body": self.body,
            "Attributes": system,
            "MessageAttributes": self.attributes,
        })
    }
}

impl MoveTasks {
    fn answer(&mut self, action: &str) -> Option<Value> {
        let last = self.answers.len().checked_sub(1)?;
        Some(match action {
            "StartMessageMoveTask" => {
                self.started = true;
                json!({ "TaskHandle": "task-1" })
            }
            "CancelMessageMoveTask" => json!({ "ApproximateNumberOfMessagesMoved": 0 }),
            _ if !self.started => json!({ "Results": [] }),
            _ => {
                let answer = self.answers[self.answered.min(last)].clone();
                self.answered += 1;
                json!({ "Results": [answer] })
            }
        })
    }
}
