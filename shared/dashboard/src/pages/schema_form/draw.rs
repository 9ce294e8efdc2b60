//! Fields as inputs.

use std::fmt::Write as _;

use super::{Field, Kind, Mistake};
use crate::{chart::escape, http::Fields};

impl Field {
    pub(super) fn draw(&self, markup: &mut String, given: &Fields, mistakes: &[Mistake]) {
        let (id, name) = (escape(&self.path.replace(|c: char| !c.is_ascii_alphanumeric(), "-")), escape(&self.path));
        let label = if self.name.is_empty() { "Arguments".into() } else { escape(&self.name) };
        let required = if self.is_required { "" } else { r#" <span class="req">optional</span>"# };
        let json = if self.kind == Kind::Json { "JSON" } else { "" };
        let dot = if self.description.is_empty() || json.is_empty() { "" } else { " · " };
        let hint = match format!("{}{dot}{json}", escape(&self.description)) {
            none if none.is_empty() => none,
            text => format!(r#"<span class="hint" id="{id}-hint">{text}</span>"#),
        };
        if let Kind::Object(fields) = &self.kind {
            let _ = write!(markup, "<fieldset><legend><bdi>{label}</bdi>{required}</legend>{hint}");
            for field in fields {
                field.draw(markup, given, mistakes);
            }
            markup.push_str("</fieldset>");
            return;
        }
        let mistake = mistakes.iter().find(|mistake| mistake.path == self.path);
        let mut attributes = format!(r#"id="{id}" name="{name}""#);
        let described = match (hint.is_empty(), mistake.is_some()) {
            (false, true) => format!("{id}-hint {id}-error"),
            (false, false) => format!("{id}-hint"),
            (true, _) => format!("{id}-error"),
        };
        let _ = write!(attributes, r#" aria-describedby="{described}""#);
        if mistake.is_some() {
            attributes.push_str(r#" aria-invalid="true""#);
        }
        if self.is_required && !matches!(self.kind, Kind::Text(_)) {
            attributes.push_str(" required");
        }
        let value = self.given(given).or(self.default.as_deref()).unwrap_or_default();
        let _ = write!(markup, r#"<div class="field"><label for="{id}"><bdi>{label}</bdi>{required}</label>"#);
        self.input(markup, &attributes, value, &id);
        let text = mistake.map(|mistake| escape(&mistake.text)).unwrap_or_default();
        let _ = write!(markup, r#"{hint}<span class="error" id="{id}-error">{text}</span></div>"#);
    }

    fn input(&self, markup: &mut String, attributes: &str, value: &str, id: &str) {
        let shown = escape(value);
        let _ = match &self.kind {
            Kind::Text(_) | Kind::Integer | Kind::Number | Kind::Json if self.is_sensitive => {
                write!(markup, r#"<input type="password" {attributes} value="{shown}" autocomplete="off">"#)
            }
            Kind::Text("text") if value.contains('\n') => write!(markup, "<textarea {attributes}>\n{shown}</textarea>"),
            Kind::Text(kind) => {
                write!(
                    markup,
                    r#"<input type="{kind}" {attributes} value="{shown}" autocomplete="off" spellcheck="false">"#
                )
            }
            Kind::Integer => {
                write!(markup, r#"<input type="number" step="1" {attributes} value="{shown}">"#)
            }
            Kind::Number => {
                write!(markup, r#"<input type="number" step="any" {attributes} value="{shown}">"#)
            }
            Kind::Bool => {
                write!(markup, "<select {attributes}>{}</select>", self.options(&["false", "true"], value))
            }
            Kind::Choice(choices) => {
                let choices: Vec<_> = choices.iter().map(String::as_str).collect();
                write!(markup, "<select {attributes}>{}</select>", self.options(&choices, value))
            }
            Kind::Json | Kind::Object(_) => write!(
                markup,
                "<textarea class=\"code\" data-json=\"{id}-error\" spellcheck=\"false\" {attributes}>\n{shown}</textarea>"
            ),
        };
    }

    fn options(&self, choices: &[&str], value: &str) -> String {
        let mut options = String::new();
        if !self.is_required || matches!(self.kind, Kind::Choice(_)) {
            options.push_str(r#"<option value=""></option>"#);
        }
        for choice in choices {
            let chosen = if *choice == value { " selected" } else { "" };
            let text = match (&self.kind, *choice) {
                (Kind::Bool, "true") => "yes",
                (Kind::Bool, _) => "no",
                (_, other) => other,
            };
            let _ = write!(options, r#"<option value="{}"{chosen}>{}</option>"#, escape(choice), escape(text));
        }
        options
    }
}
