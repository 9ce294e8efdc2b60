//! Functions: their size, their settings, and the events that call them.

use std::collections::{BTreeMap, BTreeSet};

use lamplighter::{Definition, EventTrigger, Function, Setting};

use super::{limits, names::logical_name, reach, triggers, variables};
use crate::problems::Problems;

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedFunction {
    /// Its name in the definitions, and its binary's.
    pub name: String,
    /// A description for people; may be empty.
    pub description: String,
    /// Its memory.
    pub memory_mb: u16,
    /// Its timeout: that of its slowest job plus a margin.
    pub timeout_secs: u32,
    /// Environment variables with fixed values.
    pub variables: BTreeMap<String, String>,
    /// Environment variables whose values are set at deployment.
    pub settings: Vec<DeployedSetting>,
    /// Whether it reads and writes objects.
    pub objects: bool,
    /// Whether it keeps records.
    pub tracked: bool,
    /// Whether it maintains the whole deployment: reads the depth of each queue, and finds due jobs.
    pub maintenance: bool,
    /// Whether it is the dashboard of the whole deployment, behind a function URL.
    pub dashboard: bool,
    /// The queues that its handlers enqueue on, by name.
    pub enqueues_to: BTreeSet<String>,
    /// Whether its handlers create and change schedules.
    pub schedules: bool,
    /// Whether its handlers cancel jobs and retry ended ones.
    pub manages_jobs: bool,
    /// Whether one of its jobs has a limit or an overlap policy, so that it waits in lines.
    pub has_limits: bool,
    /// The queues of other functions whose jobs share a limit with its own, by name: it wakes jobs there.
    pub wakes: BTreeSet<String>,
    /// The events that call it directly. One event that matches several of these is one call.
    pub events: Vec<EventPattern>,
}

/// An environment variable whose value is set at deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedSetting {
    /// The variable.
    pub variable: String,
    /// Its purpose.
    pub about: String,
    /// The default value; may be empty.
    pub default: String,
    /// Whether it is secret and must not be shown.
    pub secret: bool,
    /// Whether it names secrets that the function may read.
    pub names_secrets: bool,
}

/// The events that call a function. At least one of the two fields is set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPattern {
    /// The event's `source`.
    pub source: Option<String>,
    /// The event's `detail-type`.
    pub detail_type: Option<String>,
}

impl DeployedSetting {
    /// Returns the template parameter for the value: `WebhookSecret` for `LAMPLIGHTER_WEBHOOK_SECRET`.
    #[must_use]
    pub fn parameter(&self) -> String {
        Self::parameter_of(&self.variable)
    }

    pub(crate) fn parameter_of(variable: &str) -> String {
        let variable = variable.strip_prefix("LAMPLIGHTER_").unwrap_or(variable);
        logical_name(&variable.to_ascii_lowercase())
    }
}

/// The template's own parameters.
const PARAMETERS: [&str; 17] = [
    "AlarmTopicArn",
    "Architecture",
    "DashboardAuthType",
    "KmsKeyArn",
    "LogLevel",
    "LogRetentionDays",
    "ObjectsBucket",
    "PayloadsBucket",
    "SecretsKeyArn",
    "Tracing",
    "WorkerAssignPublicIp",
    "WorkerCount",
    "WorkerCpu",
    "WorkerImage",
    "WorkerMemory",
    "WorkerSecurityGroups",
    "WorkerSubnets",
];

pub(crate) fn derive(
    functions: &[Function],
    definitions: &[Definition],
    problems: &mut Problems,
) -> Vec<DeployedFunction> {
    for function in functions {
        problems.extend(function.problems());
        check_variables(function, problems);
        triggers::check(function, problems);
    }
    check_performers(functions, definitions, problems);
    reach::check(functions, problems);
    limits::check(functions, problems);
    check_settings(functions, problems);
    let mut all: Vec<_> = functions.iter().map(|function| one(function, functions)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn one(function: &Function, all: &[Function]) -> DeployedFunction {
    // Triggers that name a rule belong to a schedule.
    let patterns = function.spec().events.iter().filter(|trigger| trigger.rule.is_none()).map(pattern);
    DeployedFunction {
        name: function.name().into(),
        description: function.spec().description.into(),
        memory_mb: function.spec().memory_mb,
        timeout_secs: u32::try_from(function.timeout().as_secs()).unwrap_or(u32::MAX),
        variables: function.spec().environment.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
        settings: function.spec().settings.iter().map(setting).collect(),
        objects: function.spec().uses_objects,
        tracked: !function.spec().stateless,
        maintenance: function.spec().maintenance,
        dashboard: function.spec().dashboard,
        enqueues_to: reach::queues(function),
        schedules: function.spec().schedules,
        manages_jobs: function.spec().manages_jobs,
        has_limits: function.has_limits(),
        wakes: limits::shared_queues(function, all),
        events: patterns.collect::<BTreeSet<_>>().into_iter().collect(),
    }
}

fn setting(setting: &Setting) -> DeployedSetting {
    DeployedSetting {
        variable: setting.variable.into(),
        about: setting.description.into(),
        default: setting.default.into(),
        secret: setting.is_secret(),
        names_secrets: setting.names_secrets(),
    }
}

pub(super) fn pattern(trigger: &EventTrigger) -> EventPattern {
    EventPattern { source: trigger.source.map(str::to_owned), detail_type: trigger.detail_type.map(str::to_owned) }
}

fn check_variables(function: &Function, problems: &mut Problems) {
    let name = function.name();
    let settings = function.spec().settings.iter().map(|setting| setting.variable);
    let mut seen = BTreeSet::new();
    for variable in function.spec().environment.iter().map(|(variable, _)| *variable).chain(settings) {
        let form = variable.starts_with(|c: char| c.is_ascii_alphabetic())
            && variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !form || variable.len() < 2 {
            problems.add(format!(
                "function {name:?}: {variable:?} cannot be an environment variable; use a letter and then \
                 letters, digits and _"
            ));
        }
        // Lambda's own: AWS Lambda Developer Guide, "Working with Lambda environment variables".
        if variables::ALL.contains(&variable) || variable.starts_with("AWS_") || variable.starts_with("LAMBDA_") {
            problems.add(format!(
                "function {name:?}: the environment variable {variable} is set by the template or by Lambda; use another"
            ));
        }
        if !seen.insert(variable) {
            problems.add(format!("function {name:?}: the environment variable {variable} is set twice; keep one"));
        }
    }
}

fn check_performers(functions: &[Function], definitions: &[Definition], problems: &mut Problems) {
    let mut performers: BTreeMap<&str, &Function> = BTreeMap::new();
    for function in functions {
        for route in function.routes() {
            if let Some(other) = performers.insert(route.job, function) {
                problems.add(format!(
                    "job {} is performed by two functions, {} and {}; keep one handler",
                    route.job,
                    other.name(),
                    function.name()
                ));
            }
        }
    }
    for definition in definitions.iter().filter(|definition| !performers.contains_key(definition.name)) {
        problems.add(format!(
            "job {} is defined, but no function performs it: enqueued jobs would wait forever; add a handler or remove \
             the definition",
            definition.name
        ));
    }
}

/// Functions may share a setting if they declare it identically.
fn check_settings(functions: &[Function], problems: &mut Problems) {
    let mut known: BTreeMap<String, (&Setting, &Function)> = BTreeMap::new();
    for function in functions {
        for setting in &function.spec().settings {
            let parameter = self::setting(setting).parameter();
            if PARAMETERS.contains(&&*parameter) {
                problems.add(format!(
                    "function {:?}: the setting {} would be the parameter {parameter}, which the template has \
                     already; rename it",
                    function.name(),
                    setting.variable
                ));
            }
            let (first, by) = *known.entry(parameter).or_insert((setting, function));
            if first.variable != setting.variable {
                problems.add(format!(
                    "the settings {} and {} would be one parameter; rename one",
                    first.variable, setting.variable
                ));
            } else if first != setting {
                problems.add(format!(
                    "functions {} and {} declare the setting {} differently; share one constant",
                    by.name(),
                    function.name(),
                    setting.variable
                ));
            }
        }
    }
}
