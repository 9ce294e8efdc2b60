//! How calls are broken.

use std::{fmt, time::Duration};

use serde_json::json;

/// What becomes of a call that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, with this status and this code.
    Refused(u16, &'static str),
    /// It is done, and its answer is lost: the caller gets a 500.
    AnswerLost,
    /// It is done and answered, so much later.
    Late(Duration),
}

impl Fault {
    /// The service cannot answer.
    pub const AWAY: Self = Self::Refused(500, "InternalServerError");
    /// It is asked for too much.
    pub const THROTTLED: Self = Self::Refused(400, "ThrottlingException");
    /// The caller's credentials have expired.
    pub const EXPIRED: Self = Self::Refused(400, "ExpiredTokenException");

    /// The answer's status and body, as protocols that speak JSON have it.
    pub(super) fn answer(self) -> Option<(u16, String)> {
        let (status, code) = match self {
            Self::Refused(status, code) => (status, code),
            Self::AnswerLost => (500, "InternalServerError"),
            Self::Late(_) => return None,
        };
        Some((status, json!({ "__type": code, "message": "broken by a test" }).to_string()))
    }
}

/// Tells what becomes of a call: of that service, with that action.
type Breaks = Box<dyn FnMut(&str, &str) -> Option<Fault> + Send>;

/// Which calls are broken.
#[derive(Default)]
pub(super) struct Faults(Option<Breaks>);

impl Faults {
    pub(super) fn set(&mut self, breaks: impl FnMut(&str, &str) -> Option<Fault> + Send + 'static) {
        self.0 = Some(Box::new(breaks));
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(super) fn of(&mut self, service: &str, action: &str) -> Option<Fault> {
        self.0.as_mut()?(service, action)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.0.is_some()).finish()
    }
}
