//! The report of a round.

use serde::Serialize;

/// The findings and repairs of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Jobs that were due and have been sent.
    pub moved: u64,
    /// Records without a message that got a new one.
    pub sent_again: u64,
    /// Attempts whose lease had ended and whose message no longer existed.
    pub lost: u64,
    /// Jobs that failed because their last attempt was lost.
    pub failed: u64,
    /// Records that were read.
    pub looked_at: u64,
    /// The depth of the queues.
    pub queues: Vec<QueueReport>,
}

/// The approximate depth of a queue (Amazon SQS API Reference, "GetQueueAttributes": the numbers are approximate).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueReport {
    /// The queue's name, as definitions use it.
    pub queue: String,
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that have been received and are neither deleted nor visible again.
    pub in_flight: u64,
    /// Messages that wait for their delay to end.
    pub delayed: u64,
    /// Messages in its dead-letter queue.
    pub dead_letters: u64,
}

impl Report {
    /// The figures as lines of CloudWatch's embedded metric format, from which Lambda's log creates metrics (Amazon
    /// CloudWatch User Guide, "Specification: Embedded metric format").
    #[must_use]
    pub fn metrics(&self, milliseconds: i64) -> Vec<String> {
        let metric = |name: &str| serde_json::json!({"Name": name, "Unit": "Count"});
        let line = |dimensions: &[&str], names: &[&str], values: serde_json::Value| {
            let mut line = serde_json::json!({"_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [{
                "Namespace": "Lamplighter",
                "Dimensions": [dimensions],
                "Metrics": names.iter().map(|name| metric(name)).collect::<Vec<_>>(),
            }]}});
            if let (Some(line), serde_json::Value::Object(values)) = (line.as_object_mut(), values) {
                line.extend(values);
            }
            line.to_string()
        };
        let own = serde_json::json!({
            "Function": "maintenance", "MovedJobs": self.moved, "JobsSentAgain": self.sent_again,
            "LostAttempts": self.lost, "JobsFailedByLoss": self.failed,
        });
        let names = ["MovedJobs", "JobsSentAgain", "LostAttempts", "JobsFailedByLoss"];
        let mut lines = vec![line(&["Function"], &names, own)];
        for queue in &self.queues {
            let values = serde_json::json!({
                "Queue": queue.queue, "Visible": queue.visible, "InFlight": queue.in_flight,
                "Delayed": queue.delayed, "DeadLetters": queue.dead_letters,
            });
            lines.push(line(&["Queue"], &["Visible", "InFlight", "Delayed", "DeadLetters"], values));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_one_json_object_per_line() {
        let queue = QueueReport { queue: "webhooks".into(), visible: 1, in_flight: 2, delayed: 3, dead_letters: 4 };
        let report = Report { moved: 7, queues: vec![queue], ..Report::default() };
        let lines: Vec<serde_json::Value> =
            report.metrics(5).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[0]["MovedJobs"], &lines[1]["DeadLetters"]), (2, &7.into(), &4.into()));
        for line in &lines {
            let described = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(line["_aws"]["Timestamp"], 5);
            for metric in described["Metrics"].as_array().unwrap() {
                assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{line}");
            }
            assert!(line[described["Dimensions"][0][0].as_str().unwrap()].is_string(), "{line}");
        }
    }
}
