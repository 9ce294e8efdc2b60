//! The outputs of a deployed stack.

use super::{
    buckets::{OBJECTS, PAYLOADS},
    dashboard, dashboard_function, functions,
    names::{BUS, SCHEDULE_GROUP, SCHEDULER_ROLE, TABLE, UNDELIVERED, dead_letters_id, function_id, queue_id},
    workers,
};
use crate::{
    deployment::{Deployment, logical_name},
    node::{Map, Node, arn, reference, sub},
};

pub(super) fn outputs(deployment: &Deployment) -> Map {
    let output = |about: &str, value: Node| Map::new().set("Description", about).set("Value", value);
    let mut outputs = Map::new();
    for queue in &deployment.queues {
        let id = logical_name(&queue.name);
        let about = format!("The queue for {}", queue.jobs.join(", "));
        let dead = format!("The dead letters of queue {}", queue.name);
        outputs = outputs
            .set(format!("{id}QueueUrl"), output(&about, reference(queue_id(&queue.name))))
            .set(format!("{id}DeadLettersUrl"), output(&dead, reference(dead_letters_id(&queue.name))));
    }
    outputs = outputs.set(
        "Queues",
        output("All queues by name, as functions and other producers read them", functions::queue_map(deployment)),
    );
    let names: Vec<_> =
        deployment.functions.iter().map(|function| format!("${{{}}}", function_id(&function.name))).collect();
    outputs = outputs.set("Functions", output("All functions, for their metrics", sub(names.join(","))));
    if deployment.keeps_records() {
        outputs = outputs
            .set("Table", output("The records of jobs", reference(TABLE)))
            .set("EventBus", output("The bus for lifecycle events of jobs", reference(BUS)));
    }
    outputs = outputs
        .set("ScheduleGroup", output("The group of schedules", reference(SCHEDULE_GROUP)))
        .set("SchedulerRole", output("The role that schedules assume to send to queues", arn(SCHEDULER_ROLE)))
        .set("Undelivered", output("The queue for undelivered events", arn(UNDELIVERED)));
    if deployment.keeps_records() {
        outputs = outputs.set("Payloads", output("The bucket for large arguments", PAYLOADS.name()));
    }
    if deployment.has_objects() {
        outputs =
            outputs.set(OBJECTS.parameter, output("The bucket that jobs read and write objects in", OBJECTS.name()));
    }
    outputs
        .and(workers::outputs(deployment))
        .and(dashboard_function::outputs(deployment))
        .set("CloudWatchDashboardUrl", output("Queues, functions and records at a glance", dashboard::url()))
}
