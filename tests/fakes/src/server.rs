//! An HTTP server on the loopback interface, with or without TLS.

use std::{io, net::SocketAddr, sync::Arc};

use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::http::{Reply, Request};

/// A handler of requests.
pub(crate) trait Serve: Send + Sync + 'static {
    /// Called for each connection after its TLS handshake.
    fn connected(&self);

    /// Answers a request. Without an answer the connection is closed.
    fn serve(&self, request: Request) -> impl Future<Output = Option<Reply>> + Send;
}

/// A server. It stops, with all its connections, when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    pub(crate) async fn start(service: Arc<impl Serve>, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => drop(connections.spawn(connection(service.clone(), stream, tls.clone()))),
                        // The process cannot open another socket: existing connections continue.
                        Err(_) => break,
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
            while connections.join_next().await.is_some() {}
        });
        Ok(Self { address, task: task.abort_handle() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(service: Arc<impl Serve>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    // A small answer does not wait for the acknowledgement of another (Nagle's algorithm).
    let _ = stream.set_nodelay(true);
    match tls {
        None => answer_all(service, stream).await,
        Some(tls) => {
            // A client that does not trust the certificate hangs up here, and has made no call.
            if let Ok(stream) = tls.accept(stream).await {
                answer_all(service, stream).await;
            }
        }
    }
}

async fn answer_all(service: Arc<impl Serve>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    service.connected();
    let answer = service_fn(move |request| answer(service.clone(), request));
    // A broken connection is for its client to handle.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(service: Arc<impl Serve>, request: hyper::Request<Incoming>) -> Result<Reply, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    // An error makes hyper close the connection.
    service.serve(Request::from_parts(head, body)).await.ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
}
