//! What an operator asks for, in two steps: what it would do, and doing it. The first step asks for what is missing.

mod arguments;
mod asked;
mod target;

use askama::Template;
use axum::{
    extract::{Path, RawQuery},
    response::Redirect,
};
use jiff::Timestamp;
use lamplighter::{RawValue, operation::JobCount};
use serde_json::value::to_raw_value;

use self::{asked::asked, target::target};
use super::{
    Page, actions,
    frame::Frame,
    ui::{self, Markup},
    written,
};
use crate::{
    ActionKind, Desk, Problem,
    desk::OperationRequest,
    http::{Chrome, Fields},
    view::{PreviewCount, PreviewView},
};

#[derive(Template)]
#[template(path = "act.html")]
struct ActPage {
    frame: Frame,
    kind: &'static str,
    label: &'static str,
    confirm: String,
    subject: String,
    back: Option<String>,
    danger: bool,
    /// Whether it is done to all that match, so that it matters up to when.
    is_many: bool,
    /// What is asked for beside the target, if anything is.
    fields: Option<Markup>,
    /// What the form says again: the target.
    kept: Vec<(String, String)>,
    problem: Option<String>,
    preview: Option<Preview>,
    reason: String,
    key: String,
}

/// A preview, and what is sent to have it done.
struct Preview {
    title: String,
    jobs: u64,
    is_complete: bool,
    /// The records that were looked at, where it may be more; and where all that match are counted.
    looked_at: Option<u64>,
    count_all: Option<String>,
    by_job: Vec<PreviewCount>,
    end: Timestamp,
    command: Option<String>,
    action: String,
    target: String,
}

pub(super) async fn ask(desk: Desk, chrome: Chrome, Path(kind): Path<String>, RawQuery(query): RawQuery) -> Page {
    show(&desk, &chrome, &kind, Fields::parse(query.unwrap_or_default().as_bytes())).await
}

pub(super) async fn preview(desk: Desk, chrome: Chrome, Path(kind): Path<String>, fields: Fields) -> Page {
    show(&desk, &chrome, &kind, fields).await
}

/// Begins what was previewed.
pub(super) async fn begin(desk: Desk, chrome: Chrome, fields: Fields) -> Result<Redirect, Problem> {
    let raw = |name: &'static str| {
        let text = fields.get(name).ok_or_else(|| Problem::parameter(name, format!("The form has no {name}.")))?;
        RawValue::from_string(text.to_owned())
            .map_err(|error| Problem::parameter(name, format!("The field {name} is not JSON: {error}.")))
    };
    let number = |name: &'static str| match fields.get(name).map(|text| text.trim().parse::<u64>()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(Problem::parameter(name, format!("The field {name} is not a whole number."))),
    };
    let per_second = number("per_second")?
        .map(|rate| u32::try_from(rate).map_err(|_| Problem::parameter("per_second", "That rate is too high.")));
    let request = OperationRequest {
        action: raw("action")?,
        target: raw("target")?,
        reason: fields.get("reason").map(str::to_owned),
        expected: number("expected")?,
        per_second: per_second.transpose()?,
    };
    let operation = desk.act(&request, fields.get("key")).await?;
    Ok(Redirect::to(&Frame::of(&chrome, "").operation(&operation.id)))
}

async fn show(desk: &Desk, chrome: &Chrome, kind: &str, fields: Fields) -> Page {
    // Marked jobs come from a form with a button for each action.
    let name = if kind == "jobs" { fields.get("action").unwrap_or_default() } else { kind };
    let kind = ActionKind::named(name).ok_or_else(|| Problem::not_found("action", name))?;
    if !desk.may(kind) {
        return Err(Problem::forbidden(format!("You may not do this here: {}.", actions::label(kind))));
    }
    let label = actions::label(kind);
    let frame = Frame::of(chrome, label).read_at(desk.now());
    let target = target(&frame, kind, &fields)?;
    let asked = asked(desk, kind, &fields).await?;
    let mut page = ActPage {
        kind: kind.as_str(),
        label,
        confirm: label.to_owned(),
        subject: target.subject,
        back: target.back,
        danger: actions::is_danger(kind),
        is_many: matches!(target.json["kind"].as_str(), Some("query" | "dead-letters")),
        fields: asked.markup,
        kept: target.kept,
        problem: None,
        preview: None,
        reason: fields.get("reason").unwrap_or_default().to_owned(),
        key: lamplighter::JobId::generate(&desk.site().env).to_string(),
        frame,
    };
    if let Some(action) = asked.action {
        let request = OperationRequest {
            action: RawValue::from_string(action.clone()).map_err(|error| Problem::unfit(error.to_string()))?,
            target: to_raw_value(&target.json).map_err(|error| Problem::unfit(error.to_string()))?,
            reason: None,
            expected: None,
            per_second: None,
        };
        let is_all = fields.get("count") == Some("all");
        let previewed = match is_all {
            true => desk.preview_all(&request).await,
            false => desk.preview(&request).await,
        };
        match previewed {
            Ok(view) => {
                page.confirm = confirm(kind, &view);
                let mut preview = Preview::of(view, action);
                if !preview.is_complete && !is_all {
                    preview.count_all = Some(count_all(&page.frame, kind, &fields));
                }
                page.preview = Some(preview);
            }
            // What was typed can be put right here; the rest cannot.
            Err(problem) if page.fields.is_some() && problem.status.is_client_error() => {
                page.problem = Some(problem.detail);
            }
            Err(problem) => return Err(problem),
        }
    }
    written(&page)
}

impl Preview {
    fn of(view: PreviewView, action: String) -> Self {
        let PreviewView { title, jobs, is_complete, looked_at, by_job, target, end, command, .. } = view;
        let (target, count_all) = (target.to_string(), None);
        Self { title, jobs, is_complete, looked_at, count_all, by_job, end, command, action, target }
    }

    /// Whether there is nothing to be done.
    fn is_empty(&self) -> bool {
        self.jobs == 0 && self.is_complete
    }

    fn job<'c>(&self, count: &'c PreviewCount) -> &'c str {
        if count.job == JobCount::ANY { "all jobs" } else { &count.job }
    }
}

/// The address of the same preview, of all that match.
fn count_all(frame: &Frame, kind: ActionKind, fields: &Fields) -> String {
    let kept = fields.0.iter().filter(|(name, _)| !matches!(&**name, "csrf" | "count" | "reason" | "action"));
    let pairs: String = kept.map(|(name, value)| format!("{}={}&", ui::encode(name), ui::encode(value))).collect();
    format!("{}/act/{}?{pairs}count=all", frame.base, kind.as_str())
}

fn confirm(kind: ActionKind, preview: &PreviewView) -> String {
    let (label, jobs) = (actions::label(kind), preview.jobs);
    match kind {
        ActionKind::Redrive
        | ActionKind::DeleteDeadLetters
        | ActionKind::Retry
        | ActionKind::Cancel
        | ActionKind::Delete
        | ActionKind::RunNow
        | ActionKind::Reschedule
            if !preview.is_complete =>
        {
            format!("{label}: all that match")
        }
        ActionKind::Retry | ActionKind::Cancel | ActionKind::Delete | ActionKind::RunNow | ActionKind::Reschedule
            if jobs != 1 =>
        {
            format!("{label}: {}", ui::count(&jobs, "job", "jobs"))
        }
        ActionKind::Redrive | ActionKind::DeleteDeadLetters => {
            format!("{label}: {}", ui::count(&jobs, "message", "messages"))
        }
        _ => label.to_owned(),
    }
}
