//! Errors of AWS's SDKs as one sentence: what failed, why, and what to do.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use lamplighter::backend::{StoreError, StoreErrorKind};

/// Explains an SDK's error. `doing` completes "cannot …": `send to https://…`.
pub(crate) fn explain<E>(error: &SdkError<E>, doing: &str) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(credentials) = find::<CredentialsError>(error) {
        return no_credentials(credentials, doing);
    }
    match error {
        SdkError::ServiceError(service) => refused(service.err(), service.raw().status().is_server_error(), doing),
        SdkError::TimeoutError(_) => {
            StoreError::unavailable(format_args!("cannot {doing}: no answer in time; check the network, and try again"))
        }
        SdkError::DispatchFailure(failure) => {
            let connector = failure.as_connector_error();
            let why = connector.map_or_else(|| innermost(error), |error| innermost(error));
            StoreError::unavailable(format_args!(
                "cannot {doing}: the address does not answer ({why}); check the address and the network"
            ))
        }
        SdkError::ResponseError(_) => StoreError::unavailable(format_args!(
            "cannot {doing}: the answer is not valid ({}); check that the address is that of AWS",
            innermost(error)
        )),
        _ => StoreError::new(StoreErrorKind::Invalid, format_args!("cannot {doing}: {}", innermost(error))),
    }
}

fn no_credentials(error: &CredentialsError, doing: &str) -> StoreError {
    let advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with AWS_PROFILE, or sign in with \
                  the AWS command line";
    let text = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            format!("cannot {doing}: there are no usable AWS credentials here; {advice}")
        }
        _ => {
            let why = innermost(error);
            let why = why.trim_end_matches('.');
            format!("cannot {doing}: there are no usable AWS credentials here ({why}); {advice}")
        }
    };
    StoreError::new(StoreErrorKind::Denied, text)
}

fn refused(error: &impl ProvideErrorMetadata, server_error: bool, doing: &str) -> StoreError {
    let code = error.code().unwrap_or("an unnamed error");
    // Older protocols put the service's name before the code: `AWS.SimpleQueueService.NonExistentQueue`.
    let code = code.rsplit('.').next().unwrap_or(code);
    let message = error.message().unwrap_or_default();
    let said = if message.is_empty() { code.to_owned() } else { format!("{code}: {}", message.trim_end_matches('.')) };
    let (kind, advice) = match code {
        "AccessDenied" | "AccessDeniedException" => {
            (StoreErrorKind::Denied, "the role or user needs the permission that is named there")
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            (StoreErrorKind::Denied, "the credentials have expired: sign in again")
        }
        "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "OptInRequired" => (StoreErrorKind::Denied, "check the AWS credentials and the region"),
        "NonExistentQueue" | "QueueDoesNotExist" => {
            (StoreErrorKind::Invalid, "check the queue's URL, its region and its account")
        }
        "ResourceNotFoundException" => {
            (StoreErrorKind::Invalid, "check its name, and that it is deployed to this account and region")
        }
        "ServiceQuotaExceededException" => {
            (StoreErrorKind::Invalid, "ask AWS to raise that quota, or remove what is no longer needed")
        }
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "InternalServerException"
        | "LimitExceededException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ServiceUnavailable"
        | "TransactionConflictException"
        | "Throttling"
        | "ThrottlingException"
        | "RequestThrottled"
        | "OverLimit"
        | "KmsThrottled" => (StoreErrorKind::Unavailable, "try again"),
        _ if server_error => (StoreErrorKind::Unavailable, "try again"),
        _ => (StoreErrorKind::Invalid, "the same request would be refused again"),
    };
    StoreError::new(kind, format_args!("cannot {doing}: AWS says {said}; {advice}"))
}

/// The cause of that type, anywhere in the chain.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}

/// The text of the last cause in the chain: the outer causes only say that something failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
