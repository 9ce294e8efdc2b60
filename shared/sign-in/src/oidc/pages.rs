//! What a browser gets on the way in.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

/// A page that goes on by itself. An answer that redirects would not do: the browser still counts the request that follows as
/// one from the provider's site, and does not send a `Strict` cookie along.
pub(super) fn signed_in(name: &str, next: &str) -> Response<Body> {
    let (name, next) = (escape(name), escape(next));
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta http-equiv=\"refresh\" content=\"0; url={next}\">\n\
         <title>Signed in</title>\n<main>\n<h1>Signed in</h1>\n<p>You are signed in as {name}.</p>\n\
         <p><a href=\"{next}\">Go on</a></p>\n</main>\n</html>\n"
    );
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer that sends the browser elsewhere.
pub(super) fn see_other(address: &str) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(address).ok()?);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
