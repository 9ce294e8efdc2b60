//! The stack itself, and its resources.

use lamplighter_aws::StackResource;

use super::{Compare, DEPLOY, Difference, Kind, REVERT, Resource, Severity, Subject};
use crate::doctor::expected::label_of;

impl Compare<'_> {
    pub(super) fn stack(&mut self) {
        self.state();
        for resource in self.resources {
            let difference = self.missing(resource);
            self.check(resource, difference);
        }
        for (id, resource) in &self.deployed.stack.resources {
            let expected = self.resources.iter().any(|expected| expected.id == *id);
            let left_over = !expected && !resource.status.starts_with("DELETE");
            let name = resource.physical_id.clone();
            self.check_named(
                label_of(&resource.kind, id),
                name,
                left_over.then(|| Difference {
                    kind: Kind::ResourceLeftOver,
                    severity: Severity::Warning,
                    found: format!("{} in the stack", resource.kind),
                    expected: "nothing of the kind in the definitions".into(),
                    breaks: "it keeps doing what it did: an unused queue keeps its messages, a rule keeps sending jobs that \
                             no function may know"
                        .into(),
                    repair: format!("empty it if it is a queue, then {DEPLOY}, which removes it"),
                }),
            );
        }
    }

    fn state(&mut self) {
        let stack = &self.deployed.stack;
        let status = &*stack.status;
        let why = stack.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let events = format!("`aws cloudformation describe-stack-events --stack-name {}`", stack.name);
        let difference = if status.ends_with("_IN_PROGRESS") {
            Some(Difference {
                kind: Kind::StackChanging,
                severity: Severity::Warning,
                found: format!("it is {status}{why}"),
                expected: "a stack at rest".into(),
                breaks: "what is found now may be half of a deployment".into(),
                repair: "look again when the deployment is complete".into(),
            })
        } else {
            let failed = status.contains("ROLLBACK") || status.contains("FAILED") || status.starts_with("DELETE");
            failed.then(|| Difference {
                kind: Kind::StackFailed,
                severity: Severity::Error,
                found: format!("it is {status}{why}"),
                expected: "a deployment that went through".into(),
                breaks: "the stack is that of an earlier deployment, or half of one".into(),
                repair: format!("{events} shows what failed; repair that, and `sam deploy` again"),
            })
        };
        self.check_named(format!("stack {}", stack.name), stack.id.clone(), difference);
    }

    fn missing(&self, resource: &Resource) -> Option<Difference> {
        let listed = self.deployed.stack.resources.get(&resource.id);
        let (found, repair) = match listed.filter(|listed| is_made(listed)) {
            None => {
                let found = listed.map_or_else(
                    || "the stack has none".into(),
                    |listed| format!("CloudFormation says {} of it", listed.status),
                );
                (found, DEPLOY.to_owned())
            }
            Some(_) if self.is_there(resource) => return None,
            Some(_) => {
                let found = "CloudFormation lists it, but it is missing: somebody has deleted it".to_owned();
                (found, format!("{REVERT}: a deployment does not create it again"))
            }
        };
        let (severity, breaks) = breaks(resource);
        let expected = format!("{} {}", resource.kind, resource.id);
        Some(Difference { kind: Kind::ResourceMissing, severity, found, expected, breaks: breaks.into(), repair })
    }
}

/// Returns whether CloudFormation has created it.
pub(super) fn is_made(resource: &StackResource) -> bool {
    let gone = resource.status.starts_with("DELETE_COMPLETE") || resource.status.starts_with("CREATE_FAILED");
    !resource.physical_id.is_empty() && !gone
}

/// Returns the consequence of a missing resource.
fn breaks(resource: &Resource) -> (Severity, &'static str) {
    use Severity::{Error, Warning};
    match &resource.of {
        Subject::Queue(_) => (Error, "its jobs cannot be enqueued, and those in it are lost"),
        Subject::DeadLetters(_) => (Error, "failed jobs cannot be dead-lettered, and are delivered again and again"),
        Subject::Undelivered => (Error, "undelivered events are silently lost"),
        Subject::Function(_) => (Error, "its jobs do not run"),
        Subject::Mapping(_) => (Error, "no function receives the queue's messages: its jobs do not run"),
        Subject::Role(_) => (Error, "its function cannot run"),
        Subject::SchedulerRole => (Error, "no schedule of EventBridge Scheduler can start its job"),
        Subject::Schedule(_) => (Error, "its job is not started"),
        Subject::Events(_) => (Error, "events no longer become jobs"),
        Subject::Table => (Error, "no job can be claimed: functions with records fail"),
        Subject::Bus => (Error, "no lifecycle events of jobs are published"),
        Subject::Group => (Error, "no schedule can be created at run time, and no message delayed beyond 15 minutes"),
        Subject::Other => match &*resource.kind {
            "AWS::SQS::QueuePolicy" => (Error, "rules may not send to the queue, and it accepts requests without TLS"),
            "AWS::Lambda::Permission" => (Error, "the rule may not call the function: its job is not started"),
            "AWS::Lambda::Url" => (Warning, "nobody reaches the dashboard"),
            "AWS::Lambda::EventInvokeConfig" => (Error, "events that the function fails on are lost"),
            "AWS::IAM::Policy" => (Error, "functions lack the permissions that it grants"),
            "AWS::Logs::LogGroup" => (Warning, "the function's logs are not kept, or never expire"),
            "AWS::S3::Bucket" => (Error, "objects cannot be read and written"),
            "AWS::CloudWatch::Alarm" => (Warning, "nobody is notified of the problem it watches for"),
            _ => (Warning, "it does not serve its purpose"),
        },
    }
}
