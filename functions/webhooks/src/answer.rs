//! Reading a receiver's answer, within bounds.

use std::time::{Duration, SystemTime};

use reqwest::{Response, StatusCode, header};
use url::Url;

use crate::{
    error::{self, DeliveryError, Rejection},
    retry_after,
};

/// How much of an answer is read at most: after a success to free its connection for the next delivery, after a refusal
/// to learn the reason.
const READ: usize = 16 * 1024;
/// How long that may take.
const READ_TIME: Duration = Duration::from_secs(2);
/// How much of it is kept in an error.
const SHOWN: usize = 300;

/// Reads the rest of an answer that needs no reading.
pub(crate) async fn drain(response: Response) {
    read(response).await;
}

/// The error that follows from an answer other than 2xx.
pub(crate) async fn rejection(receiver: String, response: Response) -> DeliveryError {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let rejection = if is_final(status) {
        Rejection::Final
    } else {
        match header(header::RETRY_AFTER).and_then(|value| retry_after::parse(value, SystemTime::now())) {
            Some(delay) => Rejection::RetryAfter(delay),
            None => Rejection::Retry,
        }
    };
    // The target, without the query, which may be secret.
    let moved = header(header::LOCATION)
        .filter(|_| status.is_redirection())
        .and_then(|location| response.url().join(location).ok())
        .map(|url: Url| format!("; redirects are not followed, and this one leads to {}", error::origin(&url)));
    let mut text = moved.unwrap_or_default();
    let body = read(response).await;
    let shown = printable(&body);
    if !shown.is_empty() {
        text.push_str(": ");
        text.push_str(&shown);
    }
    DeliveryError::Rejected { receiver, status, text, rejection }
}

/// Returns whether trying again could not change the answer.
fn is_final(status: StatusCode) -> bool {
    match status.as_u16() {
        301 | 308 => true,
        408 | 409 | 425 | 429 => false,
        code => (400..500).contains(&code),
    }
}

/// The beginning of a body. Errors of reading are ignored: the status is what matters.
async fn read(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    let all = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = READ - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == READ {
                return;
            }
        }
    };
    // Out of time: the part read so far is enough.
    let _ = tokio::time::timeout(READ_TIME, all).await;
    body
}

/// Text for people: one line, without control characters, of bounded length.
fn printable(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut words = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > SHOWN {
            let mut cut = SHOWN;
            while !words.is_char_boundary(cut) {
                cut -= 1;
            }
            words.truncate(cut);
            words.push('…');
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_statuses() {
        let is_final = |code| is_final(StatusCode::from_u16(code).unwrap());
        for code in [301, 308, 400, 401, 403, 404, 405, 410, 413, 422, 451] {
            assert!(is_final(code), "{code}");
        }
        for code in [300, 302, 303, 304, 307, 408, 409, 425, 429, 500, 502, 503, 504, 599, 600, 999] {
            assert!(!is_final(code), "{code}");
        }
    }

    #[test]
    fn bodies_become_one_short_line() {
        assert_eq!(printable(b" {\"error\":\r\n\t\"no\x1b[31m\"}\0 "), "{\"error\": \"no [31m\"}");
        assert_eq!(printable(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        let long = printable("ü".repeat(10_000).as_bytes());
        assert!(long.len() <= SHOWN + '…'.len_utf8() && long.ends_with('…'), "{}", long.len());
    }
}
