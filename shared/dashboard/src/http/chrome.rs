//! What every page has around it.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{desk::Desk, problem::Problem, viewer::Viewer};

/// What every page has around it: where it is, who looks, and the token without which a form does nothing. A handler of a page
/// takes it as an argument.
#[derive(Debug, Clone)]
pub struct Chrome {
    /// The path of the dashboard itself, without a slash at its end: empty, or `/jobs`.
    pub base: String,
    /// The app's name.
    pub app: &'static str,
    /// Which environment it is.
    pub environment: Option<String>,
    /// The command that operates the same place, with its options.
    pub command: Vec<String>,
    /// Who looks.
    pub viewer: Viewer,
    /// The value of the field `csrf` of each form.
    pub csrf: String,
    /// Whether the viewer has a session here, which they can end.
    pub has_session: bool,
    /// Whether the host can keep a response open: then `/live` says when something has changed. Else pages ask again.
    pub is_live: bool,
    /// The path and the query of the request, below the base.
    pub here: String,
    /// The part of the page that is asked for by the header `X-Region`, when one alone is.
    pub region: Option<String>,
}

impl Chrome {
    /// The address of a page: `/jobs` becomes `/base/jobs`.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        match path {
            "/" => home(&self.base),
            path => format!("{}{path}", self.base),
        }
    }

    /// The address of a file that pages load.
    #[must_use]
    pub fn asset(&self, name: &str) -> String {
        self.link(&super::assets::path(name))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Chrome {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::no_page)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Desk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::no_page)
    }
}

/// The address of the overview. A router that is nested at a path answers at that path, and not with a slash behind it.
pub(crate) fn home(base: &str) -> String {
    if base.is_empty() { "/".to_owned() } else { base.to_owned() }
}
