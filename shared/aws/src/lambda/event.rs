//! EventBridge events that call the function directly: each trigger that matches starts a job.

use futures_util::future::join_all;
use lamplighter::{EventTrigger, JobId, Timestamp, host::Misfit, message::Message, moment, schedule::is_schedule_name};

use super::{
    Host, Invocation,
    error::{InvocationError, Kind},
    message::perform,
    payload::Fields,
    response::Response,
};

/// The number of characters of an unmatched event that an error shows.
const SHOWN_CHARACTERS: usize = 200;
const SHOWN_RESOURCES: usize = 5;

/// The fields of an event that are used (Amazon EventBridge User Guide, "Events metadata").
struct Event<'a> {
    fields: &'a Fields,
    id: Option<String>,
    source: String,
    detail_type: String,
    time: Option<Timestamp>,
    resources: Vec<String>,
}

/// Runs the jobs that an event starts, concurrently. One that fails fails the invocation, which Lambda retries; the
/// others then run again too, under the same ids.
pub(super) async fn serve(host: &Host, fields: &Fields, invocation: &Invocation) -> Result<Response, InvocationError> {
    let event = Event::read(fields);
    let triggers = host.function().spec().events.iter();
    let matching: Vec<_> =
        triggers.filter(|trigger| trigger.matches(&event.source, &event.detail_type, &event.resources)).collect();
    if matching.is_empty() {
        // An event may be as large as an invocation, but the answer is for people.
        let short = |text: &str| text.chars().take(SHOWN_CHARACTERS).collect::<String>();
        let resources: Vec<_> = event.resources.iter().take(SHOWN_RESOURCES).map(|arn| short(arn)).collect();
        let more = if event.resources.len() > SHOWN_RESOURCES { " and more" } else { "" };
        let what = format!(
            "an event of source {:?} and type {:?} from {resources:?}{more}, which none of its triggers matches",
            short(&event.source),
            short(&event.detail_type)
        );
        return Err(InvocationError::unknown_event(host.function(), &what));
    }
    let (mut jobs, mut done, mut failed) = (Vec::with_capacity(matching.len()), Vec::new(), Vec::new());
    for (index, trigger) in matching.into_iter().enumerate() {
        match event.message(trigger, index, &invocation.request_id) {
            Ok((id, message)) => jobs.push(perform(host, trigger.job(), id, message.to_json(), invocation)),
            Err(error) => failed.push(error),
        }
    }
    for job in join_all(jobs).await {
        match job {
            Ok(job) => done.push(job),
            Err(error) => failed.push(error),
        }
    }
    if failed.len() > 1 {
        for error in &failed {
            tracing::error!(error_type = error.error_type(), %error, "one of an event's jobs");
        }
    }
    match failed.into_iter().next() {
        None => Ok(Response::Event { jobs: done }),
        Some(error) => Err(error),
    }
}

impl<'a> Event<'a> {
    fn read(fields: &'a Fields) -> Self {
        let text = |name| fields.text(name).map(|text| text.into_owned());
        let resources = fields.get("resources").and_then(|list| serde_json::from_str(list.get()).ok());
        Self {
            fields,
            id: text("id").filter(|id| JobId::new(id).is_ok()),
            source: text("source").unwrap_or_default(),
            detail_type: text("detail-type").unwrap_or_default(),
            time: text("time").and_then(|time| moment::parse_clamped(&time).ok()),
            resources: resources.unwrap_or_default(),
        }
    }

    /// Returns the job that a trigger creates from the event; `index` is the trigger's place among those that match.
    fn message(
        &self,
        trigger: &EventTrigger,
        index: usize,
        request_id: &str,
    ) -> Result<(String, Message), InvocationError> {
        let refused = |why: String| {
            let text = format!("job {} cannot be made of the event: {why}", trigger.job());
            InvocationError::new(Kind::BadMessage, text)
        };
        let args =
            trigger.args_of(|name| self.fields.get(name)).map_err(|error| refused(Misfit::from(&error).to_string()))?;
        let mut message =
            Message::new(trigger.job(), args).map_err(|error| refused(format!("{error} (they are its detail)")))?;
        let rule = self.rule(trigger);
        let mut id = match (&rule, self.time) {
            (Some(rule), Some(time)) => format!("{rule}@{time}"),
            _ => self.id.clone().unwrap_or_else(|| request_id.to_owned()),
        };
        // Several jobs of one event have different ids: the first has the plain id.
        if index > 0 {
            id.push_str(&format!(":{}", index + 1));
        }
        message.id = JobId::new(&id).ok();
        message.enqueued_at = self.time;
        message.schedule = rule;
        Ok((message.id.as_ref().map_or_else(|| request_id.to_owned(), ToString::to_string), message))
    }

    /// Returns the scheduled rule that sent the event: by the trigger's name for it, so that the id does not depend on
    /// the stack's name, otherwise by its ARN.
    fn rule(&self, trigger: &EventTrigger) -> Option<String> {
        let scheduled = self.source == "aws.events" && self.detail_type == "Scheduled Event";
        let own = || self.resources.iter().find_map(|arn| arn.rsplit_once("rule/").map(|(_, name)| name));
        let rule = scheduled.then(|| trigger.rule.or_else(own)).flatten();
        // The ARN comes from the caller of the function.
        rule.filter(|name| is_schedule_name(name)).map(ToOwned::to_owned)
    }
}
