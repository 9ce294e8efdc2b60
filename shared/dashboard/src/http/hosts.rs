//! Which addresses a dashboard answers at, and from which pages it takes writes.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, StatusCode, Uri, header, uri::Authority};

use crate::problem::Problem;

/// The addresses of a dashboard: the loopback, its public one, and others that it was told of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    public: Option<Public>,
    others: Vec<String>,
}

#[derive(Debug, Clone)]
struct Public {
    origin: String,
    host: String,
}

/// Why a URL is not that of a dashboard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the URL of a dashboard; write it like https://jobs.example.com, without a path")]
pub struct InvalidUrl(String);

/// Why an address beyond this machine must not be listened at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    /// Somebody on the way could read the link that signs in.
    #[error(
        "{0} can be reached from other machines, and a link that signs in is no protection there: listen at 127.0.0.1, or \
         configure a sign-in"
    )]
    WithoutSignIn(SocketAddr),
    /// The dashboard does not know its own address.
    #[error(
        "{0} can be reached from other machines: say by which URL, so that requests from other sites can be told apart"
    )]
    WithoutUrl(SocketAddr),
}

impl Hosts {
    pub(crate) fn set_public(&mut self, url: &str) -> Result<(), InvalidUrl> {
        let invalid = || InvalidUrl(url.chars().take(200).collect());
        let parsed: Uri = url.trim().parse().map_err(|_| invalid())?;
        let (Some(scheme), Some(authority)) = (parsed.scheme_str(), parsed.authority()) else { return Err(invalid()) };
        if !matches!(scheme, "http" | "https") || !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
            return Err(invalid());
        }
        let host = without_default_port(authority.as_str(), scheme);
        self.public = Some(Public { origin: format!("{scheme}://{host}"), host });
        Ok(())
    }

    pub(crate) fn add(&mut self, host: &str) {
        self.others.push(host.trim().to_ascii_lowercase());
    }

    pub(crate) fn has_public(&self) -> bool {
        self.public.is_some()
    }

    /// Whether viewers come by HTTPS.
    pub(crate) fn is_secure(&self) -> bool {
        self.public.as_ref().is_some_and(|public| public.origin.starts_with("https:"))
    }

    /// Checks that a request was meant for this dashboard: a page of another site can give any name to this machine's address, and
    /// its scripts then count as this site's own.
    pub(crate) fn check_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<String, Problem> {
        let host = match headers.get(header::HOST) {
            Some(host) => host.to_str().ok().map(str::to_ascii_lowercase),
            None => uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()),
        };
        let host = host.filter(|host| self.is_own(host));
        host.ok_or_else(|| {
            Problem::of_status(
                StatusCode::MISDIRECTED_REQUEST,
                "unknown-host",
                "Unknown host",
                "This dashboard does not go by the name in the request. Use its own URL, or configure this one.",
            )
        })
    }

    fn is_own(&self, host: &str) -> bool {
        let is_public = |public: &Public| {
            public.host == host
                || public.host == without_default_port(host, public.origin.split(':').next().unwrap_or(""))
        };
        is_loopback(host)
            || self.others.iter().any(|other| other == host)
            || self.public.as_ref().is_some_and(is_public)
    }

    /// Checks that a write comes from a page of this dashboard, which is at `host`.
    pub(crate) fn check_origin(&self, headers: &HeaderMap, host: &str) -> Result<(), Problem> {
        let foreign =
            |detail| Err(Problem::of_status(StatusCode::FORBIDDEN, "foreign-origin", "From another site", detail));
        let site = headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or_default());
        if site.is_some_and(|site| site != "same-origin") {
            return foreign("The request was made by a page of another site.");
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (Some(Ok(origin)), None) = (origins.next().map(|origin| origin.to_str()), origins.next()) else {
            return foreign("The request does not say from which site it comes: the header Origin is missing.");
        };
        let origin = origin.to_ascii_lowercase();
        let is_public = self.public.as_ref().is_some_and(|public| public.origin == origin);
        let own = is_loopback(host) || self.others.iter().any(|other| other == host);
        if is_public || own && (origin == format!("http://{host}") || origin == format!("https://{host}")) {
            return Ok(());
        }
        foreign("The request was made by a page of another site, or this dashboard does not know its own URL.")
    }
}

/// Whether a host is this machine and no other.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_name = name == "localhost" || name.ends_with(".localhost");
    !host.contains('@') && (is_name || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

fn without_default_port(host: &str, scheme: &str) -> String {
    let default = match scheme {
        "https" => ":443",
        _ => ":80",
    };
    host.strip_suffix(default).unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let mut hosts = Hosts::default();
        hosts.set_public("https://Jobs.example.com:443/").unwrap();
        hosts.add("internal:8080");
        hosts
    }

    fn with_host(host: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HOST, host.parse().unwrap())])
    }

    #[test]
    fn a_dashboard_answers_at_its_own_names_only() {
        let own = [
            "jobs.example.com",
            "JOBS.example.com:443",
            "localhost",
            "localhost:7000",
            "app.localhost:7000",
            "127.0.0.1:7000",
            "127.1.2.3",
            "[::1]:7000",
            "internal:8080",
        ];
        let foreign = [
            "evil.com",
            "jobs.example.com.evil.com",
            "jobs.example.com:444",
            "10.0.0.1",
            "localhost.evil.com",
            "127.0.0.1.evil.com",
            "localhost@evil.com",
            "evil@localhost",
            "internal",
            "[::2]",
            "",
        ];
        let check = |host: &str| hosts().check_host(&with_host(host), &Uri::from_static("/")).is_ok();
        for host in own {
            assert!(check(host), "{host}");
        }
        for host in foreign {
            assert!(!check(host), "{host}");
        }
        assert!(hosts().check_host(&HeaderMap::new(), &Uri::from_static("/")).is_err());
        assert!(hosts().check_host(&HeaderMap::new(), &Uri::from_static("http://localhost:1/")).is_ok());
    }

    #[test]
    fn writes_come_from_its_own_pages_only() {
        let check = |host: &str, headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            hosts().check_origin(&HeaderMap::from_iter(headers), host).is_ok()
        };
        assert!(check("jobs.example.com", &[("origin", "https://jobs.example.com")]));
        assert!(check("internal:8080", &[("origin", "https://jobs.example.com"), ("sec-fetch-site", "same-origin")]));
        assert!(check("localhost:7000", &[("origin", "http://localhost:7000")]));
        for (host, headers) in [
            ("jobs.example.com", &[][..]),
            ("jobs.example.com", &[("origin", "null")]),
            ("jobs.example.com", &[("origin", "http://jobs.example.com")]),
            ("jobs.example.com", &[("origin", "https://evil.com")]),
            ("jobs.example.com", &[("origin", "https://jobs.example.com"), ("sec-fetch-site", "cross-site")]),
            ("jobs.example.com", &[("origin", "https://jobs.example.com"), ("sec-fetch-site", "same-site")]),
            ("jobs.example.com", &[("origin", "https://jobs.example.com"), ("origin", "https://evil.com")]),
            ("localhost:7000", &[("origin", "http://localhost:7001")]),
            ("localhost:7000", &[("origin", "http://127.0.0.1:7000")]),
            ("localhost:7000", &[("sec-fetch-site", "same-origin")]),
        ] {
            assert!(!check(host, headers), "{host} {headers:?}");
        }
    }

    #[test]
    fn a_public_url_has_a_scheme_and_no_path() {
        for url in
            ["jobs.example.com", "ftp://jobs.example.com", "https://jobs.example.com/jobs", "https://", "/jobs", ""]
        {
            assert!(Hosts::default().set_public(url).is_err(), "{url}");
        }
    }
}
