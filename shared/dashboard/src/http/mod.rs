//! Over HTTP: one router with pages, API, files and sign-in.

mod access;
mod assets;
mod chrome;
mod finish;
mod form;
mod gate;
mod hosts;
mod live;
mod secret;
mod session;
mod sign_in;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};
use tower_http::compression::CompressionLayer;

pub use self::{
    access::{Access, Authenticate, Identity, InvalidToken, MachineToken, SignIn},
    assets::Asset,
    chrome::Chrome,
    form::Fields,
    hosts::{Exposed, InvalidUrl},
    secret::{NoRandomness, SigningKey},
    session::{SESSION, Sessions},
};
pub(crate) use self::{
    chrome::home,
    gate::{check_json, read},
};
use self::{gate::Gate, hosts::Hosts, live::Live};
use crate::{api, desk::Shared, pages, problem::Problem, site::Site};

/// A dashboard over HTTP, about to be made a router.
///
/// ```
/// # use lamplighter_dashboard::{Access, Dashboard, Rights, Site, Viewer};
/// # fn mounted(site: Site) -> Result<axum::Router, Box<dyn std::error::Error>> {
/// // In a service that knows its users:
/// let access = Access::custom(|parts| {
///     let user = parts.extensions.get::<String>()?;
///     Some(Viewer::new(user, Rights::operator()))
/// });
/// let dashboard = Dashboard::new(site, access)?.public_url("https://shop.example.com")?.base_path("/jobs");
/// Ok(axum::Router::new().nest("/jobs", dashboard.router()))
/// # }
/// ```
#[derive(Debug)]
pub struct Dashboard {
    site: Site,
    access: Access,
    hosts: Hosts,
    key: SigningKey,
    base: String,
    live: Option<Duration>,
    within: Option<Duration>,
    is_read_only: bool,
}

impl Dashboard {
    /// A dashboard of this site, for those who get in.
    ///
    /// # Errors
    /// When the system returns no random numbers.
    pub fn new(site: Site, access: Access) -> Result<Self, NoRandomness> {
        let (hosts, key, base) = (Hosts::default(), SigningKey::random()?, String::new());
        Ok(Self { site, access, hosts, key, base, live: None, within: None, is_read_only: false })
    }

    /// The URL by which viewers reach it, without a path: writes are taken from its pages only. At the loopback none is needed.
    ///
    /// # Errors
    /// When it is no such URL.
    pub fn public_url(mut self, url: &str) -> Result<Self, InvalidUrl> {
        self.hosts.set_public(url)?;
        Ok(self)
    }

    /// A further name, with its port if that is not the default, by which requests reach it: that of a load balancer's checks.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.hosts.add(host);
        self
    }

    /// The path at which its router is nested: `/jobs`. Links begin with it.
    #[must_use]
    pub fn base_path(mut self, path: &str) -> Self {
        let path = path.trim_matches('/');
        self.base = if path.is_empty() { String::new() } else { format!("/{path}") };
        self
    }

    /// The key of cookies and forms, where several processes answer for one another.
    #[must_use]
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.key = key;
        self
    }

    /// Tells open pages of changes, for which it looks this often while any is open. Without it, pages ask again by themselves:
    /// on hosts that cannot keep an answer open, or are paid for it.
    #[must_use]
    pub const fn live(mut self, every: Duration) -> Self {
        self.live = Some(every);
        self
    }

    /// On a host that freezes after an answer, as Lambda does: an operation is carried out within the request that begins it, for
    /// at most this time, and goes on with whatever resumes open operations there. Elsewhere it has a task of its own.
    #[must_use]
    pub const fn run_within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }

    /// Changes nothing for anybody: each viewer and each token may only look, and operations whose process has ended are left
    /// to others.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    /// Whether it may listen at an address: beyond this machine, it needs a sign-in that is more than a link, and its own URL.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), Exposed> {
        match (address.ip().is_loopback(), &self.access.people) {
            (true, _) => Ok(()),
            (false, access::People::Local(_)) => Err(Exposed::WithoutSignIn(address)),
            (false, _) if !self.hosts.has_public() => Err(Exposed::WithoutUrl(address)),
            (false, _) => Ok(()),
        }
    }

    /// The router, to be served at the root, or nested at its [base path](Self::base_path).
    pub fn router(self) -> Router {
        let Self { site, access, hosts, key, base, live, within, is_read_only } = self;
        let shared = match within {
            Some(time) => Shared::within(site, time),
            None => Shared::new(site),
        };
        // Outside of a runtime there is nobody to do it.
        if within.is_none()
            && !is_read_only
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(shared.clone().resume());
        }
        let sessions = Sessions::new(key, hosts.is_secure());
        let is_live = live.is_some();
        let public = sign_in::routes(&access, &sessions, &base, &shared.site().env);
        let gate = Arc::new(Gate { shared: shared.clone(), access, sessions, hosts, base, is_live, is_read_only });

        let mut inside = pages::router().nest("/api/v1", api::router()).merge(sign_in::sign_out(&gate));
        if let Some(every) = live {
            let live = Arc::new(Live::new(shared, every));
            inside = inside.route("/live", get(move || async move { live.stream() }));
        }
        inside
            .fallback(|| async { Problem::no_page() })
            .layer(DefaultBodyLimit::max(gate::MOST_BYTES))
            .layer(from_fn_with_state(gate.clone(), gate::admit))
            .merge(public)
            .route("/assets/{version}/{name}", get(asset))
            .layer(from_fn_with_state(gate, finish::finish))
            .layer(CompressionLayer::new().gzip(true))
    }
}

async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let found = (version == *assets::VERSION).then(|| assets::find(&name)).flatten();
    let Some(asset) = found else { return Problem::no_page().into_response() };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, asset.bytes).into_response()
}
