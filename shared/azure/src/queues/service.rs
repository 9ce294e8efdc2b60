//! The queue service: its address, its authentication, and the HTTP client.

use std::{sync::Arc, time::Duration};

use azure_core::{
    credentials::TokenCredential,
    http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport, Url},
};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions};
use azure_storage_queue::{QueueClient, QueueClientOptions};
use lamplighter::backend::{StoreError, StoreErrorKind};
use lamplighter_tls::Roots;

/// The time limit for connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// The time limit of one request.
const REQUEST: Duration = Duration::from_secs(10);
/// The maximum number of retries of a request without an answer, or with one that says "later".
const RETRIES: u32 = 3;
/// The time after which no request is retried.
const RETRIED_FOR: azure_core::time::Duration = azure_core::time::Duration::seconds(15);

/// Why there is no queue service. The text never quotes the address, which may hold a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueServiceError {
    /// No address is set.
    #[error(
        "there is no address of a queue service; set LAMPLIGHTER_QUEUE_SERVICE to https://ACCOUNT.queue.core.windows.net, or to \
         the same with a shared access signature behind it (?sv=…&sig=…)"
    )]
    Missing,
    /// The text is not an address.
    #[error(
        "the address of the queue service is not valid: {0}; one looks like https://ACCOUNT.queue.core.windows.net, with or \
         without a shared access signature behind it (?sv=…&sig=…)"
    )]
    Invalid(&'static str),
}

/// The address of a queue service.
pub(super) struct QueueService {
    address: Url,
    /// Whether the address is signed, so that no identity is needed.
    signed: bool,
}

impl QueueService {
    pub(super) fn parse(text: &str) -> Result<Self, QueueServiceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(QueueServiceError::Missing);
        }
        let address = Url::parse(text).map_err(|_| QueueServiceError::Invalid("it is not a URL"))?;
        let signed = address.query_pairs().any(|(name, _)| name == "sig");
        match address.scheme() {
            "https" => {}
            "http" if signed => {}
            "http" => return Err(QueueServiceError::Invalid("an identity's token is sent over https only")),
            _ => return Err(QueueServiceError::Invalid("it does not begin with https")),
        }
        if address.query().is_some() && !signed {
            return Err(QueueServiceError::Invalid("it has a query without a signature (sig)"));
        }
        Ok(Self { address, signed })
    }

    /// Returns the client of a queue.
    pub(super) fn queue(&self, name: &str, options: ClientOptions) -> azure_core::Result<QueueClient> {
        let mut address = self.address.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.pop_if_empty().push(name);
        }
        let credential: Option<Arc<dyn TokenCredential>> = match self.signed {
            true => None,
            false => {
                let client_options = options.clone();
                let options = ManagedIdentityCredentialOptions { client_options, ..Default::default() };
                Some(ManagedIdentityCredential::new(Some(options))?)
            }
        };
        let options = QueueClientOptions { client_options: options, ..Default::default() };
        QueueClient::new(address, credential, Some(options))
    }
}

/// Returns the HTTP client's options, with this machine's certificate authorities and the time limits.
pub(super) fn client_options() -> Result<ClientOptions, StoreError> {
    let none = |error: &dyn std::fmt::Display| {
        StoreError::new(StoreErrorKind::Unavailable, format_args!("no HTTP client: {error}"))
    };
    let roots = Roots::of_machine().map_err(|error| none(&error))?;
    let tls = roots.client_config().map_err(|error| none(&error))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .build()
        .map_err(|error| none(&error))?;
    let retry = ExponentialRetryOptions { max_retries: RETRIES, max_total_elapsed: RETRIED_FOR, ..Default::default() };
    Ok(ClientOptions {
        transport: Some(Transport::new(Arc::new(client))),
        retry: RetryOptions::exponential(retry),
        ..ClientOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_url(address: &str) -> String {
        let service = QueueService::parse(address).unwrap();
        service.queue("web-hooks", client_options().unwrap()).unwrap().url().to_string()
    }

    #[test]
    fn a_queue_is_a_path_of_its_service_and_keeps_the_signature() {
        assert_eq!(
            queue_url("http://127.0.0.1:10001/devstoreaccount1?sv=2026&sig=a%2Fb%3D"),
            "http://127.0.0.1:10001/devstoreaccount1/web-hooks?sv=2026&sig=a%2Fb%3D"
        );
        assert_eq!(
            queue_url(" https://shop.queue.core.windows.net/?sig=x "),
            "https://shop.queue.core.windows.net/web-hooks?sig=x"
        );
    }

    #[test]
    fn without_a_signature_the_machines_identity_signs_in() {
        assert_eq!(queue_url("https://shop.queue.core.windows.net/"), "https://shop.queue.core.windows.net/web-hooks");
    }

    #[test]
    fn other_addresses_are_refused_and_not_quoted() {
        for address in [
            "",
            " ",
            "shop",
            "ftp://s3cret/?sig=s3cret",
            "http://shop.example",
            "https://shop.example/?sv=s3cret",
            "https://",
        ] {
            let Err(error) = QueueService::parse(address) else { panic!("{address}") };
            let text = error.to_string();
            assert!(text.contains("https://ACCOUNT.queue.core.windows.net") && !text.contains("s3cret"), "{text}");
        }
    }
}
