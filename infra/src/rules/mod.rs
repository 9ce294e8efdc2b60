//! Rules of a template that prevent lost jobs, and errors that AWS reports only at deployment. The usual linters do not
//! know these rules. They check the finished template, so no step between the definitions and the file can break them.

mod mappings;
mod patterns;
mod queues;
mod resources;
mod schedules;
mod targets;

use jiff::Timestamp;
use serde_json::Value;

use self::resources::Resources;
use crate::problems::Problems;

/// Examines a template in its JSON form. Single moments must be after `now`.
///
/// ```
/// use serde_json::json;
///
/// let mut template = lamplighter_infra::template()?.to_json();
/// lamplighter_infra::examine(&template, "2026-01-01T00:00:00Z".parse()?)?;
///
/// template["Resources"]["WebhooksQueue"]["Properties"]["VisibilityTimeout"] = json!(30);
/// let problems = lamplighter_infra::examine(&template, "2026-01-01T00:00:00Z".parse()?).unwrap_err();
/// assert!(problems.sentences()[0].starts_with("WebhooksQueue hides a message for 30 s"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// All problems, each with the resource's name and what to change.
pub fn examine(template: &Value, now: Timestamp) -> Result<(), Problems> {
    let resources = Resources::of(template);
    let mut problems = Problems::default();
    queues::examine(&resources, &mut problems);
    mappings::examine(&resources, &mut problems);
    schedules::examine(&resources, now, &mut problems);
    patterns::examine(&resources, &mut problems);
    targets::examine(&resources, &mut problems);
    problems.or(())
}
