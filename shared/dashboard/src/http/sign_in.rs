//! Signing in by a link, and signing out.

use std::sync::Arc;

use axum::{
    Router,
    extract::Query,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use lamplighter::env::Env;
use serde::Deserialize;

use super::{
    access::{Access, People, SignIn},
    chrome::home,
    gate::Gate,
    session::Sessions,
};
use crate::problem::Problem;

#[derive(Deserialize)]
struct Link {
    token: String,
}

/// What nobody needs to be signed in for.
pub(super) fn routes(access: &Access, sessions: &Sessions, base: &str, env: &Env) -> Router {
    match &access.people {
        People::Nobody => Router::new(),
        People::Known(by) => by.routes(sessions),
        People::Local(sign_in) => {
            let (sign_in, sessions, env) = (sign_in.clone(), sessions.clone(), env.clone());
            let home = home(base);
            let enter = move |headers: HeaderMap, Query(link): Query<Link>| async move {
                enter(&sign_in, &sessions, &headers, &link.token, &home, env.now())
            };
            // A preview of the link must not use it up.
            Router::new().route("/sign-in", get(enter).head(|| async { StatusCode::NO_CONTENT }))
        }
    }
}

fn enter(
    sign_in: &SignIn,
    sessions: &Sessions,
    headers: &HeaderMap,
    token: &str,
    home: &str,
    now: Timestamp,
) -> Response {
    if let Some(viewer) = sign_in.redeem(token) {
        return match sessions.begin(viewer, now) {
            Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(home)).into_response(),
            Err(error) => Problem::unavailable(error.to_string()).into_response(),
        };
    }
    match sessions.of(headers, now) {
        Some(_) => Redirect::to(home).into_response(),
        None => Problem::unauthenticated(
            "This link has signed somebody in already, or is too old: each does so once. Run the command again for another.",
        )
        .into_response(),
    }
}

/// The way out, for those who have a session.
pub(super) fn sign_out(gate: &Arc<Gate>) -> Router {
    let (gate, home) = (gate.clone(), home(&gate.base));
    let leave = move |headers: HeaderMap| async move {
        gate.sessions.forget(&headers, gate.shared.site().env.now());
        ([(header::SET_COOKIE, gate.sessions.end())], Redirect::to(&home)).into_response()
    };
    Router::new().route("/sign-out", post(leave))
}
