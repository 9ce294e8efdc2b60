//! What is asked for beside the target.

use std::fmt::Write as _;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};

use super::arguments::{edit, enqueue};
use crate::{ActionKind, Desk, Problem, chart::escape, http::Fields, pages::ui::Markup};

/// What is asked for beside the target, and the action once that is known.
pub(super) struct Asked {
    pub(super) markup: Option<Markup>,
    pub(super) action: Option<String>,
}

pub(super) async fn asked(desk: &Desk, kind: ActionKind, fields: &Fields) -> Result<Asked, Problem> {
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
pub(super) fn moment(name: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let civil = || text.parse::<DateTime>().and_then(|time| TimeZone::UTC.to_timestamp(time));
    text.parse()
        .or_else(|_| civil())
        .map_err(|_| Problem::parameter(name, format!("{text:?} is not a time such as 2026-12-24T18:00:00.")))
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
}
