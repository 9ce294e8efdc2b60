//! Queues as they are declared in code.

use std::{fmt, time::Duration};

use crate::batch::Batch;

/// A queue's order of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueKind {
    /// At least once, in no promised order.
    Standard,
    /// In order within a message group; groups concurrently.
    Fifo,
}

/// Where a queue's jobs run in a deployment on AWS. Embedded, all run in the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum QueueHost {
    /// In a Lambda function, which the queue triggers.
    #[default]
    Lambda,
    /// In a process that runs for long and polls the queue, `lamp work`: for jobs that take longer than
    /// [15 minutes](crate::Function::MAX_TIMEOUT), or need what a Lambda function does not have.
    Worker,
}

/// A named queue, its dead-letter queue, and how its messages reach the one function that consumes it.
///
/// Declared as a constant beside the jobs that use it:
///
/// ```
/// use lamplighter::Queue;
/// pub const WEBHOOKS: Queue = Queue::standard("webhooks").max_concurrency(20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Queue {
    name: &'static str,
    kind: QueueKind,
    /// The most messages per invocation.
    pub batch_size: u16,
    /// The longest time that Lambda waits to fill a batch.
    pub batch_window: Duration,
    /// The most concurrent invocations, if limited.
    pub max_concurrency: Option<u16>,
    /// Where its jobs run.
    pub host: QueueHost,
}

/// Returns whether a text is the name of a queue, as SQS allows them (Amazon SQS API Reference, CreateQueue).
pub(crate) fn is_queue_name(name: &str) -> bool {
    (1..=Queue::MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        && name != Batch::QUEUE
}

impl Queue {
    /// The longest name: 80 characters are SQS's limit, and `-dlq.fifo` must still fit behind it.
    pub const MAX_NAME_LEN: usize = 80 - "-dlq.fifo".len();

    /// A standard queue: at least once, order not promised, batches of ten.
    #[must_use]
    pub const fn standard(name: &'static str) -> Self {
        Self::of(name, QueueKind::Standard)
    }

    const fn of(name: &'static str, kind: QueueKind) -> Self {
        Self {
            name,
            kind,
            batch_size: 10,
            batch_window: Duration::ZERO,
            max_concurrency: None,
            host: QueueHost::Lambda,
        }
    }

    /// A FIFO queue: in order within a message group. Its name here omits `.fifo`, which is added where the platform
    /// requires it. A single message on a FIFO queue cannot have a delay of its own on SQS.
    #[must_use]
    pub const fn fifo(name: &'static str) -> Self {
        Self::of(name, QueueKind::Fifo)
    }

    /// Sets the most messages of one invocation. Default 10. Limit 10,000, above 10 only with a
    /// [window](Self::batch_window) of at least a second; on FIFO queues 10 (AWS Lambda Developer Guide, "Using Lambda
    /// with Amazon SQS").
    #[must_use]
    pub const fn batch_size(mut self, messages: u16) -> Self {
        self.batch_size = messages;
        self
    }

    /// Sets the longest time that Lambda waits to fill a batch: whole seconds, 0–300, default 0. Not for FIFO queues.
    #[must_use]
    pub const fn batch_window(mut self, window: Duration) -> Self {
        self.batch_window = window;
        self
    }

    /// Sets how many invocations may process this queue concurrently: 2–1000 on Lambda
    /// (`ScalingConfig.MaximumConcurrency`). At most this number times the [batch size](Self::batch_size) jobs run at a
    /// time. Default: as many as the backend allows.
    #[must_use]
    pub const fn max_concurrency(mut self, invocations: u16) -> Self {
        self.max_concurrency = Some(invocations);
        self
    }

    /// Sets where its jobs run on AWS. Default: in a Lambda function.
    #[must_use]
    pub const fn host(mut self, host: QueueHost) -> Self {
        self.host = host;
        self
    }

    /// The queue's name, without any suffix.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The queue's order of delivery.
    #[must_use]
    pub const fn kind(&self) -> QueueKind {
        self.kind
    }

    /// Returns whether this is a FIFO queue.
    #[must_use]
    pub const fn is_fifo(&self) -> bool {
        matches!(self.kind, QueueKind::Fifo)
    }

    /// The problems for which the platform would refuse this declaration, one sentence each; empty if there are none.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut problem = |text: String| problems.push(format!("queue {:?}: {text}", self.name));
        let name_fits = (1..=Self::MAX_NAME_LEN).contains(&self.name.len())
            && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !name_fits {
            problem(format!("a name is 1 to {} characters of A-Z a-z 0-9 _ -", Self::MAX_NAME_LEN));
        }
        match (self.kind, self.batch_size) {
            (_, 0) => problem("a batch has at least one message".into()),
            (QueueKind::Fifo, 11..) => problem("a FIFO queue's batch has at most 10 messages".into()),
            (QueueKind::Standard, 10_001..) => problem("a batch has at most 10,000 messages".into()),
            (QueueKind::Standard, 11..) if self.batch_window.as_secs() == 0 => {
                problem("a batch above 10 messages needs a window of at least one second".into());
            }
            _ => {}
        }
        if self.is_fifo() && !self.batch_window.is_zero() {
            problem("a FIFO queue has no batch window".into());
        }
        if self.batch_window > Duration::from_secs(300) {
            problem("a batch window is at most 300 seconds".into());
        }
        match (self.max_concurrency, self.host) {
            (Some(0 | 1 | 1001..), QueueHost::Lambda) => problem("maximum concurrency is 2 to 1000".into()),
            (Some(0), QueueHost::Worker) => problem("maximum concurrency is at least 1".into()),
            _ => {}
        }
        problems
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_name_what_the_platform_refuses() {
        let problems = |queue: Queue| queue.problems().join("; ");
        assert_eq!(problems(Queue::standard("webhooks")), "");
        assert_eq!(problems(Queue::standard("a").batch_size(500).batch_window(Duration::from_secs(1))), "");
        assert!(problems(Queue::standard("a b")).contains("a name is"));
        assert!(problems(Queue::standard("a").batch_size(11)).contains("window"));
        assert!(problems(Queue::fifo("a").batch_size(11)).contains("at most 10"));
        assert!(problems(Queue::standard("a").max_concurrency(1)).contains("2 to 1000"));
        assert_eq!(problems(Queue::standard("a").max_concurrency(1).host(QueueHost::Worker)), "");
        assert!(problems(Queue::fifo("a").batch_window(Duration::from_secs(5))).contains("no batch window"));
        assert!(problems(Queue::standard("a").batch_window(Duration::from_secs(301))).contains("300"));
        assert!(problems(Queue::standard("a").batch_size(0)).contains("at least one"));
    }
}
