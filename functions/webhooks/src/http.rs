//! The HTTP client: no redirects, no proxies, and resolved names checked by [`Destinations`].

use std::{
    error::Error,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lamplighter_tls::{Roots, RootsError};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use crate::destination::{Destinations, Refused};

/// How long connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one delivery may take: the upper end of the Standard Webhooks specification's advice.
const REQUEST: Duration = Duration::from_secs(25);
/// The part of the attempt's time that is reserved, so that a slow receiver is reported as such and not as the job's
/// timeout.
const RESERVE: Duration = Duration::from_secs(2);
/// How long an idle connection is kept. A Lambda environment is frozen between invocations, and the peer closes the
/// connection.
const IDLE: Duration = Duration::from_secs(15);

/// How many receivers' connections are kept for their next deliveries, and how many of each. A batch may go to thousands
/// of receivers, and a process on Lambda has 1,024 files and sockets (AWS Lambda Developer Guide, "Lambda quotas"): these
/// take 256 of them.
const KEPT_RECEIVERS: usize = 16;
const KEPT_EACH: usize = 16;
/// The most headers that an answer may have. No serious receiver sends more; the parser's memory grows with this.
const MAX_HEADERS: usize = 8192;

/// The client could not be created. The next delivery tries again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// There are no certificate authorities to trust.
    #[error("no HTTP client")]
    Roots(#[from] RootsError),
    /// The client's own error.
    #[error("no HTTP client: {0}")]
    Build(Arc<str>),
}

/// Two clients: one that keeps connections for the next delivery to the same receiver, and one that does not, for
/// receivers beyond the number for which connections are kept.
#[derive(Debug)]
pub(crate) struct Http {
    keeping: Client,
    closing: Client,
    receivers: Mutex<Receivers>,
}

impl Http {
    /// Creates the clients. It loads the machine's certificate authorities, so it is called for the first job.
    pub(crate) fn new(destinations: &Destinations) -> Result<Self, ClientError> {
        let roots = Roots::of_machine()?;
        let client =
            |idle| build(&roots, destinations, idle).map_err(|error| ClientError::Build(error.to_string().into()));
        Ok(Self { keeping: client(KEPT_EACH)?, closing: client(0)?, receivers: Mutex::default() })
    }

    /// The client for a delivery to that origin.
    pub(crate) fn to(&self, origin: &str) -> &Client {
        let mut receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
        if receivers.keep(origin, Instant::now()) { &self.keeping } else { &self.closing }
    }
}

/// The receivers whose connections are kept, and when each was last delivered to.
#[derive(Debug, Default)]
struct Receivers(Vec<(String, Instant)>);

impl Receivers {
    /// After this time, none of a receiver's connections is open any more.
    const FORGOTTEN: Duration = REQUEST.saturating_add(IDLE);

    fn keep(&mut self, origin: &str, now: Instant) -> bool {
        if let Some((_, used)) = self.0.iter_mut().find(|(known, _)| known == origin) {
            *used = now;
            return true;
        }
        self.0.retain(|(_, used)| now.saturating_duration_since(*used) < Self::FORGOTTEN);
        let room = self.0.len() < KEPT_RECEIVERS;
        if room {
            self.0.push((origin.to_owned(), now));
        }
        room
    }
}

fn build(roots: &Roots, destinations: &Destinations, idle: usize) -> Result<Client, Box<dyn Error>> {
    let client = Client::builder()
        .tls_backend_preconfigured(roots.client_config()?)
        .user_agent(concat!("Lamplighter/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Guard(destinations.clone())))
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(idle)
        // Only the status matters. A receiver that accepts the event with a malformed answer would otherwise get it
        // again.
        .http1_max_headers(MAX_HEADERS)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .build()?;
    Ok(client)
}

/// How long a delivery may take when its attempt has `remaining` left.
pub(crate) fn timeout(remaining: Duration) -> Duration {
    remaining.saturating_sub(RESERVE).max(remaining / 2).min(REQUEST)
}

/// Resolves names with the system's resolver and keeps only addresses that are allowed. The connection is made to the
/// addresses that this returns, so the name is not resolved again.
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

/// The allowed ones of a host's addresses.
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
    fn connections_are_kept_for_a_few_receivers_only() {
        let (mut receivers, start) = (Receivers::default(), Instant::now());
        for n in 0..KEPT_RECEIVERS {
            assert!(receivers.keep(&n.to_string(), start));
        }
        assert!(!receivers.keep("another", start));
        assert!(receivers.keep("0", start + Receivers::FORGOTTEN / 2), "known ones stay");
        // All others have been idle for so long that none of their connections is open.
        let later = start + Receivers::FORGOTTEN;
        assert!(receivers.keep("another", later));
        assert_eq!(receivers.0.len(), 2);
    }

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
