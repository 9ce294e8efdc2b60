//! The next steps, as commands to copy.

use super::job::NewJob;
use crate::output::invocation;

/// A step: its purpose, and the command or file.
pub(super) type Step = (&'static str, String);

/// The steps after a new job.
pub(super) fn job(job: &NewJob, function: &str) -> Vec<Step> {
    let lamp = invocation();
    let (name, module, handler) = (&job.name.name, &job.name.module, &job.name.handler);
    let args = r#"'{"subject":"42"}'"#;
    let mut steps = vec![
        ("what it takes", format!("shared/jobs/src/{module}.rs")),
        ("what it does", format!("functions/{function}/src/{handler}.rs")),
        ("its tests", format!("cargo test -p lamplighter-jobs -p {function}")),
        ("the template", format!("{lamp} infra")),
    ];
    // The demo shows records.
    if !job.untracked {
        steps.push(("watch it", format!("{lamp} demo --job {name}={args}")));
    }
    steps.extend([("run it", format!("{lamp} dev")), ("beside that", format!("{lamp} enqueue {name} {args}"))]);
    steps.extend(DEPLOY.map(|(what, step)| (what, step.to_owned())));
    steps
}

/// The steps after a new schedule.
pub(super) fn schedule(name: &str) -> Vec<Step> {
    let lamp = invocation();
    let mut steps = vec![
        ("its tests", "cargo test -p lamplighter-jobs".to_owned()),
        ("the template", format!("{lamp} infra")),
        ("run it", format!("{lamp} dev")),
        ("right now", format!("{lamp} schedule trigger {name}")),
    ];
    steps.extend(DEPLOY.map(|(what, step)| (what, step.to_owned())));
    steps
}

const DEPLOY: [(&str, &str); 2] =
    [("build", "cargo lambda build --profile bootstrap --arm64"), ("deploy", "cd infra && sam deploy")];
