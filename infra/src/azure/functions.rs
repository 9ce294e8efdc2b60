//! A `function.json` for each queue and each schedule.

use std::{collections::BTreeMap, time::Duration};

use lamplighter::{Function, ScheduledJob, schedule::Misfire};
use lamplighter_azure::{
    MAX_DELAY, MAX_MESSAGE_BYTES,
    contract::{
        QUEUE_BINDING, TIMER_BINDING, function_problems, queue_function, schedule_name_problem, timer_function,
    },
};

use super::host::time;
use crate::{deployment::consumers, node::Map, problems::Problems};

/// The host's own storage account, which has the queues too.
const CONNECTION: &str = "AzureWebJobsStorage";
/// A tick that could not be enqueued is retried for five minutes: nothing else would repeat it.
const TICK_RETRIES: (u16, Duration) = (30, Duration::from_secs(10));

/// Returns the functions by their names on Azure.
pub(super) fn triggers(
    functions: &[Function],
    schedules: &[ScheduledJob],
    problems: &mut Problems,
) -> BTreeMap<String, Map> {
    let mut triggers = BTreeMap::new();
    for function in functions {
        problems.extend(function_problems(function));
        check_delays(function, problems);
    }
    for queue in consumers(functions, problems).into_keys() {
        triggers.insert(queue_function(queue), queue_trigger(queue));
    }
    for scheduled in schedules {
        if let Some(trigger) = timer_trigger(functions, scheduled, problems) {
            triggers.insert(timer_function(&scheduled.schedule.name), trigger);
        }
    }
    triggers
}

fn queue_trigger(queue: &str) -> Map {
    let trigger = Map::new()
        .set("type", "queueTrigger")
        .set("name", QUEUE_BINDING)
        .set("direction", "in")
        .set("queueName", queue)
        .set("connection", CONNECTION);
    Map::new().set("bindings", [trigger])
}

/// Returns the trigger of a schedule, unless the schedule is disabled.
fn timer_trigger(functions: &[Function], scheduled: &ScheduledJob, problems: &mut Problems) -> Option<Map> {
    let (schedule, job) = (&scheduled.schedule, &*scheduled.job);
    problems.extend(schedule_name_problem(&schedule.name));
    if let Err(error) = schedule.check() {
        problems.add(error.to_string());
        return None;
    }
    if !functions.iter().any(|function| function.route(job).is_some()) {
        problems.add(format!(
            "schedule `{}` starts {job}, which no function performs; add a handler for it",
            schedule.name
        ));
    }
    if schedule.misfire == Misfire::RunAll {
        problems.add(format!(
            "schedule `{}` makes up for every missed run, and an Azure timer fires once for all of them; let it run once, or \
             skip what was missed",
            schedule.name
        ));
    }
    let length = scheduled.message(lamplighter::Timestamp::UNIX_EPOCH).map_or(0, |message| message.to_json().len());
    if length > MAX_MESSAGE_BYTES {
        problems.add(format!(
            "schedule `{}` starts {job} with a message of {length} bytes, and an Azure Storage queue takes {MAX_MESSAGE_BYTES}: \
             put the data elsewhere and pass a reference",
            schedule.name
        ));
    }
    let expression = schedule.ncrontab().map_err(|error| problems.add(error.to_string())).ok()?;
    if !schedule.enabled {
        return None;
    }
    let trigger = Map::new()
        .set("type", "timerTrigger")
        .set("name", TIMER_BINDING)
        .set("direction", "in")
        .set("schedule", expression);
    let (retries, pause) = TICK_RETRIES;
    let retry =
        Map::new().set("strategy", "fixedDelay").set("maxRetryCount", retries).set("delayInterval", time(pause));
    Some(Map::new().set("bindings", [trigger]).set("retry", retry))
}

fn check_delays(function: &Function, problems: &mut Problems) {
    for route in function.routes() {
        let retry = &route.options.retry;
        let longest = (1..retry.max_attempts()).map(|attempt| retry.ceiling(attempt)).max().unwrap_or_default();
        if longest > MAX_DELAY {
            problems.add(format!(
                "job {} may wait {:.1} days between two attempts, and an Azure Storage queue delays a message by 7 days at \
                 most: cap the delays below that",
                route.job,
                longest.as_secs_f64() / 86_400.0
            ));
        }
    }
}
