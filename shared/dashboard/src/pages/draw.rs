//! Pieces of pages that are made of views.

use std::fmt::Write as _;

use lamplighter::{JobState, backend::ScheduleOrigin};

use super::ui::{self, Markup, number, seconds};
use crate::{
    chart::{self, Bar, Mark, Part, escape},
    view::{
        Activity, BatchView, Coverage, JobView, OperationView, ProgressView, QueueView, ScheduleRunView, ScheduleView,
        TypeView,
    },
};

const SWATCH: &str = r#"<svg viewBox="0 0 10 10" aria-hidden="true"><path class="{}" d="M0 0h10v10H0z"/></svg>"#;

fn legend(entries: &[(&str, u64, &str)]) -> Markup {
    let mut markup = String::from(r#"<span class="legend">"#);
    for (class, value, word) in entries {
        let _ = write!(markup, "<span>{}{} {word}</span>", SWATCH.replace("{}", class), number(value));
    }
    markup.push_str("</span>");
    Markup(markup)
}

/// The sums of a chart, which are its legend.
pub(crate) fn totals(activity: &Activity) -> Markup {
    let total = &activity.total;
    legend(&[
        ("c-good", total.succeeded, "succeeded"),
        ("c-warn", total.retried, "retried"),
        ("c-bad", total.failed, "failed"),
    ])
}

/// Ended jobs over time, with the table behind the chart.
pub(crate) fn activity(title: &str, activity: &Activity, base: &str) -> Markup {
    let long = activity.step_secs >= 3_600 * 12;
    let label = |at: &jiff::Timestamp| at.strftime(if long { "%F" } else { "%H:%M UTC" }).to_string();
    let bars: Vec<_> = activity
        .points
        .iter()
        .map(|point| Bar {
            label: label(&point.start),
            succeeded: point.succeeded,
            retried: point.retried,
            failed: point.failed,
        })
        .collect();
    let bar_of = |at: jiff::Timestamp| activity.points.iter().rposition(|point| point.start <= at);
    let marks: Vec<_> = activity
        .marks
        .iter()
        .filter_map(|mark| Some(Mark { bar: bar_of(mark.at)?, label: format!("{}: {}", label(&mark.at), mark.title) }))
        .collect();
    let Some((drawing, most)) = chart::bars(title, &bars, &marks) else {
        return Markup(r#"<p class="empty">Nothing was measured yet.</p>"#.into());
    };
    let span = activity.step_secs.saturating_mul(activity.points.len().saturating_sub(1).max(1) as u64);
    let mut markup = format!(
        r#"<div class="plotted"><div class="y"><span>{}</span><span>0</span></div>{drawing}<div class="x"><span>{} ago</span><span>{} ago</span><span>now</span></div></div>"#,
        number(&most),
        seconds(&span),
        seconds(&(span / 2)),
    );
    if !activity.marks.is_empty() {
        markup.push_str(r#"<ul class="marks">"#);
        for mark in activity.marks.iter().rev().take(3) {
            let title = escape(&mark.title);
            let title = match &mark.link {
                Some(link) => format!(r#"<a href="{}{}"><bdi>{title}</bdi></a>"#, escape(base), escape(&link.path)),
                None => format!("<bdi>{title}</bdi>"),
            };
            let _ = write!(markup, "<li>{} {title}</li>", ui::clock(&mark.at));
        }
        markup.push_str("</ul>");
    }
    let _ = write!(
        markup,
        r#"<details class="behind" id="behind"><summary>As a table</summary><div class="wrap" tabindex="0" role="group" aria-label="{}"><table><thead><tr><th scope="col">From</th><th scope="col" class="num">Succeeded</th><th scope="col" class="num">Retried</th><th scope="col" class="num">Failed</th></tr></thead><tbody>"#,
        escape(title)
    );
    let busy = activity.points.iter().rev().filter(|point| point.succeeded + point.retried + point.failed > 0);
    let mut is_empty = true;
    for point in busy {
        is_empty = false;
        let at = if long { ui::exact(&point.start) } else { ui::clock(&point.start) };
        let _ = write!(
            markup,
            r#"<tr><td>{at}</td><td class="num">{}</td><td class="num">{}</td><td class="num">{}</td></tr>"#,
            number(&point.succeeded),
            number(&point.retried),
            number(&point.failed)
        );
    }
    if is_empty {
        markup.push_str(r#"<tr><td colspan="4">Nothing ended in this time.</td></tr>"#);
    }
    markup.push_str("</tbody></table></div></details>");
    Markup(markup)
}

/// What comes into a queue and ends in a minute.
pub(crate) fn flow(queue: &QueueView) -> Markup {
    match (queue.in_per_minute, queue.out_per_minute) {
        (None, None) => ui::none(),
        (enters, leaves) => {
            let word = |rate: Option<f64>| rate.as_ref().map_or_else(|| "–".to_owned(), ui::rate);
            Markup(format!("{}, {}", word(enters), word(leaves)))
        }
    }
}

/// When a queue will be empty, if it goes on like this.
pub(crate) fn drains(queue: &QueueView) -> Markup {
    Markup(match (queue.drains_in_secs, queue.waiting) {
        (Some(0), _) | (None, 0) => r#"<span class="soft">empty</span>"#.into(),
        (Some(left), _) => seconds(&left),
        (None, _) if queue.paused => r#"<span class="warn">paused</span>"#.into(),
        (None, _) => match (&queue.no_drain, queue.in_per_minute) {
            (Some(why), Some(_)) => format!(r#"<span class="warn" title="{}">never</span>"#, escape(why)),
            (Some(why), None) => format!(r#"<span class="none" title="{}">–</span>"#, escape(why)),
            (None, _) => return ui::none(),
        },
    })
}

/// A few words that tell one job from the next: its error, its reason, or its arguments.
pub(crate) fn brief(job: &JobView) -> Markup {
    const MOST: usize = 160;
    let text = match (&job.error, &job.reason) {
        (Some(error), _) if matches!(job.state, JobState::Failed | JobState::Retrying) => &*error.message,
        (_, Some(reason)) => reason,
        _ if job.args.get().trim() == "{}" => return Markup::default(),
        _ => job.args.get(),
    };
    let shown: String = text.chars().take(MOST).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let more = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    Markup(format!("<bdi>{}{more}</bdi>", escape(&shown)))
}

/// The moment of a job that matters in its state.
pub(crate) fn when(job: &JobView) -> Markup {
    ui::time(&moment(job))
}

/// The same on the page of one job.
pub(crate) fn when_both(job: &JobView) -> Markup {
    ui::both(&moment(job))
}

fn moment(job: &JobView) -> jiff::Timestamp {
    match job.state {
        state if state.is_final() => job.finished_at.unwrap_or(job.created_at),
        JobState::Running => job.started_at.unwrap_or(job.created_at),
        JobState::Scheduled | JobState::Retrying => job.due_at,
        _ => job.created_at,
    }
}

/// The word for that moment.
pub(crate) const fn when_label(state: JobState) -> &'static str {
    match state {
        state if state.is_final() => "ended",
        JobState::Running => "began",
        JobState::Scheduled | JobState::Retrying => "due",
        _ => "since",
    }
}

/// How long its latest attempt took.
pub(crate) fn took(job: &JobView) -> Markup {
    let ended = match (job.started_at, job.finished_at) {
        (Some(start), Some(end)) => Some(milliseconds_between(start, end)),
        _ => None,
    };
    took_ms(&job.attempts.last().map(|attempt| attempt.duration_ms).or(ended))
}

/// A time that is known or not.
pub(crate) fn took_ms(duration: &Option<u64>) -> Markup {
    duration.map_or_else(ui::none, |duration| Markup(ui::milliseconds(&(duration as f64))))
}

/// What became of a run of a schedule.
pub(crate) fn run_state(run: &ScheduleRunView) -> Markup {
    match (&run.state, &*run.kind) {
        (Some(state), _) => ui::state(state),
        (None, kind @ ("missed" | "paused")) => ui::word(kind),
        (None, "expired") => Markup(r#"<span class="soft">record expired</span>"#.into()),
        (None, kind) => Markup(format!(r#"<span class="soft">{}</span>"#, escape(kind))),
    }
}

/// How long after its time a run of a schedule began.
pub(crate) fn late(run: &ScheduleRunView) -> Markup {
    took_ms(&run.started_at.map(|start| milliseconds_between(run.tick, start)))
}

/// How long a run of a schedule took, its retries included.
pub(crate) fn run_took(run: &ScheduleRunView) -> Markup {
    took_ms(&run.started_at.zip(run.finished_at).map(|(start, end)| milliseconds_between(start, end)))
}

fn milliseconds_between(from: jiff::Timestamp, to: jiff::Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// A number that is known or not.
pub(crate) fn some(value: &Option<u64>) -> Markup {
    value.as_ref().map_or_else(ui::none, |value| Markup(number(value)))
}

/// Seconds, also parts of them.
pub(crate) fn secs(value: &f64) -> String {
    ui::milliseconds(&(value * 1000.0))
}

/// How far an answer can be relied on.
pub(crate) fn coverage(coverage: &Coverage) -> Markup {
    Markup(match coverage {
        Coverage::Exact => "This list is exact".into(),
        Coverage::Approximate => "Approximate, as SQS counts".into(),
        Coverage::Sample => "A sample: SQS shows some messages at a time".into(),
        Coverage::Searched { records, back_to } => {
            format!("Searched the newest {}, back to {}", ui::count(records, "job", "jobs"), ui::time(back_to))
        }
    })
}

/// What leads to the next page.
pub(crate) const fn go_on(coverage: &Coverage) -> &'static str {
    match coverage {
        Coverage::Searched { .. } => "Search further back",
        Coverage::Sample => "Look again",
        _ => "Next page",
    }
}

/// Whether a schedule fires.
pub(crate) fn schedule_state(schedule: &ScheduleView) -> Markup {
    ui::word(match schedule {
        ScheduleView { paused: true, .. } => "paused",
        ScheduleView { enabled: false, .. } => "disabled",
        _ => "active",
    })
}

/// Where a schedule comes from.
pub(crate) const fn origin(schedule: &ScheduleView) -> &'static str {
    match schedule.origin {
        ScheduleOrigin::Deployed => "the code",
        ScheduleOrigin::RunTime => "run time",
    }
}

/// The part of failures among the jobs of a type.
pub(crate) fn failure_rate(job: &TypeView) -> Markup {
    match (job.succeeded, job.failed) {
        (Some(succeeded), Some(failed)) => Markup(ui::percent(&failed, &succeeded.saturating_add(failed))),
        _ => ui::none(),
    }
}

fn batch_parts(batch: &BatchView) -> [Part; 3] {
    let part = |class, amount| Part { class, amount };
    [part("c-good", batch.succeeded), part("c-bad", batch.failed), part("c-mute", batch.cancelled)]
}

/// The state of a batch: it runs until all of its jobs have ended.
pub(crate) fn batch_state(batch: &BatchView) -> Markup {
    match batch.state {
        JobState::Waiting => ui::word("running"),
        state => ui::state(&state),
    }
}

/// The progress of a batch.
pub(crate) fn batch(batch: &BatchView) -> Markup {
    let title = format!("{} of {} jobs have ended", number(&batch.done()), number(&batch.total));
    Markup(chart::progress(&title, &batch_parts(batch), batch.total))
}

/// What its colours mean.
pub(crate) fn batch_legend(batch: &BatchView) -> Markup {
    legend(&[
        ("c-good", batch.succeeded, "succeeded"),
        ("c-bad", batch.failed, "failed"),
        ("c-mute", batch.cancelled, "cancelled"),
        ("c-open", batch.total.saturating_sub(batch.done()), "open"),
    ])
}

/// The progress of an operation.
pub(crate) fn operation(operation: &OperationView) -> Markup {
    let progress = &operation.progress;
    let part = |class, amount| Part { class, amount };
    let parts = [part("c-good", progress.changed), part("c-mute", progress.unchanged), part("c-bad", progress.failed)];
    let title = format!("{} done", number(&progress.done));
    Markup(chart::progress(&title, &parts, operation.expected.unwrap_or(progress.done)))
}

/// The progress of a job.
pub(crate) fn progress_of(progress: &ProgressView) -> Markup {
    let title = format!("{} of {} done", number(&progress.done), number(&progress.total));
    Markup(chart::progress(&title, &[Part { class: "c-busy", amount: progress.done }], progress.total))
}
