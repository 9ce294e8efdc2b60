//! Rules of a template that prevent lost jobs, and errors that AWS reports only at deployment. The usual linters do not
//! have these rules. They check the finished template, so no step between the definitions and the file can break them.

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

/// Checks a template in its JSON form. One-time schedules must be after `now`.
///
/// ```
/// # use lamplighter::{App, Context, Definition, Function, Job, JobError, Queue};
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # struct SendMail {}
/// # impl Job for SendMail {
/// #     const NAME: &'static str = "mail.send";
/// #     const QUEUE: Queue = Queue::standard("mails");
/// # }
/// # async fn send(_: SendMail, _: Context) -> Result<(), JobError> { Ok(()) }
/// # fn mail() -> Function { Function::new("mail").job(send).with_state(()) }
/// use serde_json::json;
///
/// let app = App::new("shop").function(mail);
/// let mut template = lamplighter_infra::template(&app)?.to_json();
/// lamplighter_infra::examine(&template, "2026-01-01T00:00:00Z".parse()?)?;
///
/// template["Resources"]["MailsQueue"]["Properties"]["VisibilityTimeout"] = json!(30);
/// let problems = lamplighter_infra::examine(&template, "2026-01-01T00:00:00Z".parse()?).unwrap_err();
/// assert!(problems.sentences()[0].starts_with("MailsQueue hides a message for 30 s"));
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
