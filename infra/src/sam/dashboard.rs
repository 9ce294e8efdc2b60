//! A CloudWatch dashboard of metrics that AWS collects, and of those that functions write where the parameter `Metrics` says
//! so.

use lamplighter::{QueueHost, meter::Instrument};

use super::names::{SCHEDULE_GROUP, TABLE, UNDELIVERED, dead_letters_id, function_id, mapping_id, queue_id};
use crate::{
    deployment::Deployment,
    node::{Map, Node, reference, sub},
};

const ID: &str = "Dashboard";

/// A graph of one or several metrics.
struct Graph {
    title: &'static str,
    statistic: &'static str,
    lines: Vec<Line>,
    /// The metrics that functions write: of all their jobs, whichever there are.
    written: Vec<Written>,
}

/// A metric that a function writes for each of its jobs.
struct Written {
    instrument: Instrument,
    /// The function's name in the stack.
    function: String,
}

/// One metric of one resource: its CloudWatch identity, and its label.
struct Line {
    namespace: &'static str,
    metric: &'static str,
    dimension: &'static str,
    value: String,
    label: String,
}

/// The dashboard's grid is 24 wide.
const WIDTH: usize = 12;
const HEIGHT: usize = 6;

pub(super) fn resource(deployment: &Deployment) -> Map {
    let graphs = graphs(deployment);
    let mut lines = vec![r#"{"widgets":["#.to_owned()];
    for (index, graph) in graphs.iter().enumerate() {
        let (x, y) = (index % 2 * WIDTH, index / 2 * HEIGHT);
        lines.push(format!(
            r#"{{"type":"metric","x":{x},"y":{y},"width":{WIDTH},"height":{HEIGHT},"properties":{{"title":"{}","region":"${{AWS::Region}}","stat":"{}","period":60,"metrics":["#,
            graph.title, graph.statistic
        ));
        for (index, line) in graph.lines.iter().enumerate() {
            let comma = if index + 1 < graph.lines.len() { "," } else { "" };
            let Line { namespace, metric, dimension, value, label } = line;
            lines.push(format!(r#"["{namespace}","{metric}","{dimension}","{value}",{{"label":"{label}"}}]{comma}"#));
        }
        for (index, Written { instrument, function }) in graph.written.iter().enumerate() {
            let comma = if index + 1 < graph.written.len() { "," } else { "" };
            let (namespace, metric, statistic) = (Instrument::NAMESPACE, instrument.cloudwatch, graph.statistic);
            lines.push(format!(
                r#"[{{"expression":"SEARCH('{{{namespace},Function,Queue,Job}} MetricName=\"{metric}\" Function=\"${{{function}}}\"', '{statistic}', 60)","id":"e{index}"}}]{comma}"#
            ));
        }
        lines.push(if index + 1 < graphs.len() { "]}}," } else { "]}}" }.to_owned());
    }
    lines.push("]}".to_owned());
    let properties =
        Map::new().set("DashboardName", reference("AWS::StackName")).set("DashboardBody", sub(Node::Folded(lines)));
    Map::new().set(ID, super::resource("AWS::CloudWatch::Dashboard", properties))
}

/// Returns the dashboard's URL.
pub(super) fn url() -> Node {
    sub(format!(
        "https://${{AWS::Region}}.console.aws.amazon.com/cloudwatch/home?region=${{AWS::Region}}#dashboards/dashboard/${{{ID}}}"
    ))
}

fn graphs(deployment: &Deployment) -> Vec<Graph> {
    let queues = |metric: &'static str| -> Vec<Line> {
        let line = |name: &String| sqs(metric, &queue_id(name), name);
        deployment.queues.iter().map(|queue| line(&queue.name)).collect()
    };
    let functions = |metric: &'static str, what: &str| -> Vec<Line> {
        let functions = deployment.functions.iter();
        functions
            .map(|function| Line {
                namespace: "AWS/Lambda",
                metric,
                dimension: "FunctionName",
                value: format!("${{{}}}", function_id(&function.name)),
                label: format!("{}{what}", function.name),
            })
            .collect()
    };
    let mappings = |metric: &'static str, what: &str| -> Vec<Line> {
        let queues = deployment.queues.iter().filter(|queue| queue.host != QueueHost::Worker);
        queues
            .map(|queue| Line {
                namespace: "AWS/Lambda",
                metric,
                dimension: "EventSourceMappingUUID",
                value: format!("${{{}}}", mapping_id(&queue.name)),
                label: format!("{} {what}", queue.name),
            })
            .collect()
    };
    let visible = "ApproximateNumberOfMessagesVisible";
    let dead = deployment.queues.iter().map(|queue| sqs(visible, &dead_letters_id(&queue.name), &queue.name));
    let graph = |title, statistic, lines| Graph { title, statistic, lines, written: Vec::new() };
    let written = |title, statistic, instruments: &[Instrument]| {
        let of = |instrument: &Instrument| {
            let instrument = *instrument;
            let functions = deployment.functions.iter().filter(|function| !function.dashboard);
            functions
                .map(move |function| Written { instrument, function: function_id(&function.name) })
                .collect::<Vec<_>>()
        };
        Graph { title, statistic, lines: Vec::new(), written: instruments.iter().flat_map(of).collect() }
    };
    let mut graphs = vec![
        graph("Messages waiting", "Maximum", queues(visible)),
        graph("Age of the oldest message (s)", "Maximum", queues("ApproximateAgeOfOldestMessage")),
        graph(
            "Messages in progress, or waiting for another attempt",
            "Maximum",
            queues("ApproximateNumberOfMessagesNotVisible"),
        ),
        graph("Dead letters", "Maximum", dead.chain([sqs(visible, UNDELIVERED, "undelivered events")]).collect()),
        graph(
            "Messages received and failed by invocations",
            "Sum",
            both(mappings("InvokedEventCount", "received"), mappings("FailedInvokeEventCount", "failed")),
        ),
        graph("Invocations", "Sum", functions("Invocations", "")),
        graph(
            "Invocations failed or refused",
            "Sum",
            both(functions("Errors", " failed"), functions("Throttles", " refused")),
        ),
        graph("Longest invocation (ms)", "Maximum", functions("Duration", "")),
        graph("Concurrent invocations", "Maximum", functions("ConcurrentExecutions", "")),
    ];
    graphs.push(written("Jobs succeeded (Metrics: cloudwatch)", "Sum", &[Instrument::SUCCEEDED]));
    let bad = [Instrument::RETRIED, Instrument::FAILED, Instrument::LOST];
    graphs.push(written("Jobs retried, failed and lost (Metrics: cloudwatch)", "Sum", &bad));
    graphs.push(written("Duration of jobs, p99 (ms) (Metrics: cloudwatch)", "p99", &[Instrument::DURATION]));
    graphs.push(written("Wait of jobs, p99 (ms) (Metrics: cloudwatch)", "p99", &[Instrument::QUEUE_LATENCY]));
    if deployment.keeps_records() {
        let table = |metric, label: &str| Line {
            namespace: "AWS/DynamoDB",
            metric,
            dimension: "TableName",
            value: format!("${{{TABLE}}}"),
            label: label.into(),
        };
        let used =
            vec![table("ConsumedWriteCapacityUnits", "write units"), table("ConsumedReadCapacityUnits", "read units")];
        let refused = vec![table("WriteThrottleEvents", "writes"), table("ReadThrottleEvents", "reads")];
        graphs.push(graph("Records: units used", "Sum", used));
        graphs.push(graph("Records: calls refused", "Sum", refused));
    }
    let group = |metric, label: &str| Line {
        namespace: "AWS/Scheduler",
        metric,
        dimension: "ScheduleGroup",
        value: format!("${{{SCHEDULE_GROUP}}}"),
        label: label.into(),
    };
    let ticks = vec![
        group("InvocationAttemptCount", "tried"),
        group("TargetErrorCount", "failed"),
        group("InvocationDroppedCount", "dropped"),
    ];
    graphs.push(graph("Schedules and delays", "Sum", ticks));
    graphs
}

fn sqs(metric: &'static str, id: &str, label: &str) -> Line {
    Line {
        namespace: "AWS/SQS",
        metric,
        dimension: "QueueName",
        value: format!("${{{id}.QueueName}}"),
        label: label.into(),
    }
}

fn both(mut first: Vec<Line>, second: Vec<Line>) -> Vec<Line> {
    first.extend(second);
    first
}
