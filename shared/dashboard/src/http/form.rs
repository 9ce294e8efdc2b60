//! Forms, and the requests that they make.

use axum::{
    extract::{FromRequest, Request},
    http::header,
};
use lamplighter::RawValue;
use serde_json::{Map, Value, value::to_raw_value};

use crate::{desk::OperationRequest, problem::Problem};

/// The fields of a form, in its order. The token against requests from other sites has been checked before a handler gets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The fields of a body.
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The first field of this name that says anything.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let says = |(field, value): &&(String, String)| field == name && !value.trim().is_empty();
        self.0.iter().find(says).map(|(_, value)| &**value)
    }

    /// All fields of this name that say anything.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(field, value)| field == name && !value.trim().is_empty()).map(|(_, value)| &**value)
    }

    fn number<N: std::str::FromStr>(&self, name: &'static str) -> Result<Option<N>, Problem> {
        let number = self.get(name).map(|text| text.trim().parse());
        number
            .transpose()
            .map_err(|_| Problem::parameter(name, format!("The field {name} is not a number in its range.")))
    }

    /// The operation that a form asks for.
    ///
    /// - `action`: its name, such as `retry`; the fields `at`, `from`, `to`, `until`, `note`, `job`, `id` and `limit` are those
    ///   of the action, and `args` is JSON.
    /// - `target`: JSON, such as `{"kind":"job","id":"a"}`; or several fields `ids`, each the id of a job.
    /// - `reason`, `expected`, `per_second`.
    ///
    /// # Errors
    /// When a field is missing, or is not what it should be.
    pub fn operation(&self) -> Result<OperationRequest, Problem> {
        let Some(kind) = self.get("action") else {
            return Err(Problem::parameter("action", "The form does not say which action it is for."));
        };
        let mut action = Map::from_iter([("kind".to_owned(), Value::from(kind))]);
        for name in ["at", "from", "to", "until", "note", "job", "id"] {
            if let Some(value) = self.get(name) {
                action.insert(name.to_owned(), value.into());
            }
        }
        if let Some(limit) = self.number::<u64>("limit")? {
            action.insert("limit".to_owned(), limit.into());
        }
        Ok(OperationRequest {
            action: self.with_args(&action)?,
            target: self.target()?,
            reason: self.get("reason").map(str::to_owned),
            expected: self.number("expected")?,
            per_second: self.number("per_second")?,
        })
    }

    /// The action with its arguments, whose bytes stay as they were typed.
    fn with_args(&self, action: &Map<String, Value>) -> Result<Box<RawValue>, Problem> {
        let mut text = serde_json::to_string(action).unwrap_or_default();
        if let Some(args) = self.get("args") {
            let args: Box<RawValue> = serde_json::from_str(args.trim())
                .map_err(|error| Problem::parameter("args", format!("The arguments are not JSON: {error}.")))?;
            text.truncate(text.len() - 1);
            text.push_str(&format!(r#","args":{args}}}"#));
        }
        RawValue::from_string(text).map_err(|error| Problem::parameter("args", error.to_string()))
    }

    fn target(&self) -> Result<Box<RawValue>, Problem> {
        let ids: Vec<_> = self.all("ids").collect();
        let target = match (self.get("target"), ids.is_empty()) {
            (Some(target), _) => serde_json::from_str(target),
            (None, false) => to_raw_value(&serde_json::json!({ "kind": "jobs", "ids": ids })),
            (None, true) => {
                return Err(Problem::parameter("target", "Nothing is marked: choose what it is to be done to."));
            }
        };
        target.map_err(|error| Problem::parameter("target", format!("The target is not JSON: {error}.")))
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(Problem::invalid("This address takes forms."));
        }
        let body = bytes::Bytes::from_request(request, state)
            .await
            .map_err(|error| Problem::invalid(format!("The form could not be read: {error}.")))?;
        Ok(Self::parse(&body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(form: &str) -> Result<(String, String), Problem> {
        let request = Fields::parse(form.as_bytes()).operation()?;
        Ok((request.action.get().to_owned(), request.target.get().to_owned()))
    }

    #[test]
    fn a_form_asks_for_an_operation() {
        let (action, target) =
            operation("action=reschedule&at=2026-12-24T18:00:00Z&target=%7B%22kind%22:%22job%22,%22id%22:%22a%22%7D")
                .unwrap();
        assert_eq!(action, r#"{"at":"2026-12-24T18:00:00Z","kind":"reschedule"}"#);
        assert_eq!(target, r#"{"kind":"job","id":"a"}"#);
        let (_, marked) = operation("action=retry&ids=a&ids=b").unwrap();
        assert_eq!(marked, r#"{"ids":["a","b"],"kind":"jobs"}"#);
    }

    #[test]
    fn arguments_keep_their_bytes() {
        let (action, _) = operation("action=enqueue&job=mail.send&args=%7B%22n%22:1.00%7D&ids=a").unwrap();
        assert_eq!(action, r#"{"job":"mail.send","kind":"enqueue","args":{"n":1.00}}"#);
    }

    #[test]
    fn a_form_that_lacks_something_is_told_what() {
        assert_eq!(operation("target=%7B%7D").unwrap_err().parameter, Some("action"));
        assert_eq!(operation("action=retry").unwrap_err().parameter, Some("target"));
        assert_eq!(operation("action=retry&ids=a&per_second=-1").unwrap_err().parameter, Some("per_second"));
        assert_eq!(operation("action=enqueue&ids=a&args=%7B").unwrap_err().parameter, Some("args"));
    }
}
