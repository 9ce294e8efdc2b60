//! Forms.

use axum::{
    extract::{FromRequest, Request},
    http::header,
};
use lamplighter::operation::Target;

use crate::problem::Problem;

/// The fields of a form, in its order. The token against requests from other sites has been checked before a handler gets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

/// The fields of one form: as many jobs as can be named, and what a schema may ask for beside.
const MOST_FIELDS: usize = 2 * Target::MOST_JOBS;

impl Fields {
    /// The fields of a body, if they are not too many.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, Problem> {
        let fields: Vec<_> = form_urlencoded::parse(body).into_owned().take(MOST_FIELDS + 1).collect();
        match fields.len() > MOST_FIELDS {
            true => Err(Problem::invalid(format!(
                "A form has at most {MOST_FIELDS} fields; name fewer jobs, or use a query."
            ))),
            false => Ok(Self(fields)),
        }
    }

    /// The fields of an address.
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
        Self::of_body(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_says_nothing_is_none() {
        let fields = Fields::parse(b"a=&a=1&b=+&a=2&c=%3Cb%3E");
        assert_eq!((fields.get("a"), fields.get("b"), fields.get("c")), (Some("1"), None, Some("<b>")));
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn a_form_has_as_many_fields_as_it_may_need() {
        assert_eq!(Fields::of_body("id=a&".repeat(MOST_FIELDS).as_bytes()).unwrap().0.len(), MOST_FIELDS);
        let refused = Fields::of_body("job=a&".repeat(MOST_FIELDS + 1).as_bytes()).unwrap_err();
        assert!(refused.detail.contains("at most 1000 fields"), "{refused}");
    }
}
