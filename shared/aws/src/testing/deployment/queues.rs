//! Queues with messages in them, and move tasks: as much of SQS as moving dead letters needs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{FakeDeployment, State};
use crate::testing::sqs::FakeSqs;

#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: Vec<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    id: String,
    body: String,
    attributes: Value,
    sent: i64,
    group: Option<String>,
    receives: u32,
    hidden: bool,
}

/// A message to be put into a dead-letter queue.
#[derive(Debug, Clone)]
pub struct FakeLetter<'a> {
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
pub(super) struct Tasks {
    /// What each look at the task gives, the last one again and again; without any, there are no tasks here.
    looks: Vec<Value>,
    looked: usize,
    started: bool,
}

impl FakeDeployment {
    /// Puts a message into a queue, and gives its id.
    pub fn put(&self, queue: &str, letter: &FakeLetter<'_>) -> String {
        let mut state = self.shared.state();
        state.messages += 1;
        let id = format!("message-{}", state.messages);
        let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
        let attributes = letter.attributes.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
        let held = Held {
            id: id.clone(),
            body: letter.body.into(),
            attributes: Value::Object(attributes.collect()),
            sent: letter.sent,
            group: letter.group.map(Into::into),
            receives: 0,
            hidden: false,
        };
        state.queues.entry(queue.into()).or_default().messages.push(held);
        id
    }

    /// The bodies of all messages in a queue, hidden or not.
    #[must_use]
    pub fn lying(&self, queue: &str) -> Vec<String> {
        self.held(queue, |_| true)
    }

    /// The bodies of the messages that can be received from a queue.
    #[must_use]
    pub fn visible(&self, queue: &str) -> Vec<String> {
        self.held(queue, |held| !held.hidden)
    }

    fn held(&self, queue: &str, fits: impl Fn(&Held) -> bool) -> Vec<String> {
        let state = self.shared.state();
        let messages = state.queues.get(queue).map(|queue| &queue.messages[..]).unwrap_or_default();
        messages.iter().filter(|held| fits(held)).map(|held| held.body.clone()).collect()
    }

    /// Lets there be move tasks: each look at one gives the next of these answers (`Status`,
    /// `ApproximateNumberOfMessagesMoved`, …), and the last one again and again.
    pub fn move_tasks(&self, looks: Vec<Value>) {
        self.shared.state().tasks = Tasks { looks, looked: 0, started: false };
    }

    /// Says that a move task is there already.
    pub fn task_is_under_way(&self) {
        self.shared.state().tasks.started = true;
    }
}

/// The answer to a call; none to an action that does not exist here.
pub(super) fn answer(state: &mut State, action: &str, body: &Value, failing: &(Vec<usize>, bool)) -> Option<Value> {
    let queue = body["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default().to_owned();
    let held = state.queues.entry(queue.clone()).or_default();
    Some(match action {
        "GetQueueAttributes" => {
            let visible = held.messages.iter().filter(|held| !held.hidden).count();
            json!({"Attributes": {
                "QueueArn": FakeSqs::arn(&queue),
                "ApproximateNumberOfMessages": visible.to_string(),
                "ApproximateNumberOfMessagesNotVisible": (held.messages.len() - visible).to_string(),
                "ApproximateNumberOfMessagesDelayed": "0",
            }})
        }
        "ReceiveMessage" => receive(held, body),
        "SendMessageBatch" => {
            let (good, bad) = part(body, failing);
            for entry in &good {
                state.messages += 1;
                let held = Held {
                    id: format!("message-{}", state.messages),
                    body: entry["MessageBody"].as_str().unwrap_or_default().into(),
                    attributes: entry["MessageAttributes"].clone(),
                    sent: 0,
                    group: entry["MessageGroupId"].as_str().map(Into::into),
                    receives: 0,
                    hidden: false,
                };
                state.queues.entry(queue.clone()).or_default().messages.push(held);
            }
            batch(&good, &bad, failing.1)
        }
        "DeleteMessageBatch" => {
            let (good, bad) = part(body, failing);
            held.messages.retain(|held| !good.iter().any(|entry| entry["ReceiptHandle"] == receipt(held)));
            batch(&good, &bad, failing.1)
        }
        "ChangeMessageVisibilityBatch" => {
            let (good, bad) = part(body, failing);
            for held in &mut held.messages {
                let shown = |entry: &&Value| entry["ReceiptHandle"] == receipt(held) && entry["VisibilityTimeout"] == 0;
                if good.iter().any(|entry| shown(&entry)) {
                    held.hidden = false;
                }
            }
            batch(&good, &bad, failing.1)
        }
        "StartMessageMoveTask" | "ListMessageMoveTasks" | "CancelMessageMoveTask" => state.tasks.answer(action)?,
        _ => return None,
    })
}

fn receipt(held: &Held) -> String {
    format!("{}/{}", held.id, held.receives)
}

fn receive(queue: &mut Queue, body: &Value) -> Value {
    let most = body["MaxNumberOfMessages"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
    let fifo = body["QueueUrl"].as_str().is_some_and(|url| url.ends_with(".fifo"));
    // Of a group in which a message is in flight, nothing comes.
    let busy: Vec<_> =
        queue.messages.iter().filter(|held| fifo && held.hidden).map(|held| held.group.clone()).collect();
    let free = queue.messages.iter_mut().filter(|held| !held.hidden && !busy.contains(&held.group));
    let mut messages = Vec::new();
    for held in free.take(most) {
        held.receives += 1;
        held.hidden = true;
        let mut system = BTreeMap::from([
            ("SentTimestamp", held.sent.to_string()),
            ("ApproximateReceiveCount", held.receives.to_string()),
        ]);
        system.extend(held.group.clone().map(|group| ("MessageGroupId", group)));
        messages.push(json!({
            "MessageId": held.id,
            "ReceiptHandle": receipt(held),
            "Body": held.body,
            "Attributes": system,
            "MessageAttributes": held.attributes,
        }));
    }
    json!({ "Messages": messages })
}

/// The entries of a batch that go well, and those that shall not.
fn part(body: &Value, failing: &(Vec<usize>, bool)) -> (Vec<Value>, Vec<Value>) {
    let entries = body["Entries"].as_array().cloned().unwrap_or_default();
    let (bad, good): (Vec<_>, Vec<_>) =
        entries.into_iter().enumerate().partition(|(place, _)| failing.0.contains(place));
    let bare = |entries: Vec<(usize, Value)>| entries.into_iter().map(|(_, entry)| entry).collect();
    (bare(good), bare(bad))
}

fn batch(good: &[Value], bad: &[Value], sender: bool) -> Value {
    let done = |entry: &Value| json!({"Id": entry["Id"], "MessageId": "sent", "MD5OfMessageBody": ""});
    let failed = |entry: &Value| json!({"Id": entry["Id"], "SenderFault": sender, "Code": "Injected", "Message": "as the test asked"});
    json!({
        "Successful": good.iter().map(done).collect::<Vec<_>>(),
        "Failed": bad.iter().map(failed).collect::<Vec<_>>(),
    })
}

impl Tasks {
    fn answer(&mut self, action: &str) -> Option<Value> {
        let last = self.looks.len().checked_sub(1)?;
        Some(match action {
            "StartMessageMoveTask" => {
                self.started = true;
                json!({ "TaskHandle": "task-1" })
            }
            "CancelMessageMoveTask" => json!({ "ApproximateNumberOfMessagesMoved": 0 }),
            _ if !self.started => json!({ "Results": [] }),
            _ => {
                let look = self.looks[self.looked.min(last)].clone();
                self.looked += 1;
                json!({ "Results": [look] })
            }
        })
    }
}
