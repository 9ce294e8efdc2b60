//! Deployed rules and schedules: their state, their times, and their targets.

use serde_json::Value;

use super::{
    Compare, Difference, Kind, REVERT, Resource, Severity, Subject,
    property::{Property, normal, told},
};
use crate::doctor::resolve::is_known;

const TIMES: &[Property] = &[
    Property::error("/ScheduleExpression", "its job is started at other times, or never"),
    Property::error("/ScheduleExpressionTimezone", "its job is started at other times"),
    Property::error("/EventPattern", "the wrong events become jobs"),
];

/// The parts of a target, and the consequence if one differs.
const TARGET: &[(&str, &str)] = &[
    ("Arn", "its messages go elsewhere"),
    ("Input", "it starts another job, or an unreadable one"),
    ("InputTransformer", "it starts another job, or an unreadable one"),
    ("SqsParameters", "a FIFO queue refuses its messages, or orders them wrongly"),
    ("RoleArn", "it may not send: nothing is started"),
    ("DeadLetterConfig", "undelivered events are silently lost"),
    ("RetryPolicy", "retries of undelivered events end too early"),
];

impl Compare<'_> {
    pub(super) fn schedule(&mut self, resource: &Resource, seen: &Value) {
        self.is_on(resource, seen);
        // A rule has no time zone, and a schedule no pattern.
        let rows: Vec<_> = TIMES.iter().filter(|row| seen.pointer(row.at).is_some()).collect();
        for row in rows {
            let by_hand = |_: &Property, _: &Value| REVERT.to_owned();
            self.properties(resource, seen, Kind::ScheduleDrifted, std::slice::from_ref(row), by_hand);
        }
        match (&resource.properties["Targets"], seen.get("Targets")) {
            (Value::Array(expected), Some(found)) => {
                for expected in expected {
                    let mut found = found.as_array().into_iter().flatten();
                    let found = found.find(|found| found["Id"] == expected["Id"]);
                    self.target(resource, expected, found);
                }
            }
            _ => {
                if let (expected @ Value::Object(_), Some(found)) = (&resource.properties["Target"], seen.get("Target"))
                {
                    self.target(resource, expected, Some(found).filter(|found| !found.is_null()));
                }
            }
        }
    }

    fn is_on(&mut self, resource: &Resource, seen: &Value) {
        let stack = self.stack_name();
        let expected = resource.properties["State"].as_str().unwrap_or("ENABLED");
        let Some(found) = seen["State"].as_str() else { return };
        let off = expected == "ENABLED";
        self.check(
            resource,
            (found != expected).then(|| Difference {
                kind: Kind::ScheduleDisabled,
                severity: if off { Severity::Error } else { Severity::Warning },
                found: format!("it is {found}"),
                expected: expected.into(),
                breaks: match (&resource.of, off) {
                    (_, false) => "it starts jobs that the definitions have disabled".into(),
                    (Subject::Events(function), true) => format!("events no longer become jobs of function {function}"),
                    (_, true) => "its job is not started; ticks in the meantime are lost".into(),
                },
                repair: match (&resource.of, off) {
                    (Subject::Schedule(name), true) => format!("`lamp schedule resume {name} --stack {stack}`"),
                    (Subject::Schedule(name), false) => format!("`lamp schedule pause {name} --stack {stack}`"),
                    _ => format!("`aws events enable-rule --name {}`", self.id(&resource.id)),
                },
            }),
        );
    }

    fn target(&mut self, resource: &Resource, expected: &Value, found: Option<&Value>) {
        let arn = expected["Arn"].as_str().unwrap_or_default();
        let target = found.and_then(|found| found["Arn"].as_str());
        let nowhere = match target {
            None => Some("it has no target".to_owned()),
            Some(target) if !self.targets().contains(target) => Some(format!("it points at {target}")),
            Some(_) => None,
        };
        let wanted_is_there = self.targets().contains(arn);
        let lost = nowhere.is_some();
        self.check(
            resource,
            nowhere.map(|found| Difference {
                kind: Kind::ScheduleNowhere,
                severity: Severity::Error,
                found,
                expected: format!("{arn}, and that it exists"),
                breaks: "it starts nothing".into(),
                repair: match wanted_is_there {
                    true => REVERT.into(),
                    false => format!("create its target again first: {REVERT}"),
                },
            }),
        );
        let Some(found) = found.filter(|_| !lost) else { return };
        for (part, breaks) in TARGET {
            let (expected, found) = (&expected[*part], &found[*part]);
            if !is_known(expected) {
                continue;
            }
            self.check(
                resource,
                (normal(expected) != normal(found)).then(|| Difference {
                    kind: Kind::ScheduleDrifted,
                    severity: if *part == "RetryPolicy" { Severity::Warning } else { Severity::Error },
                    found: told(part, found),
                    expected: told(part, expected),
                    breaks: (*breaks).into(),
                    repair: self.repair(resource, "/Targets", REVERT),
                }),
            );
        }
    }
}
