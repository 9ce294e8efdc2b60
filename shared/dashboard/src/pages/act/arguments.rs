//! Arguments: of a job that is run again with others, and of a new one.

use std::{borrow::Cow, fmt::Write as _};

use lamplighter::{JobId, RawValue};
use serde_json::Value;

use super::asked::{Asked, moment};
use crate::{
    Desk, Problem,
    chart::escape,
    http::Fields,
    pages::{schema_form::SchemaForm, ui::Markup},
    raw,
};

pub(super) async fn edit(desk: &Desk, fields: &Fields) -> Result<Asked, Problem> {
    let given = fields.get("args");
    let id = fields.get("job").ok_or_else(|| Problem::parameter("job", "Which job is to be run again?"))?;
    let job = desk.job(id).await?.job;
    let before = given.map_or_else(|| raw::pretty(job.args.get()).into(), Cow::Borrowed);
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

pub(super) async fn enqueue(desk: &Desk, fields: &Fields) -> Result<Asked, Problem> {
    let job = fields.get("job").unwrap_or_default();
    let detail = desk.job_type(job).await?;
    let Some(definition) = detail.definition else { return Err(Problem::not_found("definition of a job", job)) };
    let form = SchemaForm::of(&definition.schema, &desk.sensitive_fields(job));
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

/// Why arguments do not fit a job; nothing if they do, or if this program does not know the job.
async fn misfit(desk: &Desk, job: &str, args: &str, copy_of: Option<&JobId>) -> Result<String, Problem> {
    match serde_json::from_str::<&RawValue>(args) {
        Ok(args) => Ok(desk.misfits(job, args, copy_of).await?.join("; ")),
        Err(error) => Ok(format!("They are not JSON: {error}.")),
    }
}

fn with_args(beginning: &str, args: &str) -> Result<String, Problem> {
    let args: &RawValue = serde_json::from_str(args)
        .map_err(|error| Problem::parameter("args", format!("The arguments are not JSON: {error}.")))?;
    Ok(format!(r#"{beginning},"args":{args}}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_cannot_leave_their_place() {
        assert!(with_args("{\"kind\":\"enqueue\"", "{}},{").is_err());
        assert_eq!(
            with_args("{\"kind\":\"enqueue\"", r#"{"n":1.00}"#).unwrap(),
            r#"{"kind":"enqueue","args":{"n":1.00}}"#
        );
    }
}
