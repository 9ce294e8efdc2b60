//! Alarms.

use lamplighter::{QueueHost, meter::Instrument};

use super::{
    names::{UNDELIVERED, dead_letters_id, function_id, named, queue_id},
    parameters::HAS_METRICS,
    resource, resource_if,
};
use crate::{
    deployment::{DeployedFunction, DeployedQueue, Deployment, UNDELIVERED_QUEUE, logical_name},
    node::{Map, Node, attribute, only_if, reference},
};

/// The parameter that names the topic.
pub(super) const ALARM_TOPIC: &str = "AlarmTopicArn";
/// The condition that the parameter is set.
pub(super) const HAS_ALARM_TOPIC: &str = "HasAlarmTopic";

const ALARM: &str = "AWS::CloudWatch::Alarm";

/// The maximum time of an invocation that a worker reserves to settle its jobs. An invocation this close to Lambda's
/// own timeout is likely to reach it, and then the batch's finished jobs are lost.
const SETTLING_MS: u32 = 2000;

/// The retries within five minutes from which a job's alarm may go off: a few are no news.
const RETRIES: u32 = 10;

/// A metric of an AWS service, and the threshold of its alarm. The values of each minute are combined by `statistic`.
struct Watch<'a> {
    namespace: &'a str,
    metric: &'a str,
    dimension: (&'a str, Node),
    statistic: &'a str,
    above: u32,
    /// The number of consecutive minutes.
    minutes: u16,
}

pub(super) fn resources(deployment: &Deployment) -> Map {
    let mut alarms = Map::new();
    for queue in &deployment.queues {
        alarms = alarms.and(of_queue(queue));
    }
    for function in &deployment.functions {
        alarms = alarms.and(of_function(function));
    }
    let about = "EventBridge could not deliver an event, or a function failed on one. The message in the queue shows the \
                 event, and its attributes the reason.";
    let name = attribute(UNDELIVERED, "QueueName");
    alarms.set(format!("{UNDELIVERED}Alarm"), alarm(named(UNDELIVERED_QUEUE, ""), about, not_empty(name)))
}

fn of_queue(queue: &DeployedQueue) -> Map {
    let (id, name) = (logical_name(&queue.name), &queue.name);
    let given_up = format!(
        "Jobs of queue {name} were given up. The attribute lamplighter.reason of each dead letter says why. After repairing \
         the cause, run `lamp redrive {name}` to send them again."
    );
    let check = match queue.host {
        QueueHost::Worker => "Check with `lamp queues` whether workers poll it, or start more of them.",
        _ => "Check whether the event source mapping is enabled and the function throttled, or raise the concurrency.",
    };
    let stale = format!(
        "A message of queue {name} is older than all attempts of a job can take, so it is not being received. {check}"
    );
    let age = Watch {
        namespace: "AWS/SQS",
        metric: "ApproximateAgeOfOldestMessage",
        dimension: ("QueueName", attribute(&queue_id(name), "QueueName")),
        statistic: "Maximum",
        above: queue.stale_secs,
        minutes: 5,
    };
    let dead = attribute(&dead_letters_id(name), "QueueName");
    Map::new()
        .set(format!("{id}DeadLettersAlarm"), alarm(named(name, "-dead-letters"), &given_up, not_empty(dead)))
        .set(format!("{id}AgeAlarm"), alarm(named(name, "-age"), &stale, age))
        .and(of_jobs(queue))
}

/// One for each job of a queue, by the metrics that its function writes: it tells of a dependency that is down hours before
/// the first job has used up its attempts.
fn of_jobs(queue: &DeployedQueue) -> Map {
    let mut alarms = Map::new();
    // Workers write no metrics into CloudWatch.
    if queue.host == QueueHost::Worker {
        return alarms;
    }
    for job in &queue.jobs {
        let name = job.replace('.', "-");
        let about = format!(
            "More attempts of job {job} failed than succeeded for five minutes; they are tried again. `lamp errors --job {job}` \
             says why, and `lamp pause {}` stops new attempts.",
            queue.name
        );
        let dimension = |name: &str, value: Node| Map::new().set("Name", name).set("Value", value);
        let metric = |id: &str, instrument: Instrument| {
            let metric =
                Map::new().set("Namespace", Instrument::NAMESPACE).set("MetricName", instrument.cloudwatch).set(
                    "Dimensions",
                    [
                        dimension("Function", reference(function_id(&queue.function))),
                        dimension("Queue", queue.name.as_str().into()),
                        dimension("Job", job.as_str().into()),
                    ],
                );
            let statistic = Map::new().set("Metric", metric).set("Period", 300u16).set("Stat", "Sum");
            Map::new().set("Id", id).set("MetricStat", statistic).set("ReturnData", false)
        };
        let rate = Map::new()
            .set("Id", "rate")
            .set("Label", "Retried attempts for each success")
            .set("Expression", format!("IF(retried >= {RETRIES}, retried / (FILL(succeeded, 0) + 1), 0)"));
        let properties = Map::new()
            .set("AlarmName", named(&format!("{}-{name}", queue.name), "-retries"))
            .set("AlarmDescription", about.as_str())
            .set("Metrics", [metric("retried", Instrument::RETRIED), metric("succeeded", Instrument::SUCCEEDED), rate])
            .set("EvaluationPeriods", 1u16)
            .set("ComparisonOperator", "GreaterThanThreshold")
            .set("Threshold", 1u32);
        let id = format!("{}{}RetriesAlarm", logical_name(&queue.name), logical_name(&name));
        alarms = alarms.set(id, resource_if(HAS_METRICS, ALARM, notified(properties)));
    }
    alarms
}

fn of_function(function: &DeployedFunction) -> Map {
    let (id, name) = (logical_name(&function.name), &function.name);
    let watch = |metric, statistic, above, minutes| Watch {
        namespace: "AWS/Lambda",
        metric,
        dimension: ("FunctionName", reference(function_id(name))),
        statistic,
        above,
        minutes,
    };
    if function.dashboard {
        return of_dashboard(function, watch);
    }
    let errors = format!(
        "Invocations of function {name} failed as a whole: it crashed, ran out of memory or time, or could not start. All \
         messages of the batch are delivered again. Failed jobs do not trigger this alarm."
    );
    let throttles = format!(
        "Lambda refused invocations of function {name}: the account's or the function's concurrency is used up. Raise it, \
         or lower max_concurrency of its queues."
    );
    let duration = format!(
        "An invocation of function {name} came near its timeout, where Lambda would stop it and lose its finished jobs. \
         Allow the slowest job more time, or use smaller batches."
    );
    let near = function.timeout_secs.saturating_mul(1000).saturating_sub(SETTLING_MS);
    Map::new()
        .set(format!("{id}ErrorsAlarm"), alarm(named(name, "-errors"), &errors, watch("Errors", "Sum", 0, 1)))
        .set(
            format!("{id}ThrottlesAlarm"),
            alarm(named(name, "-throttles"), &throttles, watch("Throttles", "Sum", 0, 5)),
        )
        .set(
            format!("{id}DurationAlarm"),
            alarm(named(name, "-duration"), &duration, watch("Duration", "Maximum", near, 1)),
        )
}

fn of_dashboard<'a>(function: &DeployedFunction, watch: impl Fn(&'a str, &'a str, u32, u16) -> Watch<'a>) -> Map {
    let (id, name) = (logical_name(&function.name), &function.name);
    let errors = "Requests to the dashboard failed as a whole: it crashed, ran out of memory or time, or could not start. \
                  Its log says why. Jobs are not affected.";
    let throttles = "Lambda refused requests to the dashboard: the account's or the function's concurrency is used up. Jobs \
                     may be waiting too.";
    let duration =
        "A request to the dashboard came near its timeout. Narrow the query, or give the dashboard more memory.";
    let near = function.timeout_secs.saturating_mul(1000).saturating_sub(SETTLING_MS);
    Map::new()
        .set(format!("{id}ErrorsAlarm"), alarm(named(name, "-errors"), errors, watch("Errors", "Sum", 0, 5)))
        .set(
            format!("{id}ThrottlesAlarm"),
            alarm(named(name, "-throttles"), throttles, watch("Throttles", "Sum", 0, 5)),
        )
        .set(
            format!("{id}DurationAlarm"),
            alarm(named(name, "-duration"), duration, watch("Duration", "Maximum", near, 1)),
        )
}

/// Returns the alarm of a queue that should be empty.
fn not_empty(queue: Node) -> Watch<'static> {
    Watch {
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: ("QueueName", queue),
        statistic: "Maximum",
        above: 0,
        minutes: 1,
    }
}

fn alarm(name: Node, about: &str, watch: Watch<'_>) -> Map {
    let (dimension, value) = watch.dimension;
    let properties = Map::new()
        .set("AlarmName", name)
        .set("AlarmDescription", about)
        .set("Namespace", watch.namespace)
        .set("MetricName", watch.metric)
        .set("Dimensions", [Map::new().set("Name", dimension).set("Value", value)])
        .set("Statistic", watch.statistic)
        .set("Period", 60u16)
        .set("EvaluationPeriods", watch.minutes)
        .set("ComparisonOperator", "GreaterThanThreshold")
        .set("Threshold", watch.above);
    resource(ALARM, notified(properties))
}

/// What all alarms have in common.
fn notified(properties: Map) -> Map {
    properties
        .set("TreatMissingData", "notBreaching")
        .set("AlarmActions", only_if(HAS_ALARM_TOPIC, [reference(ALARM_TOPIC)]))
        .set("OKActions", only_if(HAS_ALARM_TOPIC, [reference(ALARM_TOPIC)]))
}
