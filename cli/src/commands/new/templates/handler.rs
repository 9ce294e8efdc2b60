//! `{{job}}`.

use lamplighter::{Context, JobError};
use {{jobs}}::{{type}};

/// Performs `{{job}}`, and returns its subject as the output in its record. `?` on any error retries by the job's
/// policy; `JobError::fail` ends the job now.
pub(crate) async fn {{handler}}(job: {{type}}, ctx: Context) -> Result<String, JobError> {
    let subject = job.subject.unwrap_or_else(|| "nothing in particular".into());
    tracing::info!(attempt = ctx.attempt(), subject, "performed");
    Ok(subject)
}
