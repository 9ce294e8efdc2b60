//! Schedules created at run time.

use lamplighter_aws::RunTimeSchedule;
use serde_json::Value;

use super::{Compare, Difference, Kind, Severity};

impl Compare<'_> {
    pub(super) fn run_time_schedules(&mut self) {
        let targets = self.targets();
        for made in &self.deployed.made {
            let input: Value = serde_json::from_str(&made.input).unwrap_or_default();
            let schedule = input["schedule"].as_str().unwrap_or_else(|| name_of(made)).to_owned();
            let job = input["job"].as_str().unwrap_or_default();
            let found = if !targets.contains(&*made.target) {
                Some((format!("it sends to {}", made.target), "an existing queue of this stack"))
            } else if !self.expected.deployment.queues.iter().any(|queue| queue.jobs.iter().any(|one| one == job)) {
                Some((format!("it starts job {job:?}"), "a job that a function performs"))
            } else {
                None
            };
            let stack = self.stack_name();
            let difference = found.map(|(found, expected)| Difference {
                kind: Kind::ScheduleNowhere,
                severity: if made.enabled { Severity::Error } else { Severity::Warning },
                found,
                expected: expected.into(),
                breaks: "its ticks start nothing".into(),
                repair: format!(
                    "`lamp schedule remove {schedule} --stack {stack}`, or `lamp schedule add {schedule} … --stack {stack}` \
                     with an existing job"
                ),
            });
            self.check_named(format!("schedule {schedule}"), made.name.clone(), difference);
        }
    }
}

fn name_of(made: &RunTimeSchedule) -> &str {
    made.name.split_once('-').map_or(&made.name, |(_, name)| name)
}
