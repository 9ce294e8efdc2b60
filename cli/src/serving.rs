//! The dashboard at an address of this machine.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use lamplighter_dashboard::{Access, Dashboard, Site, Viewer, http::MachineToken};
use tokio::{net::TcpListener, task::JoinSet};

use crate::error::{Error, reason};

/// How long the head of a request may take, and how long a connection waits for the next one.
const HEAD: Duration = Duration::from_secs(15);
/// How long nothing is accepted after an error.
const PAUSE: Duration = Duration::from_millis(100);

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
    /// Whether every action is refused to everybody.
    pub(crate) read_only: bool,
}

impl Served {
    /// On this machine alone.
    pub(crate) const fn here(port: u16) -> Self {
        let live = Some(Duration::from_secs(1));
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port,
            public_url: None,
            tokens: Vec::new(),
            live,
            read_only: false,
        }
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
        let Served { bind, port, public_url, tokens, live, read_only } = served;
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
        if read_only {
            dashboard = dashboard.read_only();
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
        tokio::select! {
            biased;
            ended = until => Ok(ended),
            () = answer(self.listener, self.router, HEAD) => Err(Error::failed("the dashboard has stopped by itself")),
        }
    }
}

/// Answers what comes in. A request whose head is not there in time is given up, and so is a connection without one.
async fn answer(listener: TcpListener, router: Router, head: Duration) {
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(head);
    let mut open = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Of this connection, or for want of files: then some are closed soon.
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
            Some(_) = open.join_next() => continue,
        };
        let (http, service) = (http.clone(), TowerToHyperService::new(router.clone()));
        open.spawn(async move {
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection has ended");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn a_request_that_is_half_sent_is_given_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "here" }));
        let serving = tokio::spawn(answer(listener, router, Duration::from_millis(100)));
        let sent = async |text: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut said = String::new();
            let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut said)).await;
            ended.expect("the connection stays open").map(|_| said)
        };
        for half in ["", "GET / HTTP/1.1\r\nhost: a\r\nx-half"] {
            assert!(!sent(half).await.unwrap_or_default().contains("200 OK"));
        }
        assert!(sent("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap().ends_with("here"));
        serving.abort();
    }
}
