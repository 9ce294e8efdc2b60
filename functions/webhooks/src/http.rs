//! The HTTP client: no redirects, no proxies, and names resolved under the eyes of [`Destinations`].

use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::destination::{Destinations, Refused};

/// How long connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one delivery may take: what the Standard Webhooks specification advises as the upper end.
const REQUEST: Duration = Duration::from_secs(25);
/// What is kept back of the attempt's time, so that a slow receiver is reported as one and not as a job's timeout.
const RESERVE: Duration = Duration::from_secs(2);
/// How long an idle connection is kept. A Lambda environment sleeps between invocations, and the other end hangs up.
const IDLE: Duration = Duration::from_secs(15);

/// The client could not be made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no HTTP client: {0}")]
pub struct ClientError(Arc<str>);

/// Makes the client. Loads the machine's certificate authorities, so it is done once, when the first job comes.
pub(crate) fn client(destinations: &Destinations) -> Result<Client, ClientError> {
    build(destinations).map_err(|error| ClientError(error.to_string().into()))
}

fn build(destinations: &Destinations) -> Result<Client, Box<dyn Error>> {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("Lamplighter/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Guard(destinations.clone())))
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .build()?;
    Ok(client)
}

/// How long a delivery may take when its attempt has `remaining` left.
pub(crate) fn timeout(remaining: Duration) -> Duration {
    remaining.saturating_sub(RESERVE).max(remaining / 2).min(REQUEST)
}

/// Resolves names with the system's resolver and keeps only addresses that are allowed. The connection is made to what
/// this returns, so there is no second look at the name.
struct Guard(Destinations);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let destinations = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
            let addresses = admit(&destinations, host, found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Those of a host's addresses that are allowed.
fn admit(
    destinations: &Destinations,
    host: &str,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let mut refused: Option<Refused> = None;
    let mut allowed = Vec::with_capacity(found.len());
    for address in found {
        match destinations.check_address(host, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(error) => refused = Some(error),
        }
    }
    match (allowed.is_empty(), refused) {
        (false, _) => Ok(allowed),
        (true, Some(refused)) => Err(refused.into()),
        (true, None) => Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_ends_before_its_attempt() {
        let secs = Duration::from_secs;
        assert_eq!(timeout(secs(30)), secs(25));
        assert_eq!(timeout(secs(12)), secs(10));
        assert_eq!(timeout(secs(2)), secs(1));
        assert_eq!(timeout(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn private_addresses_of_a_name_are_left_out() {
        let destinations = Destinations::public();
        let (public, private): (SocketAddr, SocketAddr) = ("1.1.1.1:0".parse().unwrap(), "10.0.0.1:0".parse().unwrap());
        assert_eq!(admit(&destinations, "both", vec![private, public]).unwrap(), [public]);
        let error = admit(&destinations, "inside", vec![private]).unwrap_err();
        assert!(error.is::<Refused>(), "{error}");
        assert!(!admit(&destinations, "nothing", vec![]).unwrap_err().is::<Refused>());
    }
}
