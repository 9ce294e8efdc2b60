//! A call, read from a request in any of AWS's protocols.

use hyper::Method;
use serde_json::Value;

use crate::{
    fault::Fault,
    http::{Request, fields, header, is_query},
};

/// A call that a client made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call<M = ()> {
    /// The service, as signatures name it: `dynamodb`, `events`, `scheduler`, `sqs`. Empty for an unsigned request.
    pub service: String,
    /// The region that the call is signed for.
    pub region: String,
    /// The action: `UpdateItem`, `SendMessageBatch`. The method (`POST`), where neither the request nor its address
    /// names an action.
    pub action: String,
    /// The call's parameters: its body; without one, the fields of its address.
    pub body: Value,
    /// The fault that is injected into it.
    pub fault: Option<Fault>,
    /// The measurement by its service.
    pub measure: M,
}

/// The meaning of an address, in services that use REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The action.
    pub action: &'static str,
    /// The field whose value is in the path, and that value.
    pub field: Option<(&'static str, String)>,
}

impl<M: Default> Call<M> {
    /// Reads a request, with `route` to interpret its address.
    pub(crate) fn read(request: &Request, route: impl FnOnce(&Method, &str) -> Option<Route>) -> Self {
        // AWS4-HMAC-SHA256 Credential=KEY/20261101/us-east-1/sqs/aws4_request, …
        let scope: Vec<_> = header(request, "authorization").split('/').take(4).collect();
        let of_scope = |at: usize| scope.get(at).copied().unwrap_or_default().to_owned();
        let (target, bytes) = (header(request, "x-amz-target"), request.body());
        let mut body = if is_query(request) {
            fields(&String::from_utf8_lossy(bytes))
        } else if bytes.is_empty() {
            fields(request.uri().query().unwrap_or_default())
        } else {
            serde_json::from_slice(bytes).unwrap_or_default()
        };
        let action = if !target.is_empty() {
            target.rsplit('.').next().unwrap_or_default().to_owned()
        } else if is_query(request) {
            body["Action"].as_str().unwrap_or_default().to_owned()
        } else if let Some(Route { action, field }) = route(request.method(), request.uri().path()) {
            if let (Some((name, value)), true) = (field, body.is_object()) {
                body[name] = value.into();
            }
            action.to_owned()
        } else {
            request.method().to_string()
        };
        let (service, region) = (of_scope(3), of_scope(2));
        Self { service, region, action, body, fault: None, measure: M::default() }
    }
}

impl<M> Call<M> {
    /// Returns the entries of a batch that succeed, and those that are made to fail. The flag says that the sender is
    /// at fault.
    #[must_use]
    pub fn entries(&self) -> (Vec<&Value>, Vec<&Value>, bool) {
        let (failing, sender) = match &self.fault {
            Some(Fault::Entries(failing, sender)) => (&failing[..], *sender),
            _ => (&[][..], false),
        };
        let entries = self.body["Entries"].as_array().into_iter().flatten().enumerate();
        let (bad, good): (Vec<_>, Vec<_>) = entries.partition(|(at, _)| failing.contains(at));
        let bare = |entries: Vec<(usize, _)>| entries.into_iter().map(|(_, entry)| entry).collect();
        (bare(good), bare(bad), sender)
    }
}
