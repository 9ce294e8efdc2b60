//! The lines of the log: the formats of `tracing_subscriber`, with the running job among the spans.

use std::fmt::{self, Write as _};

use lamplighter::host::RunningJob;
use serde_json::json;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{Format, Json, Writer},
    },
    registry::{LookupSpan, SpanRef},
};

/// Lines of JSON. Lambda adds the time to lines of text, but expects it in lines of JSON.
pub(super) struct JsonLines(Format<Json>);

impl JsonLines {
    pub(super) fn new() -> Self {
        Self(tracing_subscriber::fmt::format().json().flatten_event(true).with_current_span(false).with_target(false))
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        /// The last member, where an event has spans. No text in the line has these quotes: they are escaped there.
        const SPANS: &str = r#","spans":["#;
        let Some(outer) = RunningJob::with(|job| json_spans(ctx, job)) else {
            return self.0.format_event(ctx, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        match line.rfind(SPANS) {
            Some(at) => line.insert_str(at + SPANS.len(), &format!("{outer},")),
            None => {
                line.truncate(line.trim_end().len().saturating_sub(1));
                writeln!(line, "{SPANS}{outer}]}}")?;
            }
        }
        writer.write_str(&line)
    }
}

/// Lines of text, without the time.
pub(super) struct TextLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "{:>5} ", event.metadata().level())?;
        let mut spans = String::new();
        RunningJob::with(|job| {
            around(ctx, job).iter().try_for_each(|span| text_span::<S, N>(&mut spans, span))?;
            let (name, id, attempt, queue) = (job.job(), job.id(), job.attempt(), job.queue());
            write!(spans, "job{{job={name:?} id={id} attempt={attempt} queue={queue:?}}}:")
        })
        .transpose()?;
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            text_span::<S, N>(&mut spans, &span)?;
        }
        if !spans.is_empty() {
            write!(writer, "{spans} ")?;
        }
        ctx.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// The spans in which the job's batch was received, unless the event has them itself: it does where another layer subscribes
/// to the job's span.
fn around<'a, S, N>(ctx: &'a FmtContext<'_, S, N>, job: &RunningJob) -> Vec<SpanRef<'a, S>>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    let Some(id) = job.around().id() else { return Vec::new() };
    if ctx.event_scope().is_some_and(|mut scope| scope.any(|span| span.id() == id)) {
        return Vec::new();
    }
    ctx.span(&id).map(|span| span.scope().from_root().collect()).unwrap_or_default()
}

fn text_span<'a, S, N>(text: &mut String, span: &SpanRef<'a, S>) -> fmt::Result
where
    S: LookupSpan<'a>,
    N: 'static,
{
    text.push_str(span.name());
    match span.extensions().get::<FormattedFields<N>>().filter(|fields| !fields.is_empty()) {
        Some(fields) => write!(text, "{{{fields}}}:"),
        None => write!(text, ":"),
    }
}

/// The running job, and the spans around it, as elements of a list.
fn json_spans<S, N>(ctx: &FmtContext<'_, S, N>, job: &RunningJob) -> String
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    let mut text = String::new();
    for span in around(ctx, job) {
        let extensions = span.extensions();
        let fields = extensions.get::<FormattedFields<N>>().map(|fields| fields.as_str()).unwrap_or_default();
        text.push('{');
        if let Some(members) =
            fields.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|rest| !rest.is_empty())
        {
            text.push_str(members);
            text.push(',');
        }
        let _ = write!(text, r#""name":{}}},"#, json!(span.name()));
    }
    let (id, attempt) = (job.id().as_str(), job.attempt());
    let job = json!({"attempt": attempt, "id": id, "job": job.job(), "queue": job.queue(), "name": "job"});
    let _ = write!(text, "{job}");
    text
}
