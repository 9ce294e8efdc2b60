//! An answer of the dashboard, whose body is a text.

use hyper::{
    Response, StatusCode,
    header::{HeaderMap, HeaderName},
};
use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.body))
    }

    pub(crate) fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{self:?}")).to_str().unwrap()
    }
}

impl From<Response<Vec<u8>>> for Answer {
    fn from(answer: Response<Vec<u8>>) -> Self {
        let (head, body) = answer.into_parts();
        Self { status: head.status, headers: head.headers, body: String::from_utf8(body).unwrap() }
    }
}
