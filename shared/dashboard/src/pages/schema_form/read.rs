//! The JSON that a form is filled in with.

use std::fmt::Write as _;

use lamplighter::RawValue;
use serde_json::Number;

use super::{Field, Kind, Mistake};
use crate::http::Fields;

impl Field {
    /// Its JSON; `None` where it is left out.
    pub(super) fn read(&self, given: &Fields, mistakes: &mut Vec<Mistake>) -> Option<String> {
        if let Kind::Object(fields) = &self.kind {
            return self.read_object(fields, given, mistakes);
        }
        let value = self.given(given).unwrap_or_default();
        if value.trim().is_empty() && !matches!((&self.kind, self.is_required), (Kind::Text("text"), true)) {
            if self.is_required {
                self.mistake(mistakes, "is missing".to_owned());
            }
            return None;
        }
        let text = || serde_json::to_string(value).ok();
        match &self.kind {
            Kind::Text(_) => text(),
            Kind::Choice(choices) if choices.iter().any(|choice| choice == value) => text(),
            Kind::Choice(_) => self.mistake(mistakes, "is none of its values".to_owned()),
            Kind::Bool if matches!(value, "true" | "false") => Some(value.to_owned()),
            Kind::Bool => self.mistake(mistakes, "is neither yes nor no".to_owned()),
            Kind::Integer | Kind::Number => {
                let is_whole = !value.contains(['.', 'e', 'E']);
                match serde_json::from_str::<Number>(value.trim()) {
                    Ok(_) if is_whole || self.kind == Kind::Number => Some(value.trim().to_owned()),
                    _ if self.kind == Kind::Integer => self.mistake(mistakes, "is not a whole number".to_owned()),
                    _ => self.mistake(mistakes, "is not a number".to_owned()),
                }
            }
            Kind::Json | Kind::Object(_) => match serde_json::from_str::<&RawValue>(value.trim()) {
                Ok(json) => Some(json.get().to_owned()),
                Err(error) => self.mistake(mistakes, format!("is not JSON: {error}")),
            },
        }
    }

    fn read_object(&self, fields: &[Self], given: &Fields, mistakes: &mut Vec<Mistake>) -> Option<String> {
        if !self.is_required && !self.is_given(given) {
            return None;
        }
        let mut json = String::from("{");
        for field in fields {
            let Some(value) = field.read(given, mistakes) else { continue };
            let name = serde_json::to_string(&field.name).unwrap_or_default();
            let comma = if json.len() > 1 { "," } else { "" };
            let _ = write!(json, "{comma}{name}:{value}");
        }
        json.push('}');
        Some(json)
    }

    /// Whether anything in it was filled in.
    fn is_given(&self, given: &Fields) -> bool {
        let below = format!("{}/", self.path);
        given.0.iter().any(|(name, value)| name.starts_with(&below) && !value.trim().is_empty() && value != "false")
    }

    fn mistake(&self, mistakes: &mut Vec<Mistake>, text: String) -> Option<String> {
        mistakes.push(Mistake { path: self.path.clone(), text: format!("{} {text}.", self.name) });
        None
    }
}
