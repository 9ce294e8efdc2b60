//! The client's errors as text. An address may hold a signature, so no text quotes one.

use std::{borrow::Cow, error::Error};

use azure_core::{error::ErrorKind, http::StatusCode};
use lamplighter::backend::{StoreError, StoreErrorKind};

/// Explains a failed call. `doing` completes "could not".
pub(super) fn explain(error: &azure_core::Error, doing: &str) -> StoreError {
    let cause = cause(error);
    match error.kind() {
        ErrorKind::HttpResponse { status, .. } => match *status {
            StatusCode::Unauthorized | StatusCode::Forbidden => denied(doing, &cause),
            StatusCode::RequestTimeout | StatusCode::TooManyRequests => unavailable(doing, &cause),
            status if status.is_server_error() => unavailable(doing, &cause),
            _ => StoreError::new(StoreErrorKind::Invalid, format_args!("could not {doing}: {cause}")),
        },
        ErrorKind::Credential => denied(doing, &cause),
        _ => unavailable(doing, &cause),
    }
}

/// Returns whether the queue does not exist.
pub(super) fn is_missing(error: &azure_core::Error) -> bool {
    error.http_status() == Some(StatusCode::NotFound)
}

fn denied(doing: &str, cause: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Denied,
        format_args!(
            "may not {doing}: {cause}; give this machine's identity the role \"Storage Queue Data Contributor\", or use a shared \
             access signature that allows to add messages and is not over"
        ),
    )
}

fn unavailable(doing: &str, cause: &str) -> StoreError {
    StoreError::unavailable(format_args!("could not {doing}: {cause}"))
}

/// Returns the status and Azure's code for it; without an answer, the innermost error: the outer ones quote the
/// address.
pub(super) fn cause(error: &azure_core::Error) -> String {
    if let ErrorKind::HttpResponse { status, error_code, .. } = error.kind() {
        let code = error_code.as_deref().map_or_else(|| status.canonical_reason(), Cow::Borrowed);
        return format!("the queue service answered {} {code}", u16::from(*status));
    }
    let mut innermost: Option<&(dyn Error + 'static)> = error.source();
    while let Some(source) = innermost.and_then(Error::source) {
        innermost = Some(source);
    }
    match innermost {
        Some(innermost) if !innermost.to_string().contains("://") => innermost.to_string(),
        _ => format!("{} error", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_kind_says_whether_to_try_again() {
        let of = |kind: ErrorKind| explain(&kind.into_error(), "send");
        let status = |status| ErrorKind::HttpResponse { status, error_code: Some("Code".into()), raw_response: None };
        for (kind, expected) in [
            (status(StatusCode::Forbidden), StoreErrorKind::Denied),
            (status(StatusCode::ServiceUnavailable), StoreErrorKind::Unavailable),
            (status(StatusCode::TooManyRequests), StoreErrorKind::Unavailable),
            (status(StatusCode::BadRequest), StoreErrorKind::Invalid),
            (ErrorKind::Connection, StoreErrorKind::Unavailable),
            (ErrorKind::Credential, StoreErrorKind::Denied),
        ] {
            assert_eq!(of(kind).kind(), expected);
        }
        assert!(of(status(StatusCode::BadRequest)).to_string().contains("400 Code"));
    }

    #[test]
    fn no_address_is_quoted() {
        let inner = io::Error::other("connection refused");
        let error = azure_core::Error::with_error(ErrorKind::Io, inner, "error for http://host/?sig=s3cret");
        assert_eq!(explain(&error, "send").to_string(), "could not send: connection refused");
        let only =
            azure_core::Error::with_error(ErrorKind::Io, io::Error::other("GET http://host/?sig=s3cret"), "sending");
        assert!(!explain(&only, "send").to_string().contains("s3cret"));
    }
}
