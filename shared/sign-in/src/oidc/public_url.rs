//! Where browsers find the dashboard, and where they may be sent after they have signed in.

use url::{Host, Url};

/// The URL of the dashboard, as browsers reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    /// `https://jobs.example.com`
    origin: String,
    /// The path at which the dashboard is nested, or nothing.
    base: String,
}

impl PublicUrl {
    /// Reads it. Only `https` is accepted, since a cookie that travels as plain text is everybody's; and `http` on the own
    /// machine.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|error| format!("{text:?} is no URL: {error}"))?;
        if !is_safe(&url) {
            return Err(format!("{text:?} is not an https URL; http is for localhost only"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{text:?} has more than a host and a path"));
        }
        Ok(Self { origin: url.origin().ascii_serialization(), base: url.path().trim_end_matches('/').to_owned() })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Returns the URL of a path below the base.
    pub(crate) fn below(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.base)
    }

    /// Returns the path of a page, from one below the base: that of the start page where it is none of the dashboard's, however
    /// the text is written.
    pub(crate) fn page(&self, below: &str) -> String {
        let start = format!("{}/", self.base);
        let plain = below.starts_with('/') && below.len() <= 1024 && below.bytes().all(|byte| byte.is_ascii_graphic());
        let page = Url::parse(&self.below(below)).ok().filter(|page| {
            let inside = page.origin().ascii_serialization() == self.origin && page.path().starts_with(&start);
            plain && inside && !below.contains('\\') && !page.path().contains("//")
        });
        let Some(page) = page else { return start };
        page.query().map_or_else(|| page.path().to_owned(), |query| format!("{}?{query}", page.path()))
    }
}

/// Returns whether what is sent to a URL cannot be read on the way.
pub(crate) fn is_safe(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_accepted_and_http_on_the_own_machine() {
        for good in [
            "https://jobs.example.com",
            "https://example.com/jobs/",
            "http://localhost:8080",
            "http://127.0.0.1:1",
            "http://[::1]:9",
        ] {
            assert!(PublicUrl::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://jobs.example.com",
            "http://localhost.evil.org",
            "ftp://localhost",
            "jobs.example.com",
            "https://a:b@example.com",
            "https://example.com/?a=1",
            "https://example.com/#a",
            "",
        ] {
            assert!(PublicUrl::new(bad).is_err(), "{bad}");
        }
        let url = PublicUrl::new("https://example.com/jobs/").unwrap();
        assert_eq!((&*url.below("/sign-in"), url.is_https()), ("https://example.com/jobs/sign-in", true));
    }

    #[test]
    fn nobody_is_sent_to_another_site() {
        for url in ["https://example.com", "https://example.com/jobs"] {
            let url = PublicUrl::new(url).unwrap();
            for asked in [
                "https://evil.org",
                "//evil.org",
                "/\\evil.org",
                "/\t/evil.org",
                "\\\\evil.org",
                "/%0d%0aSet-Cookie:a\n",
                "javascript:alert(1)",
                "@evil.org",
                ".evil.org",
                ":80@evil.org/",
                "/a//../..//evil.org",
                "/../../admin",
                "",
                "jobs",
            ] {
                let page = url.page(asked);
                assert!(page.starts_with(&format!("{}/", url.base)), "{asked}: {page}");
                assert!(!page.starts_with("//") && !page.contains(['\\', '\r', '\n', '\t']), "{asked}: {page}");
            }
        }
    }

    #[test]
    fn a_page_of_the_dashboard_is_gone_back_to() {
        let url = PublicUrl::new("https://example.com").unwrap();
        assert_eq!(url.page("/jobs?q=state%3Afailed&cursor=a"), "/jobs?q=state%3Afailed&cursor=a");
        let nested = PublicUrl::new("https://example.com/jobs").unwrap();
        assert_eq!(
            (&*nested.page("/errors"), &*nested.page("/"), &*nested.page("/../admin")),
            ("/jobs/errors", "/jobs/", "/jobs/")
        );
    }
}
