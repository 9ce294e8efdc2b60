//! The core of every fake: a server that records each call, and makes it fail where a test says so.

use std::{fmt, io, net::SocketAddr, ops::Deref, sync::Arc};

use hyper::Method;
use serde_json::Value;

use crate::{
    ACCOUNT, REGION,
    call::{Call, Route},
    fault::{Fault, Faults},
    http::{Reply, Request, conflict, refused},
    recorder::Recorder,
    server::{Serve, Server},
    tls::Authority,
};

/// A service as its clients use it: its state, and its answers.
pub trait Service: Send + Sync + 'static {
    /// Its measurement of each call; `()` for most.
    type Measure: Clone + Default + fmt::Debug + Send;

    /// Interprets an address, for requests that do not name their action: in REST.
    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        let _ = (method, path);
        None
    }

    /// Answers a call whose only possible faults are failed entries of a batch.
    fn answer(&self, call: &mut Call<Self::Measure>, request: Request) -> impl Future<Output = Reply> + Send;
}

/// An endpoint for a service, on a port of its own. It stops when dropped.
///
/// It derefs to its service, whose state tests set and read.
pub struct Endpoint<S: Service> {
    server: Server,
    core: Arc<Core<S>>,
    scheme: &'static str,
}

struct Core<S: Service> {
    service: S,
    recorder: Recorder<S::Measure>,
    faults: Faults<S::Measure>,
}

impl<S: Service + Default> Endpoint<S> {
    /// Starts an endpoint.
    ///
    /// # Errors
    /// When no port is available.
    pub async fn start() -> io::Result<Self> {
        Self::with(S::default()).await
    }
}

impl<S: Service> Endpoint<S> {
    /// Starts an endpoint for this service.
    ///
    /// # Errors
    /// When no port is available.
    pub async fn with(service: S) -> io::Result<Self> {
        let core = Arc::new(Core::new(service));
        Ok(Self { server: Server::start(core.clone(), None).await?, core, scheme: "http" })
    }

    /// Starts an endpoint for this service, with TLS: as `localhost`, with a certificate of the authority.
    ///
    /// # Errors
    /// When no port or no certificate is available.
    pub async fn with_tls(service: S, authority: &Authority) -> io::Result<Self> {
        let core = Arc::new(Core::new(service));
        let acceptor = authority.acceptor().map_err(io::Error::other)?;
        Ok(Self { server: Server::start(core.clone(), Some(acceptor)).await?, core, scheme: "https" })
    }

    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Returns its URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match self.scheme {
            // Certificates are for names.
            "https" => format!("https://localhost:{}", self.address().port()),
            _ => format!("http://{}", self.address()),
        }
    }

    /// Returns the URL of a queue at this endpoint.
    #[must_use]
    pub fn queue_url(&self, queue: &str) -> String {
        format!("{}/{ACCOUNT}/{queue}", self.endpoint())
    }

    /// Returns the environment of a program that calls this endpoint for every service.
    #[must_use]
    pub fn client_environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ]
    }

    /// Makes the next call of `action` that has no fault yet fail.
    pub fn fail(&self, action: impl Into<String>, fault: Fault) {
        self.core.faults.push(action.into(), fault);
    }

    /// From now on, makes calls fail for which `rule` returns a fault.
    pub fn fail_when(&self, rule: impl FnMut(&Call<S::Measure>) -> Option<Fault> + Send + 'static) {
        self.core.faults.set_rule(rule);
    }

    /// From now on, makes no call fail.
    pub fn stop_failing(&self) {
        self.core.faults.clear();
    }

    /// Returns the calls so far, in the order of their arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call<S::Measure>> {
        self.core.recorder.calls()
    }

    /// Removes the calls that have been answered, and returns them.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call<S::Measure>> {
        self.core.recorder.take()
    }

    /// Returns the actions of the calls so far, in order.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.action).collect()
    }

    /// Returns the bodies of the calls of one action so far, in order.
    #[must_use]
    pub fn bodies(&self, action: &str) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call.action == action).map(|call| call.body).collect()
    }

    /// Waits until this many calls have arrived, counted from the start.
    pub async fn called(&self, times: usize) {
        self.core.recorder.begun(times).await;
    }

    /// Returns how many connections have been opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.recorder.connections()
    }
}

impl<S: Service> Deref for Endpoint<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.core.service
    }
}

impl<S: Service> fmt::Debug for Endpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.endpoint()).field("calls", &self.calls()).finish()
    }
}

impl<S: Service> Core<S> {
    fn new(service: S) -> Self {
        Self { service, recorder: Recorder::default(), faults: Faults::default() }
    }
}

impl<S: Service> Serve for Core<S> {
    fn connected(&self) {
        self.recorder.connected();
    }

    async fn serve(&self, request: Request) -> Option<Reply> {
        let mut call = Call::read(&request, |method, path| self.service.route(method, path));
        call.fault = self.faults.of(&call);
        let number = self.recorder.begin(call.clone());
        let fault = call.fault.clone();
        if matches!(fault, Some(Fault::Refused(..) | Fault::Conflict | Fault::Silence | Fault::Dropped)) {
            self.recorder.complete(number, call);
            return match fault {
                Some(Fault::Refused(status, code, message)) => Some(refused(&request, status, code, message)),
                Some(Fault::Conflict) => Some(conflict()),
                Some(Fault::Silence) => std::future::pending().await,
                _ => None,
            };
        }
        let lost = (fault == Some(Fault::AnswerLost))
            .then(|| refused(&request, 500, "InternalServerError", "the answer is lost, as the test asked"));
        let reply = self.service.answer(&mut call, request).await;
        self.recorder.complete(number, call);
        if let Some(Fault::Held(gate)) = fault {
            gate.passed().await;
        }
        Some(lost.unwrap_or(reply))
    }
}
