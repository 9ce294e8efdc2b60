//! `{{job}}`.

use lamplighter::{Context, JobError};
use {{jobs}}::{{type}};

/// Performs `{{job}}`, and leaves in its record what it was about. `?` on any error tries again by the job's policy;
/// `JobError::fail` ends the job now.
pub(crate) async fn {{handler}}(job: {{type}}, ctx: Context) -> Result<String, JobError> {
    let subject = job.subject.unwrap_or_else(|| "nothing in particular".into());
    tracing::info!(attempt = ctx.attempt(), subject, "performed");
    Ok(subject)
}
