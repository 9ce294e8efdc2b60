//! Asks a function for a description of its code.

use aws_sdk_lambda::primitives::Blob;
use lamplighter::backend::StoreError;
use serde_json::{Value, json};

use super::{StackReader, Unreadable, ask};
use crate::lambda::{ABOUT, About};

/// A function's answer about its code.
#[derive(Debug, Clone, PartialEq)]
pub enum Code {
    /// Its description.
    About(About),
    /// Something else: it does not understand the request, or cannot start. Its answer.
    Strange(String),
}

/// The longest answer that is shown.
const SHOWN: usize = 200;

impl StackReader {
    /// Asks a function for a description of its code, by one invocation that runs no job. `None` if there is no such
    /// function.
    ///
    /// # Errors
    /// When there is no configuration to call AWS with.
    pub async fn code(&self, function: &str) -> Result<Result<Option<Code>, Unreadable>, StoreError> {
        let question = json!({ ABOUT.0: ABOUT.1 }).to_string();
        let asked = self.lambda().await?.invoke().function_name(function).payload(Blob::new(question)).send();
        let answer = ask("lambda:InvokeFunction", &format!("ask function {function} what code it runs"), asked).await;
        Ok(answer.map(|answer| {
            let answer = answer?;
            let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
            let payload: Value = serde_json::from_slice(&payload).unwrap_or_default();
            let about = answer.function_error.is_none().then(|| serde_json::from_value(payload.clone()).ok()).flatten();
            Some(about.map_or_else(|| Code::Strange(message_of(&payload)), Code::About))
        }))
    }
}

/// The error's own message, if there is one: an answer of other code may hold anything, and is not shown.
fn message_of(payload: &Value) -> String {
    match payload["errorMessage"].as_str() {
        Some(message) => message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect(),
        None => "an answer of another kind".into(),
    }
}
