//! The allowed destinations of webhooks.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use ipnet::IpNet;
use url::{Host, Url};

use crate::address::is_public;

/// The allowed destinations of webhooks: public addresses, and the private ones that were allowed.
///
/// The check applies to the address that a connection is made to. Names are checked when they are resolved for that
/// very connection, so a name that resolves to something else a moment later ("DNS rebinding") gains nothing.
///
/// ```
/// use webhooks::Destinations;
/// let destinations: Destinations = "127.0.0.1, 10.20.0.0/16, receiver.internal".parse()?;
/// assert!(destinations.check(&"http://10.20.3.4/hook".parse()?).is_ok());
/// assert!(destinations.check(&"http://10.21.0.1/hook".parse()?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Destinations(Arc<Allowed>);

#[derive(Debug, Default)]
struct Allowed {
    everything: bool,
    networks: Vec<IpNet>,
    hosts: Vec<String>,
}

/// An invalid entry in the list of private destinations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address, nor a network such as 10.0.0.0/8, nor a host name, nor *")]
pub struct InvalidDestination(String);

/// A destination that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither http nor https.
    #[error("webhooks go to http and https URLs, not to {0:?}")]
    Scheme(String),
    /// User name or password in the URL: they would be kept in messages, records and logs.
    #[error("the URL contains a user name or password; receivers know the sender by its signature")]
    Credentials,
    /// No host.
    #[error("the URL has no host")]
    Host,
    /// A private address.
    #[error(
        "{host} is the private address {address}, and webhooks go to public ones; to allow it, add it to {}",
        crate::settings::ALLOW_PRIVATE
    )]
    Private {
        /// The host in the URL.
        host: String,
        /// Its address.
        address: IpAddr,
    },
}

impl Destinations {
    /// Public addresses only.
    #[must_use]
    pub fn public() -> Self {
        Self::default()
    }

    /// Checks the URL itself: its scheme, that it has a host and no credentials, and the host if it is an address.
    ///
    /// # Errors
    /// [`Refused`], with the reason.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme(url.scheme().into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        // The parser has turned every spelling of an address (`0x7f.1`, `2130706433`) into the address.
        let address = match url.host() {
            None => return Err(Refused::Host),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        self.check_address(&address.to_string(), address)
    }

    /// Checks an address that `host` has resolved to.
    ///
    /// # Errors
    /// [`Refused::Private`].
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let Allowed { everything, networks, hosts } = &*self.0;
        let canonical = address.to_canonical();
        let allowed = *everything
            || is_public(address)
            || networks.iter().any(|network| network.contains(&canonical))
            || hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host.trim_end_matches('.')));
        if allowed { Ok(()) } else { Err(Refused::Private { host: host.into(), address }) }
    }
}

impl FromStr for Destinations {
    type Err = InvalidDestination;

    /// Public addresses, and the private ones of a list, separated by commas: addresses, networks in CIDR form, host
    /// names (whatever they resolve to), or `*` for all.
    fn from_str(list: &str) -> Result<Self, InvalidDestination> {
        let mut allowed = Allowed::default();
        for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let unbracketed = entry.trim_start_matches('[').trim_end_matches(']');
            if entry == "*" {
                allowed.everything = true;
            } else if let Ok(network) = entry.parse() {
                allowed.networks.push(network);
            } else if let Ok(address) = unbracketed.parse::<IpAddr>() {
                allowed.networks.push(address.to_canonical().into());
            } else {
                match Host::parse(entry.trim_end_matches('.')) {
                    Ok(Host::Domain(host)) if !entry.contains('*') => allowed.hosts.push(host),
                    _ => return Err(InvalidDestination(entry.into())),
                }
            }
        }
        Ok(Self(Arc::new(allowed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, url: &str) -> Result<(), Refused> {
        list.parse::<Destinations>().unwrap().check(&url.parse().unwrap())
    }

    #[test]
    fn every_spelling_of_loopback_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0177.0.0.1",
            "2130706433",
            "0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "①②⑦.0.0.1",
            "127。0。0。1",
        ] {
            let refused = check("", &format!("http://{host}/")).unwrap_err();
            assert!(matches!(refused, Refused::Private { .. }), "{host}: {refused}");
        }
    }

    #[test]
    fn only_http_without_credentials() {
        assert_eq!(check("", "ftp://example.com/"), Err(Refused::Scheme("ftp".into())));
        assert_eq!(check("", "file:///etc/passwd"), Err(Refused::Scheme("file".into())));
        assert_eq!(check("", "https://user@example.com/"), Err(Refused::Credentials));
        assert_eq!(check("", "https://:secret@example.com/"), Err(Refused::Credentials));
        assert_eq!(check("", "https://example.com:8443/hook?x=1"), Ok(()));
    }

    #[test]
    fn only_listed_private_destinations_are_allowed() {
        let list = "127.0.0.1, 10.0.0.0/8 ,fd00::/8,[::1], receiver.internal.,";
        for good in
            ["http://127.0.0.1:8080", "http://10.9.8.7", "http://[fd12::1]", "http://[::1]/", "http://[::ffff:a00:1]/"]
        {
            assert_eq!(check(list, good), Ok(()), "{good}");
        }
        for bad in ["http://127.0.0.2", "http://11.0.0.1.nip.io@192.168.0.1", "http://192.168.0.1", "http://[fe80::1]"]
        {
            assert!(check(list, bad).is_err(), "{bad}");
        }
        assert_eq!(check("*", "http://192.168.0.1"), Ok(()));
        let destinations: Destinations = list.parse().unwrap();
        let private = IpAddr::from([192, 168, 0, 9]);
        assert!(destinations.check_address("RECEIVER.internal.", private).is_ok());
        assert!(destinations.check_address("evil.receiver.internal", private).is_err());
    }

    #[test]
    fn invalid_entries_are_named() {
        for bad in ["10.0.0.0/33", "a b", "*.internal", "http://x", "[::1"] {
            assert!(bad.parse::<Destinations>().is_err() || bad == "[::1", "{bad}");
        }
        let error = "10.0.0.0/8, 10.0.0.0/99".parse::<Destinations>().unwrap_err();
        assert!(error.to_string().contains("10.0.0.0/99"), "{error}");
    }
}
