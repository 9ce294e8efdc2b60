//! Jobs without a queue: direct invocations with a message, and events.

use lamplighter::{
    JobState,
    backend::DeadLetterReason,
    host::{Delivery, JobResult, MessageAction},
    message::Message,
};

use super::{
    Host, Invocation,
    error::{InvocationError, Kind},
    payload::Fields,
    response::{JobResponse, Response},
};

/// A direct invocation with a message. Without an id in it, the request's id is the job's id: it stays the same when
/// Lambda retries an asynchronous invocation.
pub(super) async fn serve(host: &Host, fields: &Fields, invocation: &Invocation) -> Result<Response, InvocationError> {
    let body = fields.to_json();
    let message: Message = body.parse().map_err(|error| InvocationError::new(Kind::BadMessage, format!("{error}")))?;
    let id = message.id.as_ref().map_or(&*invocation.request_id, |id| id.as_str()).to_owned();
    perform(host, &message.job, id, body, invocation).await.map(Response::Job)
}

/// Runs one job now.
pub(super) async fn perform(
    host: &Host,
    job: &str,
    id: String,
    body: String,
    invocation: &Invocation,
) -> Result<JobResponse, InvocationError> {
    let queue = host.function().route(job).map_or("", |route| route.queue.name());
    let mut delivery = Delivery::new(queue, id.clone(), "", body);
    delivery.trace = invocation.trace();
    let performed = host.worker().perform(delivery, invocation.answer_by()).await;
    match performed.action {
        MessageAction::Ack => {
            Ok(JobResponse { id, state: performed.state.map_or("ended", JobState::as_str), output: performed.output })
        }
        _ => Err(failure(host, job, &id, performed)),
    }
}

fn failure(host: &Host, job: &str, id: &str, performed: JobResult) -> InvocationError {
    let error = performed.error.map(|error| error.to_string());
    let why = error.as_deref().unwrap_or("the reason is not known");
    match performed.action {
        MessageAction::DeadLetter(cause) => {
            let kind = match cause.reason {
                DeadLetterReason::BadMessage | DeadLetterReason::UnknownJob | DeadLetterReason::ForeignId => {
                    Kind::BadMessage
                }
                _ => Kind::JobFailed,
            };
            InvocationError::new(kind, format!("job {job} {id} has failed: {why}"))
        }
        MessageAction::Retry(_) if error.is_some() => {
            InvocationError::new(Kind::AttemptFailed, format!("an attempt at job {job} {id} has failed: {why}"))
        }
        _ if host.function().route(job).is_none() => {
            let name = host.function().name();
            InvocationError::new(Kind::BadMessage, format!("function {name} performs no job {job:?}"))
        }
        _ => InvocationError::new(Kind::NotRun, format!("job {job} {id} was released, or could not be run now")),
    }
}
