//! What an operator asks for, in two steps: what it would do, and doing it. The first step asks for what is missing.

use std::fmt::Write as _;

use askama::Template;
use axum::{
    extract::{Path, RawQuery},
    response::Redirect,
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use lamplighter::{JobId, RawValue, backend::DeadLetterKey};
use serde_json::{Value, json, value::to_raw_value};

use super::{
    Page, actions,
    frame::Frame,
    schema_form::SchemaForm,
    ui::{self, Markup},
    written,
};
use crate::{
    ActionKind, Desk, Problem,
    chart::escape,
    desk::OperationRequest,
    http::{Chrome, Fields},
    view::PreviewView,
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
    by_job: Vec<crate::view::PreviewCount>,
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
        match desk.preview(&request).await {
            Ok(view) => {
                page.confirm = confirm(kind, view.jobs);
                page.preview = Some(Preview::of(view, action));
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
        let PreviewView { title, jobs, is_complete, by_job, target, end, command, .. } = view;
        Self { title, jobs, is_complete, by_job, end, command, action, target: target.to_string() }
    }
}

fn confirm(kind: ActionKind, jobs: u64) -> String {
    let label = actions::label(kind);
    match kind {
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

struct Target {
    json: Value,
    subject: String,
    back: Option<String>,
    kept: Vec<(String, String)>,
}

/// What it is to be done to.
fn target(frame: &Frame, kind: ActionKind, fields: &Fields) -> Result<Target, Problem> {
    let keep = |names: &[&str]| {
        let kept = fields.0.iter().filter(|(name, _)| names.contains(&&**name));
        kept.cloned().collect::<Vec<_>>()
    };
    let of = |json: Value, subject: String, back: Option<String>, names: &[&str]| {
        Ok(Target { json, subject, back, kept: keep(names) })
    };
    let back_to_jobs = || Some(frame.jobs(""));
    if kind == ActionKind::Enqueue {
        let Some(job) = fields.get("job") else {
            return Err(Problem::parameter("job", "Which job is to be enqueued?"));
        };
        return of(json!({"kind": "new"}), job.to_owned(), Some(frame.job_type(job)), &["job"]);
    }
    if let Some(query) = fields.0.iter().find(|(name, _)| name == "all").map(|(_, value)| value.trim()) {
        let subject = if query.is_empty() { "all jobs".into() } else { format!("all jobs that match {query}") };
        return of(json!({"kind": "query", "query": query}), subject, Some(frame.jobs(query)), &["all"]);
    }
    let ids: Vec<_> = fields.all("id").collect();
    if !ids.is_empty() {
        let subject = ui::count(&(ids.len() as u64), "marked job", "marked jobs");
        return of(json!({"kind": "jobs", "ids": ids}), subject, back_to_jobs(), &["id"]);
    }
    if let Some(id) = fields.get("job") {
        return of(json!({"kind": "job", "id": id}), format!("job {id}"), Some(frame.job(id)), &["job"]);
    }
    if let Some(id) = fields.get("batch") {
        return of(json!({"kind": "batch", "id": id}), format!("batch {id}"), Some(frame.batch(id)), &["batch"]);
    }
    if let Some(queue) = fields.get("queue") {
        let back = Some(frame.queue(queue));
        return of(json!({"kind": "queue", "queue": queue}), format!("queue {queue}"), back, &["queue"]);
    }
    if let Some(name) = fields.get("schedule") {
        let back = Some(frame.schedule(name));
        return of(json!({"kind": "schedule", "schedule": name}), format!("schedule {name}"), back, &["schedule"]);
    }
    if let Some(queue) = fields.get("letters") {
        let (mut json, mut subject) =
            (json!({"kind": "dead-letters", "queue": queue}), format!("dead letters of {queue}"));
        if let Some(key) = fields.get("letter_key") {
            json["key"] = serde_json::to_value(letter_key(key)).unwrap_or_default();
            subject = format!("one dead letter of {queue}");
        }
        for (name, word, field) in [("letter_job", "job", "job"), ("letter_reason", "reason", "reason")] {
            if let Some(value) = fields.get(name) {
                json[field] = value.into();
                let _ = write!(subject, ", {word} {value}");
            }
        }
        let kept = ["letters", "letter_job", "letter_reason", "letter_key"];
        return of(json, subject, Some(frame.dead_letters(queue)), &kept);
    }
    if let Some(fingerprint) = fields.get("fingerprint") {
        let back = Some(format!("{}/errors/{}", frame.base, ui::encode(fingerprint)));
        let json = match kind {
            ActionKind::NoteError | ActionKind::MuteError => json!({"kind": "error-group", "fingerprint": fingerprint}),
            _ => json!({"kind": "query", "query": format!("state:failed fp:{fingerprint}")}),
        };
        return of(json, format!("error group {fingerprint}"), back, &["fingerprint"]);
    }
    Err(Problem::parameter("target", "Nothing is marked: choose what it is to be done to."))
}

/// The key of a dead letter as its page names it: a number in a file, else a message id.
fn letter_key(text: &str) -> DeadLetterKey {
    match text.strip_prefix("number:").and_then(|number| number.parse().ok()) {
        Some(number) => DeadLetterKey::Number(number),
        None => DeadLetterKey::MessageId(text.strip_prefix("message:").unwrap_or(text).to_owned()),
    }
}

/// What is asked for beside the target, and the action once that is known.
struct Asked {
    markup: Option<Markup>,
    action: Option<String>,
}

async fn asked(desk: &Desk, kind: ActionKind, fields: &Fields) -> Result<Asked, Problem> {
    let plain = |more: Value| {
        let mut action = json!({"kind": kind.as_str()});
        if let (Some(action), Value::Object(more)) = (action.as_object_mut(), more) {
            action.extend(more);
        }
        action.to_string()
    };
    match kind {
        ActionKind::Reschedule => moments(fields, &[("at", "When, UTC")], plain),
        ActionKind::Backfill => moments(fields, &[("from", "From, UTC"), ("to", "To, UTC")], plain),
        ActionKind::MuteError => moments(fields, &[("until", "Until, UTC")], plain),
        ActionKind::NoteError => {
            let is_given = fields.0.iter().any(|(name, _)| name == "note");
            let before = match (is_given, fields.get("fingerprint")) {
                (false, Some(fingerprint)) => desk.error(fingerprint).await?.group.note.and_then(|note| note.note),
                _ => None,
            };
            let note = fields.get("note");
            let markup = format!(
                r#"<div class="field"><label for="note">Note <span class="req">empty takes it away</span></label><textarea id="note" name="note" maxlength="2000">{}</textarea></div>"#,
                escape(note.or(before.as_deref()).unwrap_or_default())
            );
            let action = is_given.then(|| plain(note.map_or_else(|| json!({}), |note| json!({"note": note}))));
            Ok(Asked { markup: Some(Markup(markup)), action })
        }
        ActionKind::EditAndRun => edit(desk, fields).await,
        ActionKind::Enqueue => enqueue(desk, fields).await,
        _ => Ok(Asked { markup: None, action: Some(plain(Value::Null)) }),
    }
}

fn moments(
    fields: &Fields,
    asked: &[(&'static str, &str)],
    action: impl Fn(Value) -> String,
) -> Result<Asked, Problem> {
    let (mut markup, mut more) = (String::from(r#"<div class="line">"#), serde_json::Map::new());
    for (name, label) in asked {
        let given = fields.get(name);
        let _ = write!(
            markup,
            r#"<div class="field"><label for="{name}">{label}</label><input type="datetime-local" step="1" id="{name}" name="{name}" value="{}" required></div>"#,
            escape(given.unwrap_or_default().trim_end_matches('Z'))
        );
        if let Some(given) = given {
            more.insert((*name).to_owned(), moment(name, given)?.to_string().into());
        }
    }
    markup.push_str("</div>");
    let action = (more.len() == asked.len()).then(|| action(Value::Object(more)));
    Ok(Asked { markup: Some(Markup(markup)), action })
}

/// A moment as a browser sends it, which is one of UTC here, or with its zone.
fn moment(name: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let civil = || text.parse::<DateTime>().and_then(|time| TimeZone::UTC.to_timestamp(time));
    text.parse()
        .or_else(|_| civil())
        .map_err(|_| Problem::parameter(name, format!("{text:?} is not a time such as 2026-12-24T18:00:00.")))
}

async fn edit(desk: &Desk, fields: &Fields) -> Result<Asked, Problem> {
    let given = fields.get("args");
    let id = fields.get("job").ok_or_else(|| Problem::parameter("job", "Which job is to be run again?"))?;
    let job = desk.job(id).await?.job;
    let before = given.map_or_else(|| pretty(&job.args), str::to_owned);
    let mistake = match given {
        Some(given) => misfit(desk, &job.job, given.trim(), Some(&job.id)).await?,
        None => String::new(),
    };
    let hint = match before.contains("[redacted]") {
        true => " Sensitive values are hidden. Each “[redacted]” that you leave as it is keeps its value.",
        false => "",
    };
    let invalid = if mistake.is_empty() { "" } else { r#" aria-invalid="true""# };
    let markup = format!(
        "<div class=\"field\"><label for=\"args\">Arguments</label><textarea class=\"code tall\" id=\"args\" name=\"args\" data-json=\"args-error\" aria-describedby=\"args-hint args-error\" spellcheck=\"false\"{invalid}>\n{}</textarea><span class=\"hint\" id=\"args-hint\">JSON, checked against the type of the job. The job itself stays as it is; the new one is linked to it.{hint}</span><span class=\"error\" id=\"args-error\">{}</span></div>",
        escape(&before),
        escape(&mistake)
    );
    let action = match given {
        Some(given) if mistake.is_empty() => Some(with_args(r#"{"kind":"edit-and-run""#, given.trim())?),
        _ => None,
    };
    Ok(Asked { markup: Some(Markup(markup)), action })
}

/// Why arguments do not fit a job; nothing if they do, or if this program does not know the job.
async fn misfit(desk: &Desk, job: &str, args: &str, copy_of: Option<&JobId>) -> Result<String, Problem> {
    match serde_json::from_str::<&RawValue>(args) {
        Ok(args) => Ok(desk.misfits(job, args, copy_of).await?.join("; ")),
        Err(error) => Ok(format!("They are not JSON: {error}.")),
    }
}

/// JSON over several lines. Digits, texts and the order of fields stay as they are.
fn pretty(args: &RawValue) -> String {
    let (mut laid_out, mut depth, mut is_text, mut is_escaped) = (String::new(), 0_usize, false, false);
    let mut characters = args.get().chars().peekable();
    let line = |laid_out: &mut String, depth: usize| {
        laid_out.push('\n');
        laid_out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(character) = characters.next() {
        if is_text {
            (is_text, is_escaped) = (is_escaped || character != '"', !is_escaped && character == '\\');
            laid_out.push(character);
            continue;
        }
        match character {
            blank if blank.is_ascii_whitespace() => {}
            '{' | '[' => {
                laid_out.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => laid_out.push(end),
                    None => {
                        depth += 1;
                        line(&mut laid_out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut laid_out, depth);
                laid_out.push(character);
            }
            ',' => {
                laid_out.push(character);
                line(&mut laid_out, depth);
            }
            ':' => laid_out.push_str(": "),
            other => {
                is_text = other == '"';
                laid_out.push(other);
            }
        }
    }
    laid_out
}

fn with_args(beginning: &str, args: &str) -> Result<String, Problem> {
    let args: &RawValue = serde_json::from_str(args)
        .map_err(|error| Problem::parameter("args", format!("The arguments are not JSON: {error}.")))?;
    Ok(format!(r#"{beginning},"args":{args}}}"#))
}

async fn enqueue(desk: &Desk, fields: &Fields) -> Result<Asked, Problem> {
    let job = fields.get("job").unwrap_or_default();
    let detail = desk.job_type(job).await?;
    let Some(definition) = detail.definition else { return Err(Problem::not_found("definition of a job", job)) };
    let form = SchemaForm::of(&definition.schema, &detail.sensitive);
    let extra = format!(
        r#"<fieldset><legend>When</legend><div class="line"><div class="field"><label for="at">Not before, UTC <span class="req">optional</span></label><input type="datetime-local" step="1" id="at" name="at" value="{}"></div><div class="field"><label for="new_id">Id <span class="req">optional; makes it unique</span></label><input id="new_id" name="new_id" maxlength="128" value="{}"></div></div></fieldset>"#,
        escape(fields.get("at").unwrap_or_default().trim_end_matches('Z')),
        escape(fields.get("new_id").unwrap_or_default())
    );
    let (args, mistakes) = match form.read(fields) {
        Ok(args) => (Some(args), Vec::new()),
        Err(mistakes) => (None, mistakes),
    };
    let is_asked = fields.0.iter().any(|(name, _)| name == "at");
    let shown = if is_asked { mistakes } else { Vec::new() };
    let mistake = match args.as_ref().filter(|_| is_asked) {
        Some(args) => misfit(desk, job, args.get(), None).await?,
        None => String::new(),
    };
    let told = match mistake.is_empty() {
        true => String::new(),
        false => format!(r#"<p class="error" role="alert">{}</p>"#, escape(&mistake)),
    };
    let markup = Markup(format!("{}{told}{extra}", form.filled(fields, &shown)));
    let action = match args.filter(|_| is_asked && mistake.is_empty()) {
        Some(args) => {
            let mut beginning = format!(r#"{{"kind":"enqueue","job":{}"#, Value::from(job));
            if let Some(at) = fields.get("at") {
                let _ = write!(beginning, r#","at":"{}""#, moment("at", at)?);
            }
            if let Some(id) = fields.get("new_id") {
                let _ = write!(beginning, r#","id":{}"#, Value::from(id.trim()));
            }
            Some(with_args(&beginning, args.get())?)
        }
        None => None,
    };
    Ok(Asked { markup: Some(markup), action })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_without_a_zone_is_one_of_utc() {
        let expected: Timestamp = "2026-12-24T18:00:00Z".parse().unwrap();
        for text in ["2026-12-24T18:00", "2026-12-24T18:00:00", "2026-12-24T18:00:00Z", "2026-12-24T19:00:00+01:00"] {
            assert_eq!(moment("at", text).unwrap(), expected, "{text}");
        }
        assert_eq!(moment("at", "tomorrow").unwrap_err().parameter, Some("at"));
    }

    #[test]
    fn arguments_cannot_leave_their_place() {
        assert!(with_args("{\"kind\":\"enqueue\"", "{}},{").is_err());
        assert_eq!(
            with_args("{\"kind\":\"enqueue\"", r#"{"n":1.00}"#).unwrap(),
            r#"{"kind":"enqueue","args":{"n":1.00}}"#
        );
    }

    #[test]
    fn arguments_are_laid_out_and_stay_what_they_are() {
        let raw = |json: &str| RawValue::from_string(json.into()).unwrap();
        assert_eq!(
            pretty(&raw(r#"{"b":1.00,"a":[],"c":[{}, 2]}"#)),
            "{\n  \"b\": 1.00,\n  \"a\": [],\n  \"c\": [\n    {},\n    2\n  ]\n}"
        );
        let texts = r#"{"t":"a,b:{[\\\"]} ","u":"\\"}"#;
        let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        assert_eq!(value(&pretty(&raw(texts))), value(texts));
        assert!(pretty(&raw(texts)).contains(r#""a,b:{[\\\"]} ""#));
    }
}
