//! The dashboard at an address of this machine.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::Router;
use lamplighter_dashboard::{Access, Dashboard, Site, Viewer, http::MachineToken};
use tokio::net::TcpListener;

use crate::error::{Error, reason};

/// How a dashboard is served.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) bind: IpAddr,
    /// 0 for any that is free.
    pub(crate) port: u16,
    /// The URL by which viewers reach it, where that is not this machine.
    pub(crate) public_url: Option<String>,
    /// What programs get in by.
    pub(crate) tokens: Vec<MachineToken>,
    /// How often it looks for changes while a page is open; without it, pages ask by themselves.
    pub(crate) live: Option<Duration>,
}

impl Served {
    /// On this machine alone.
    pub(crate) const fn here(port: u16) -> Self {
        let live = Some(Duration::from_secs(1));
        Self { bind: IpAddr::V4(Ipv4Addr::LOCALHOST), port, public_url: None, tokens: Vec::new(), live }
    }
}

/// A dashboard that listens, and answers once it is [run](Self::run).
pub(crate) struct Serving {
    listener: TcpListener,
    router: Router,
    address: SocketAddr,
    /// The path by which a person signs in, once.
    sign_in: Option<String>,
}

impl Serving {
    /// Listens. Beyond this machine, a link that signs in is no protection: there only programs with tokens get in.
    ///
    /// Fails when the address is not to be had, or not to be had safely.
    pub(crate) async fn open(site: Site, viewer: Viewer, served: Served) -> Result<Self, Error> {
        let Served { bind, port, public_url, tokens, live } = served;
        let (access, sign_in) = match bind.is_loopback() || tokens.is_empty() {
            true => {
                let (access, sign_in) = Access::local(viewer);
                (access.tokens(tokens), Some(sign_in))
            }
            false => (Access::machines().tokens(tokens), None),
        };
        let mut dashboard = Dashboard::new(site, access).map_err(Error::failed)?;
        if let Some(url) = &public_url {
            dashboard = dashboard.public_url(url).map_err(|error| Error::Usage(error.to_string()))?;
        }
        if let Some(every) = live {
            dashboard = dashboard.live(every);
        }
        let wanted = SocketAddr::new(bind, port);
        dashboard.check_address(wanted).map_err(|error| Error::Usage(error.to_string()))?;
        let taken = |error: io::Error| {
            let why = reason(&error);
            Error::failed(format_args!("cannot listen at {wanted} for the dashboard: {why}; name another --port, or 0"))
        };
        let listener = TcpListener::bind(wanted).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let sign_in = sign_in.map(|sign_in| sign_in.path().map_err(Error::failed)).transpose()?;
        Ok(Self { listener, router: dashboard.router(), address, sign_in })
    }

    /// The URL to open: it signs in once, where people get in.
    pub(crate) fn url(&self) -> String {
        let path = self.sign_in.as_deref().unwrap_or("/");
        format!("http://{}{path}", self.address)
    }

    /// Whether people get in.
    pub(crate) const fn is_for_people(&self) -> bool {
        self.sign_in.is_some()
    }

    /// Answers requests until the other ends. Open pages are not waited for: they may be open for ever.
    pub(crate) async fn run<T>(self, until: impl Future<Output = T>) -> Result<T, Error> {
        let serving = axum::serve(self.listener, self.router).into_future();
        tokio::select! {
            biased;
            ended = until => Ok(ended),
            served = serving => match served {
                Ok(()) => Err(Error::failed("the dashboard has stopped by itself")),
                Err(error) => Err(Error::failed(format_args!("the dashboard cannot go on: {}", reason(&error)))),
            },
        }
    }
}
