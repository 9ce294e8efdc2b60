//! Expressions of rules and schedules, which AWS checks only at deployment.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use lamplighter::schedule::{Cron, Dialect, Rate};
use serde_json::Value;

use super::resources::Resources;
use crate::problems::Problems;

pub(super) fn examine(resources: &Resources<'_>, now: Timestamp, problems: &mut Problems) {
    for rule in resources.of_type("AWS::Events::Rule") {
        let Some(expression) = rule.properties["ScheduleExpression"].as_str() else { continue };
        if let Err(reason) = repeated(expression) {
            problems.add(format!("{}: {reason}", rule.id));
        }
    }
    for schedule in resources.of_type("AWS::Scheduler::Schedule") {
        let Some(expression) = schedule.properties["ScheduleExpression"].as_str() else { continue };
        let checked = match inside(expression, "at(") {
            Some(moment) => once(moment, &schedule.properties["ScheduleExpressionTimezone"], now),
            None => repeated(expression),
        };
        if let Err(reason) = checked {
            problems.add(format!("{}: {reason}", schedule.id));
        }
    }
}

/// Returns the text between the brackets.
fn inside<'a>(expression: &'a str, opening: &str) -> Option<&'a str> {
    expression.strip_prefix(opening)?.strip_suffix(')')
}

fn repeated(expression: &str) -> Result<(), String> {
    if expression.starts_with("rate(") {
        let rate = Rate::parse(expression).map_err(|error| error.to_string())?;
        return rate.to_aws().map(drop).map_err(|error| error.to_string());
    }
    let Some(fields) = inside(expression, "cron(") else {
        return Err(format!("`{expression}` is neither cron(…) nor rate(…)"));
    };
    let cron = Cron::parse(fields).map_err(|error| error.to_string())?;
    match (cron.dialect(), cron.to_aws()) {
        (Dialect::Aws, _) => Ok(()),
        (Dialect::Unix, Ok(six)) => {
            Err(format!("`{expression}` has the five fields of Unix, and AWS needs six: {six}"))
        }
        (Dialect::Unix, Err(error)) => Err(error.to_string()),
    }
}

fn once(moment: &str, zone: &Value, now: Timestamp) -> Result<(), String> {
    let unreadable = |_| format!("at({moment}) is not a moment; write at(yyyy-mm-ddThh:mm:ss)");
    let local: DateTime = moment.parse().map_err(unreadable)?;
    let zone = match zone.as_str() {
        None | Some("UTC") => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| format!("there is no time zone {name:?}"))?,
    };
    if zone.to_timestamp(local).map_err(unreadable)? <= now {
        return Err(format!(
            "at({moment}) has passed, and would never fire; remove the schedule, or give it another moment"
        ));
    }
    Ok(())
}
